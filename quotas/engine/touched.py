"""Which accounts' counters moved lately: a set in Redis, so that whoever looks for passed thresholds need not look at all.

Only a hint. It is told from a thread of its own, about once a second, never in a call's path; what a crash or a Redis
that is away loses of it is found by looking at everybody in turn (quotas/thresholds.py, docs/adr/0031).
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import structlog
from django.conf import settings
from django_redis import get_redis_connection
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

logger = structlog.get_logger("quotas.engine")

PAUSE_S = 1.0
"""Between two tellings: as many calls as there were in between cost one."""
MOST = 100_000
"""Accounts remembered while Redis is away; more are left to the look at everybody."""
CHUNK = 1000
AWAY = (RedisError, ConnectionInterrupted, OSError)


def _name() -> str:
    return f"{settings.CACHES['default']['KEY_PREFIX']}:quotas:touched"


def _redis() -> Any:
    return get_redis_connection("default")


class Touched:
    """Gathers account ids and tells them. Used by all threads of a process; made anew after a fork."""

    def __init__(self) -> None:
        self._start()
        os.register_at_fork(after_in_child=self._start)
        atexit.register(self.tell)

    def _start(self) -> None:
        self._mutex = threading.Lock()
        self._telling = threading.Lock()
        self._ids: set[int] = set()
        self._some = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, account_ids: Iterable[int]) -> None:
        """After their commit; takes microseconds."""
        with self._mutex:
            if len(self._ids) < MOST:
                self._ids.update(account_ids)
            if self._thread is None:
                self._thread = threading.Thread(target=self._tell_for_ever, name="touched", daemon=True)
                self._thread.start()
        self._some.set()

    def tell(self) -> bool:
        """Tell Redis now; False when it is away, and then what there was to tell is kept.

        What another thread is about to tell has been told too when this returns.
        """
        with self._telling:
            return self._tell()

    def _tell(self) -> bool:
        with self._mutex:
            told, self._ids = self._ids, set()
        try:
            ids = list(told)
            for first in range(0, len(ids), CHUNK):
                _redis().sadd(_name(), *ids[first : first + CHUNK])
        except AWAY as error:
            logger.warning("touched_not_told", error=type(error).__name__, accounts=len(told))
            with self._mutex:
                self._ids.update(told)
            return False
        return True

    def _tell_for_ever(self) -> None:
        pause = threading.Event()
        while True:
            self._some.wait()
            pause.wait(PAUSE_S)
            self._some.clear()
            if not self.tell():
                self._some.set()
                pause.wait(PAUSE_S * 4)


touched = Touched()
"""What the meter adds to."""


def take(*, most: int = CHUNK) -> Iterator[list[int]]:
    """What all processes told, in portions, each taken by one caller only; nothing while Redis is away.

    A portion that is not done with when its caller fails is put back.
    """
    while True:
        try:
            portion = [int(one) for one in _redis().spop(_name(), most)]
        except AWAY as error:
            logger.warning("touched_unknown", error=type(error).__name__)
            return
        if not portion:
            return
        try:
            yield portion
        except BaseException:
            _put_back(portion)
            raise


def _put_back(portion: list[int]) -> None:
    with suppress(*AWAY):
        _redis().sadd(_name(), *portion)
