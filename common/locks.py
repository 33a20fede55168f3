"""Locks with names, for what no row stands for. PostgreSQL keeps them; a session that dies gives them back."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


def lock_in_transaction(name: str) -> None:
    """Wait for the lock and hold it until this transaction ends. Take row locks after it, never before."""
    assert connection.in_atomic_block, "the lock would be gone at once"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def try_lock_in_transaction(name: str) -> bool:
    """Hold the lock until this transaction ends, or say that somebody else holds it."""
    assert connection.in_atomic_block, "the lock would be gone at once"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        (taken,) = cursor.fetchone()
    return bool(taken)


@contextmanager
def locked_unless_taken(name: str) -> Iterator[bool]:
    """As `locked`, without waiting: whether the block has the lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
        (taken,) = cursor.fetchone()
    try:
        yield bool(taken)
    finally:
        if taken:
            _unlock(name)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Wait for the lock and hold it for the block, outside of a transaction: for work that talks to other services.

    It belongs to the session, so not behind a pool that gives each transaction another one.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
    try:
        yield
    finally:
        _unlock(name)


def _unlock(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])
