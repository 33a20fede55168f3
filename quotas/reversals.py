"""Undoing a record wholly: what it counted, its day's figures, and the credits that paid for it. Once.

For work that could not be done after it was counted. The record stays; another one with a minus stands beside it, at the
same instant, so that every window's figures are right again.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, Sum

from common import audit
from common.errors import NotFound, ValidationError
from quotas.enums import EntryKind, MetricKind, RecordKind
from quotas.models import Grant, LedgerEntry, Reservation, UsageRecord
from quotas.wallets import lock_wallet, wallet_enter

REVERSIBLE = (RecordKind.CONSUME, RecordKind.SETTLE)

LOCK_BUCKETS = """
SELECT id FROM quotas_bucket WHERE account_id = %(account)s AND metric_id = %(metric)s AND starts_at <= %(at)s
  AND (ends_at IS NULL OR ends_at > %(at)s) ORDER BY id FOR NO KEY UPDATE
"""
KEEP_KEY = """
INSERT INTO quotas_operationkey (account_id, key, record_id, created_at) VALUES (%(account)s, %(key)s, %(id)s, palier_now())
ON CONFLICT (account_id, key) DO NOTHING
"""
RECORD = """
INSERT INTO quotas_usagerecord (id, account_id, metric_id, credential_id, kind, units, credit_units, overage_units, key,
  subject, request_id, reverses_record_id, occurred_at, recorded_at)
SELECT %(id)s, account_id, metric_id, credential_id, 'reverse', -units, -credit_units, -overage_units, %(key)s, subject,
  %(request_id)s, id, occurred_at, palier_now()
FROM quotas_usagerecord WHERE id = %(record)s AND occurred_at = %(at)s
"""
DAY = """
UPDATE quotas_usageday d SET units = d.units - r.units, overage_units = d.overage_units - r.overage_units,
  operations = d.operations - 1, updated_at = palier_now(),
  hour_units = quotas_add_hours(d.hour_units, quotas_hours(-r.units, r.occurred_at))
FROM quotas_usagerecord r
WHERE r.id = %(record)s AND r.occurred_at = %(at)s AND d.account_id = r.account_id AND d.metric_id = r.metric_id
  AND d.credential_id IS NOT DISTINCT FROM r.credential_id AND d.day = (r.occurred_at AT TIME ZONE 'UTC')::date
"""
BUCKETS = """
UPDATE quotas_bucket b SET used_units = f.used, updated_at = palier_now(),
  limit_units = greatest(b.limit_units, f.used + b.reserved_units)
FROM (SELECT b.id, coalesce(sum(u.units), 0) AS used FROM quotas_bucket b LEFT JOIN quotas_usagerecord u
        ON u.account_id = b.account_id AND u.metric_id = b.metric_id AND u.occurred_at >= b.starts_at
        AND (b.ends_at IS NULL OR u.occurred_at < b.ends_at)
      WHERE b.id = ANY(%(buckets)s) GROUP BY b.id) AS f
WHERE f.id = b.id
"""


@transaction.atomic
def usage_reverse(
    *, account_id: int, record_id: int, reason: str, request_id: str = "", now: datetime
) -> UsageRecord:
    """Undo what the record counted and took; the reversing record. Done before: the same one, and nothing more.

    NotFound for an unknown record and another account's alike; ValidationError for one that is no use (things that
    exist are given back instead).
    """
    record = UsageRecord.objects.select_related("metric").filter(pk=record_id, account_id=account_id).first()
    if record is None:
        raise NotFound
    if record.kind not in REVERSIBLE or record.metric.kind == MetricKind.CAPACITY:
        raise ValidationError.of("record", "invalid", "only use that was counted can be reversed")
    buckets = _lock_buckets(record)
    before = UsageRecord.objects.filter(reverses_record_id=record_id, occurred_at=record.occurred_at).first()
    if before is not None:
        return before
    reversing_id = _undo_counts(record, buckets, request_id)
    _undo_credits(record, reversing_id, reason, now)
    audit.record(
        actor=None,
        account_id=account_id,
        action="usage.reversed",
        subject=str(record_id),
        reason=reason,
        data={"metric": record.metric.code, "units": record.units, "reversing_record": reversing_id},
        now=now,
    )
    return UsageRecord.objects.get(pk=reversing_id, occurred_at=record.occurred_at)


def _lock_buckets(record: UsageRecord) -> list[int]:
    """Those whose window the record is in. Whoever reverses the same record at once waits here."""
    with connection.cursor() as cursor:
        cursor.execute(
            LOCK_BUCKETS,
            {"account": record.account_id, "metric": record.metric_id, "at": record.occurred_at},
        )
        return [bucket_id for (bucket_id,) in cursor.fetchall()]


def _undo_counts(record: UsageRecord, buckets: list[int], request_id: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('quotas_record_block') * 1024")
        (reversing_id,) = cursor.fetchone()
        parameters = {
            "id": reversing_id,
            "account": record.account_id,
            "record": record.pk,
            "at": record.occurred_at,
            "key": UUID(bytes=blake2b(f"reverse\0{record.pk}".encode(), digest_size=16).digest()),
            "request_id": request_id[:64],
            "buckets": buckets,
        }
        for statement in (KEEP_KEY, RECORD, DAY, BUCKETS):
            cursor.execute(statement, parameters)
    return int(reversing_id)


def _undo_credits(record: UsageRecord, reversing_id: int, reason: str, now: datetime) -> None:
    """Give back, grant by grant, what the record took in the end; and say that its overage is none any more."""
    if not record.credit_units and not record.overage_units:
        return
    wallet = lock_wallet(record.account_id, now)
    reservation = Reservation.objects.filter(account_id=record.account_id, record_id=record.pk).first()
    of_record = Q(record_id=record.pk)
    if reservation is not None:
        of_record |= Q(reservation_id=reservation.pk)
    entries = LedgerEntry.objects.filter(of_record, account_id=record.account_id)
    taken = entries.filter(grant__isnull=False).values("grant").annotate(sum=Sum("units")).order_by("grant")
    common = {"metric_id": record.metric_id, "credential_id": record.credential_id, "record_id": reversing_id}
    for row in list(taken):
        if row["sum"]:
            grant = Grant.objects.get(pk=row["grant"])
            name = f"reverse:{record.pk}:{grant.pk}"
            wallet_enter(
                wallet, EntryKind.REVERSAL, name, -row["sum"], now, grant=grant, reason=reason[:200], **common
            )
    if record.overage_units:
        name = f"reverse:{record.pk}:overage"
        wallet_enter(
            wallet,
            EntryKind.REVERSAL,
            name,
            0,
            now,
            grant=None,
            reason=reason[:200],
            overage_units=-record.overage_units,
            **common,
        )
