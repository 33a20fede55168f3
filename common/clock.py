"""What time it is. Only edges (views, tasks, commands) call `now()`; below them `now` is an argument.

The database's clock is the one that decides windows: SQL uses `palier_now()`. In the sandbox both are the real
time plus one shift, kept in one row so that all processes and the Stripe stand-in move together.
"""

from datetime import UTC, datetime

from django.conf import settings
from django.db import connection


def now() -> datetime:
    """The current instant, UTC."""
    if settings.SANDBOX:
        return database_now()
    return datetime.now(UTC)


def database_now() -> datetime:
    """The instant by the database's clock, UTC; what the metering engine goes by."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT palier_now()")
        (value,) = cursor.fetchone()
    return value.astimezone(UTC)
