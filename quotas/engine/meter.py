"""The process's meter: one combiner on one connection, made when first needed and made anew after a fork.

Batches that one caller brings have a second connection, so that they do not stand in the way of everybody else.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from quotas.engine.combiner import Combiner
from quotas.engine.decide import Outcome
from quotas.engine.runner import BatchRunner
from quotas.values import Decision, Operation

LARGEST_CHUNK = 200
"""Operations of one caller's batch in one transaction: bounds how long others wait for the account's counters."""


class Meter:
    """Submits operations to the process's combiner."""

    def __init__(self) -> None:
        self._start()
        os.register_at_fork(after_in_child=self._start)

    def submit(self, operation: Operation) -> Decision:
        """The decision, committed when it is returned; raises the DomainError that concerns this operation."""
        return self._combiner.submit(operation)

    def submit_all(self, operations: Sequence[Operation]) -> list[Outcome]:
        """A decision, or the error that concerns it, for each, decided in order; committed when they are returned."""
        outcomes: list[Outcome] = []
        for first in range(0, len(operations), LARGEST_CHUNK):
            with self._bulk_mutex:
                outcomes += self._bulk_runner.run(operations[first : first + LARGEST_CHUNK])
        return outcomes

    def _start(self) -> None:
        """Again in a forked child: it must not speak on its parent's connection, nor wait for its parent's threads."""
        self._runner = BatchRunner()
        self._combiner: Combiner[Operation, Decision] = Combiner(self._runner.run)
        self._bulk_mutex, self._bulk_runner = threading.Lock(), BatchRunner()

    def close(self) -> None:
        """Drop the connections (tests, orderly shutdown)."""
        self._runner.close()
        self._bulk_runner.close()


meter = Meter()
"""What quotas.services submits to."""
