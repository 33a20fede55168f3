"""Writing a decided batch: a few set-based statements in one pipeline, committed by the caller."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from quotas.engine import sql
from quotas.engine.connection import array
from quotas.engine.decide import Batch
from quotas.engine.purses import write_purses
from quotas.engine.rows import ClosedReservation, NewKey, NewRecord, NewReservation
from quotas.engine.state import LockedBucket
from quotas.enums import RecordKind

Connection = psycopg.Connection[tuple[Any, ...]]


def write_batch(connection: Connection, batch: Batch) -> None:
    """All that the batch's decisions changed."""
    with connection.pipeline():
        if buckets := batch.touched_buckets():
            _write_buckets(connection, buckets)
        if batch.records:
            _write_records(connection, batch.records)
            _write_days(connection, batch.records)
        if batch.reservations:
            _write_reservations(connection, batch.reservations)
        if batch.closed:
            _write_closed(connection, batch.closed)
        if batch.keys:
            _write_keys(connection, batch.keys)
        write_purses(connection, batch.state.purses)


def _write_buckets(connection: Connection, buckets: Sequence[LockedBucket]) -> None:
    connection.execute(
        sql.WRITE_BUCKETS,
        (
            array(b.id for b in buckets),
            array(b.counter.used for b in buckets),
            array(b.counter.reserved for b in buckets),
            array(b.counter.limit for b in buckets),
            [str(b.counter.mode) for b in buckets],
            array(b.granted for b in buckets),
        ),
    )


def _write_records(connection: Connection, records: Sequence[NewRecord]) -> None:
    connection.execute(
        sql.WRITE_RECORDS,
        (
            array(r.id for r in records),
            array(r.operation.account_id for r in records),
            array(r.metric_id for r in records),
            array(r.credential_id for r in records),
            [str(r.kind) for r in records],
            array(r.units for r in records),
            array(r.credit_units for r in records),
            array(r.overage_units for r in records),
            [r.operation.key for r in records],
            [r.subject for r in records],
            [r.request_id for r in records],
            [r.occurred_at for r in records],
        ),
    )


def _write_days(connection: Connection, records: Sequence[NewRecord]) -> None:
    """Add the records to their account's and credential's days."""
    days: dict[tuple[int, int, int | None, date], list[int]] = defaultdict(lambda: [0] * 27)
    for record in records:
        at = record.occurred_at.astimezone(UTC)
        sums = days[record.operation.account_id, record.metric_id, record.credential_id, at.date()]
        sums[at.hour] += record.units
        sums[24] += record.units
        sums[25] += record.overage_units
        sums[26] += record.kind != RecordKind.GIVE_BACK
    connection.execute(
        sql.WRITE_DAYS,
        (
            array(account for account, _, _, _ in days),
            array(metric for _, metric, _, _ in days),
            array(credential for _, _, credential, _ in days),
            [day for _, _, _, day in days],
            array(sums[24] for sums in days.values()),
            array(sums[25] for sums in days.values()),
            array(sums[26] for sums in days.values()),
            [array(sums[:24]) for sums in days.values()],
        ),
    )


def _write_reservations(connection: Connection, reservations: Sequence[NewReservation]) -> None:
    operations = [reservation.operation for reservation in reservations]
    connection.execute(
        sql.WRITE_RESERVATIONS,
        (
            [o.reservation_id for o in operations],
            array(o.account_id for o in operations),
            array(o.metric_id for o in operations),
            array(o.credential_id for o in operations),
            array(o.units for o in operations),
            [array(r.bucket_ids) for r in reservations],
            [o.subject for o in operations],
            [o.request_id for o in operations],
            array(o.ttl_s for o in operations),
            array(r.parts.credits for r in reservations),
            array(r.parts.overage for r in reservations),
            array(r.credits_per_unit for r in reservations),
        ),
    )


def _write_closed(connection: Connection, closed: Sequence[ClosedReservation]) -> None:
    connection.execute(
        sql.CLOSE_RESERVATIONS,
        (
            [c.id for c in closed],
            [str(c.status) for c in closed],
            array(c.settled_units for c in closed),
            array(c.record_id for c in closed),
            array(c.credit_units for c in closed),
        ),
    )


def _write_keys(connection: Connection, keys: Sequence[NewKey]) -> None:
    connection.execute(
        sql.WRITE_KEYS,
        (
            array(k.operation.account_id for k in keys),
            [k.operation.key for k in keys],
            [k.operation.fingerprint for k in keys],
            [None if k.decision is None else Jsonb(k.decision) for k in keys],
            array(k.record_id for k in keys),
        ),
    )
