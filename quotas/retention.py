"""What the meter forgets after a while: the keys of operations, and reservations that are closed."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import connection

from common.retention import forgets

AT_ONCE = 20_000
MOST = 1_000_000  # in one run; the next goes on

OLD_KEYS = "quotas_operationkey WHERE created_at < %(before)s"
# What paid with credits is named by the ledger, and stays with it.
OLD_RESERVATIONS = (
    "quotas_reservation WHERE decided_at < %(before)s AND closed_at < %(before)s AND status <> 'open'"
    " AND credits_per_unit IS NULL"
)


@forgets("operation_keys")
def operation_keys_forget(*, now: datetime, dry_run: bool = False) -> int:
    """Whoever sends a key again after that is a new caller: integrators are told how long it is good."""
    return _forget(OLD_KEYS, now, dry_run)


@forgets("closed_reservations")
def reservations_forget(*, now: datetime, dry_run: bool = False) -> int:
    """Settled, released or expired, and without credits; records and counters do not need them."""
    return _forget(OLD_RESERVATIONS, now, dry_run)


def _forget(old: str, now: datetime, dry_run: bool) -> int:
    before = {"before": now - settings.OPERATIONS_RETENTION}
    total = 0
    with connection.cursor() as cursor:
        if dry_run:
            cursor.execute(f"SELECT count(*) FROM {old}", before)  # noqa: S608 - one of the constants above
            return int(cursor.fetchone()[0])
        table = old.split(" ", 1)[0]
        while total < MOST:
            cursor.execute(
                f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {old} LIMIT {AT_ONCE}))",  # noqa: S608
                before,
            )
            total += cursor.rowcount
            if cursor.rowcount < AT_ONCE:
                break
    return total
