"""Small things PostgreSQL knows better than we do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection, transaction
from django.db.models import DateTimeField, Func


class DatabaseClock(Func):
    """PostgreSQL's real time at this moment: not the transaction's start, never the sandbox's.

    For leases and locks, which are about processes and not about business.
    """

    function = "clock_timestamp"
    output_field = DateTimeField()


def real_now() -> datetime:
    """The database's real time, whatever the sandbox's clock says."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (value,) = cursor.fetchone()
    return value.astimezone(UTC)


def prepared(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement that each connection plans only once: for what is asked often and is long to plan.

    Only for reads whose columns never change with the schema. In the transaction that runs, if one does.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(statement, parameters, prepare=True).fetchall()


@contextmanager
def one_moment() -> Iterator[None]:
    """All reads of the block see one moment, whatever is written meanwhile; nothing can be written in it.

    Within a transaction that runs already it is that one's sight, which cannot be changed any more.
    """
    nested = connection.in_atomic_block
    with transaction.atomic():
        if not nested:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@contextmanager
def answered_within(seconds: int) -> Iterator[None]:
    """Reads of the block that take longer than that are ended by PostgreSQL, with OperationalError; nothing is written.

    For figures that somebody waits for, over tables that grow.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        (before,) = cursor.fetchone()
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds}s"])
        yield
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
