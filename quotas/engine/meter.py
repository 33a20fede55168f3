"""The process's meter: one combiner on one connection, made when first needed and made anew after a fork."""

from __future__ import annotations

import os

from quotas.engine.combiner import Combiner
from quotas.engine.runner import BatchRunner
from quotas.values import Decision, Operation


class Meter:
    """Submits operations to the process's combiner."""

    def __init__(self) -> None:
        self._start()
        os.register_at_fork(after_in_child=self._start)

    def submit(self, operation: Operation) -> Decision:
        """The decision, committed when it is returned; raises the DomainError that concerns this operation."""
        return self._combiner.submit(operation)

    def _start(self) -> None:
        """Again in a forked child: it must not speak on its parent's connection, nor wait for its parent's threads."""
        self._runner = BatchRunner()
        self._combiner: Combiner[Operation, Decision] = Combiner(self._runner.run)

    def close(self) -> None:
        """Drop the connection (tests, orderly shutdown)."""
        self._runner.close()


meter = Meter()
"""What quotas.services submits to."""
