"""The usage records' monthly partitions: made ahead, shown, and taken out when nothing counts by them any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Max, Q
from psycopg import sql

from common import audit
from common.errors import ValidationError
from common.periods import add_months
from quotas.models import DetachedMonth, Entitlement

AHEAD_MONTHS = 4
PREFIX = "quotas_usagerecord_"
REST = f"{PREFIX}rest"
LOCK_TIMEOUT = "3s"  # rather not now than everybody waiting behind us

ATTACHED = """
SELECT c.relname, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid)
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'quotas_usagerecord'::regclass ORDER BY c.relname
"""
THINGS = """
SELECT id FROM quotas_metric WHERE kind = 'capacity'
UNION SELECT metric_id FROM quotas_entitlement WHERE "window" = 'capacity'
UNION SELECT metric_id FROM quotas_bucket WHERE "window" = 'capacity'
"""


@dataclass(frozen=True, slots=True)
class Partition:
    """`month` None: the one for the rest. `record_count` is the planner's estimate."""

    name: str
    month: date | None
    record_count: int
    size_bytes: int


def partitions() -> list[Partition]:
    """Those attached, oldest first; the one for the rest last."""
    with connection.cursor() as cursor:
        cursor.execute(ATTACHED)
        return [Partition(name, _month_of(name), count, size) for name, count, size in cursor.fetchall()]


def partitions_ensure() -> int:
    """Make those of this month and the next three that are missing; how many were made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT quotas_ensure_partitions(palier_now(), %s)", [AHEAD_MONTHS])
        (made,) = cursor.fetchone()
    return int(made)


def records_since() -> datetime | None:
    """From when on records are complete; None: from the beginning."""
    newest = DetachedMonth.objects.aggregate(newest=Max("month"))["newest"]
    return None if newest is None else add_months(_starts_at(newest), 1)


def months_detach(*, before: date, actor: Any, dry_run: bool = False, now: datetime) -> list[DetachedMonth]:
    """Take the records of every month that ends before that day out of the books, the oldest first, each in a transaction.

    Counters, days and charts stay as they are. ValidationError for a day after which a window that is open may have
    begun: its counter must be able to be checked and rebuilt.
    """
    last = detachable_before(now)
    if before > last:
        raise ValidationError.of("before", "too_late", f"Limits in force count from {last} on.")
    found = [
        one for one in partitions() if one.month and add_months(_starts_at(one.month), 1).date() <= before
    ]
    return [_detach(one, actor, dry_run, now) for one in found]


def detachable_before(now: datetime) -> date:
    """The first day of the month in which the longest window that is open now may have begun."""
    in_force = Entitlement.objects.filter(Q(valid_until__isnull=True) | Q(valid_until__gt=now))
    longest = in_force.aggregate(months=Max("period_months"))["months"] or 1
    this_month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return add_months(this_month, -longest).date()


def _detach(one: Partition, actor: Any, dry_run: bool, now: datetime) -> DetachedMonth:
    assert one.month is not None
    with _locking_shortly() as cursor:
        table = sql.Identifier(one.name)
        cursor.execute(
            sql.SQL(
                "CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM {} WHERE metric_id IN ({})"
            ).format(table, sql.SQL(THINGS))
        )
        kept = cursor.rowcount
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(table))
        (count,) = cursor.fetchone()
        gone = DetachedMonth(
            month=one.month,
            table_name=one.name,
            record_count=count - kept,
            kept_count=kept,
            detached_at=now,
        )
        if dry_run:
            transaction.set_rollback(True)
            return gone
        cursor.execute(sql.SQL("ALTER TABLE quotas_usagerecord DETACH PARTITION {}").format(table))
        cursor.execute("INSERT INTO quotas_usagerecord SELECT * FROM kept")
        gone.save(force_insert=True)
        figures = {"records": gone.record_count, "kept": kept}
        audit.record(
            actor=actor, account_id=None, action="records.detached", subject=one.name, data=figures, now=now
        )
    return gone


@contextmanager
def _locking_shortly() -> Iterator[CursorWrapper]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        yield cursor


def _month_of(name: str) -> date | None:
    return None if name == REST else datetime.strptime(name.removeprefix(PREFIX) + "01", "%Y%m%d").date()  # noqa: DTZ007


def _starts_at(month: date) -> datetime:
    return datetime.combine(month, time(), UTC)
