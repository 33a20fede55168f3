"""Virtual time: real time plus a shift that only grows."""

import threading
import time
from typing import Protocol

import psycopg


class ShiftStore(Protocol):
    """Where the shift (microseconds) lives between moves."""

    def read(self) -> int: ...

    def write(self, shift_us: int) -> None: ...


class MemoryShift:
    def __init__(self) -> None:
        self._shift_us = 0

    def read(self) -> int:
        return self._shift_us

    def write(self, shift_us: int) -> None:
        self._shift_us = shift_us


class PostgresShift:
    """The row of `common_sandbox_clock`, through which the application's clock moves with this one."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def read(self) -> int:
        """Zero when the table has no row, or is not there yet because the database is still empty."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            there = connection.execute("select to_regclass('common_sandbox_clock')").fetchone()
            if there is None or there[0] is None:
                return 0
            row = connection.execute(
                "select round(extract(epoch from shift) * 1000000)::bigint from common_sandbox_clock where id = 1",
            ).fetchone()
        return int(row[0]) if row else 0

    def write(self, shift_us: int) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(
                "insert into common_sandbox_clock (id, shift) values (1, %s * interval '1 microsecond')"
                " on conflict (id) do update set shift = greatest(common_sandbox_clock.shift, excluded.shift)",
                (shift_us,),
            )


class Clock:
    """Unix seconds of virtual time. Counted in integer microseconds, so that moving to a second lands on it."""

    def __init__(self, store: ShiftStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._shift_us = store.read()

    def _real_us(self) -> int:
        return time.time_ns() // 1_000

    def now_us(self) -> int:
        return self._real_us() + self._shift_us

    def now(self) -> int:
        return self.now_us() // 1_000_000

    def move_to(self, at: int) -> None:
        """Makes `now()` at least `at`; an instant already passed changes nothing."""
        with self._lock:
            behind_us = at * 1_000_000 - self.now_us()
            if behind_us > 0:
                self._store.write(self._shift_us + behind_us)
                self._shift_us += behind_us
