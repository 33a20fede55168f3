"""What the meter needs that nobody notices until it is missing."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import DatabaseError, connection

from common.doctor import Symptom, check, warning

# Rows of a month without a partition land in the one for the rest, which is never pruned and makes reading slow.
NEXT_MONTH = """
SELECT to_regclass('quotas_usagerecord_' || to_char(palier_now() AT TIME ZONE 'UTC' + interval '1 month', 'YYYYMM'))
"""


@check("partitions")
def partitions() -> Iterator[Symptom]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(NEXT_MONTH)
            (partition,) = cursor.fetchone()
    except DatabaseError:
        return  # told by "database" or "migrations"
    if partition is None:
        yield warning(
            "Next month has no partition for usage records.",
            mend="Beat makes them daily: is it running? By hand: manage.py partitions --ensure",
        )
