"""Small things PostgreSQL knows better than we do."""

from datetime import UTC, datetime

from django.db import connection
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
