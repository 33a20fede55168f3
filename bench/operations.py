"""What the workers call. An operation is made once in each process, and hands each thread its own call."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

from django.db import transaction

from bench.models import BenchCounter
from bench.worker import Call
from quotas import services

METRIC = "messages"


class Operation:
    """`prepare` is called once in each process before anything is measured, and returns its counts."""

    def call(self, *, worker: int, workers: int, thread: int) -> Call:
        raise NotImplementedError

    def prepare(self, *, worker: int, workers: int, threads: int) -> dict[str, Any]:  # noqa: ARG002
        return {"calls": 0, "allowed": 0, "seconds": 0.0}


class ConsumeHot(Operation):
    """A durable unit of one account: allowed only after the commit."""

    def __init__(self, *, account_id: int) -> None:
        self._account_id = account_id

    def call(self, *, worker: int, workers: int, thread: int) -> Call:  # noqa: ARG002
        account_id = self._account_id
        return lambda: services.usage_consume(account_id=account_id, metric=METRIC).allowed


class ConsumeRandom(Operation):
    """A durable unit of one account out of many, picked at random. `accounts`: first and last id, both included."""

    def __init__(self, *, accounts: tuple[int, int]) -> None:
        self._first, self._last = accounts

    def call(self, *, worker: int, workers: int, thread: int) -> Call:  # noqa: ARG002
        pick = random.Random(worker * 1_000 + thread).randint
        first, last = self._first, self._last
        return lambda: services.usage_consume(account_id=pick(first, last), metric=METRIC).allowed

    def prepare(self, *, worker: int, workers: int, threads: int) -> dict[str, Any]:
        """One unit of every account of this worker's share, so that each has its counter, as pgbench's rows do."""
        mine = range(self._first + worker, self._last + 1, workers)
        allowed = [0] * threads
        started_at = time.monotonic()

        def visit(thread: int) -> None:
            for account_id in mine[thread::threads]:
                allowed[thread] += services.usage_consume(account_id=account_id, metric=METRIC).allowed

        crew = [threading.Thread(target=visit, args=(thread,)) for thread in range(threads)]
        for member in crew:
            member.start()
        for member in crew:
            member.join()
        return {"calls": len(mine), "allowed": sum(allowed), "seconds": time.monotonic() - started_at}


class LockAndSave(Operation):
    """The usual way with Django: lock the row, add one, save. Every thread has a connection of its own."""

    def __init__(self, *, row_id: int) -> None:
        self._row_id = row_id

    def call(self, *, worker: int, workers: int, thread: int) -> Call:  # noqa: ARG002
        return self._once

    def _once(self) -> bool:
        with transaction.atomic():
            counter = BenchCounter.objects.select_for_update().get(pk=self._row_id)
            counter.used += 1
            counter.save()
        return True


OPERATIONS: dict[str, type[Operation]] = {
    "consume_hot": ConsumeHot,
    "consume_random": ConsumeRandom,
    "lock_and_save": LockAndSave,
}
