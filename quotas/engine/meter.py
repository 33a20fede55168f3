"""The process's meter: one combiner on one connection, made when first needed and made anew after a fork."""

from __future__ import annotations

import os
import threading

from quotas.engine.combiner import Combiner
from quotas.engine.runner import BatchRunner
from quotas.values import Decision, Operation


class Meter:
    """Submits operations to the process's combiner."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._owner_pid = 0
        self._runner = BatchRunner()
        self._combiner: Combiner[Operation, Decision] = Combiner(self._runner.run)

    def submit(self, operation: Operation) -> Decision:
        """The decision, committed when it is returned; raises the DomainError that concerns this operation."""
        if self._owner_pid != os.getpid():
            self._renew()
        return self._combiner.submit(operation)

    def _renew(self) -> None:
        """A forked child must not speak on its parent's connection: leave it alone and open another."""
        with self._mutex:
            if self._owner_pid == os.getpid():
                return
            self._runner = BatchRunner()
            self._combiner = Combiner(self._runner.run)
            self._owner_pid = os.getpid()

    def close(self) -> None:
        """Drop the connection (tests, orderly shutdown)."""
        self._runner.close()


meter = Meter()
"""What quotas.services submits to."""
