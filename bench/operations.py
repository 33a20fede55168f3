"""What the workers call. An operation is made once in each process, and hands each thread its own call."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from django.db import transaction

from bench.accounts import METRIC
from bench.models import BenchCounter
from bench.worker import Call
from quotas import services


class Operation(Protocol):
    """Made from the pool's arguments."""

    def call(self, *, worker: int, thread: int) -> Call:
        """What this thread is to call again and again; true when the call was allowed."""


class ConsumeHot:
    """A durable unit of one account: allowed only after the commit."""

    def __init__(self, *, account_id: int) -> None:
        self._account_id = account_id

    def call(self, *, worker: int, thread: int) -> Call:  # noqa: ARG002
        account_id = self._account_id
        return lambda: services.usage_consume(account_id=account_id, metric=METRIC).allowed


class ConsumeRandom:
    """A durable unit of one account out of many, picked at random. `accounts`: first and last id, both included."""

    def __init__(self, *, accounts: tuple[int, int]) -> None:
        self._first, self._last = accounts

    def call(self, *, worker: int, thread: int) -> Call:
        pick = random.Random(worker * 1_000 + thread).randint
        first, last = self._first, self._last
        return lambda: services.usage_consume(account_id=pick(first, last), metric=METRIC).allowed


class LockAndSave:
    """The usual way with Django: lock the row, add one, save. Every thread has a connection of its own."""

    def __init__(self, *, row_id: int) -> None:
        self._row_id = row_id

    def call(self, *, worker: int, thread: int) -> Call:  # noqa: ARG002
        return self._once

    def _once(self) -> bool:
        with transaction.atomic():
            counter = BenchCounter.objects.select_for_update().get(pk=self._row_id)
            counter.used += 1
            counter.save()
        return True


OPERATIONS: dict[str, Callable[..., Operation]] = {
    "consume_hot": ConsumeHot,
    "consume_random": ConsumeRandom,
    "lock_and_save": LockAndSave,
}
