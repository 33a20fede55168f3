"""Processes with threads that call one operation as fast as it answers.

A pool is started once and measured many times, so that starting up is not in the figures.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.children import Child

PROCESSES = 2
THREADS = 32
WARM_UP_S = 1.0
LEAD_S = 0.05
"""Between the order and the start, so that all children start at one moment."""


@dataclass(frozen=True)
class Count:
    """What one process did: calls answered, and those of them that were allowed."""

    calls: int
    allowed: int
    seconds: float


class WorkerPool:
    """`operation` (a name of bench.operations) as a Side, in `processes` × `threads`. Its children end with `stack`.

    `allowed` counts every allowed call since the pool was made, warm-up included: it is what the books must have.
    """

    def __init__(
        self,
        name: str,
        operation: str,
        *,
        stack: ExitStack,
        arguments: Mapping[str, Any],
        environment: Mapping[str, str],
        log: Path,
        processes: int = PROCESSES,
        threads: int = THREADS,
    ) -> None:
        self.name = name
        self.allowed = 0
        order = {
            "operation": operation,
            "arguments": dict(arguments),
            "threads": threads,
            "workers": processes,
        }
        self._children: list[Child] = []
        for worker in range(processes):
            child = Child("bench.worker", {**order, "worker": worker}, environment=environment, log=log)
            stack.callback(child.close)
            self._children.append(child)
        for child in self._children:
            child.answer()

    def warm_up(self) -> None:
        self.measure(WARM_UP_S)

    def measure(self, seconds: float) -> float:
        # One moment for all: the monotonic clock is the machine's, not the process's.
        start_at = time.monotonic() + LEAD_S
        for child in self._children:
            child.tell({"seconds": seconds, "start_at": start_at})
        counts = [Count(**child.answer()) for child in self._children]
        self.allowed += sum(count.allowed for count in counts)
        return sum(count.calls / count.seconds for count in counts)
