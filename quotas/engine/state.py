"""What the careful path knows while it decides a batch: the locked rows as plain objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from quotas import rules
from quotas.engine.purses import Purses
from quotas.values import Bound

Row = tuple[Any, ...]
Pair = tuple[int, int]


class RightsChangedError(Exception):
    """The account's limits were changed while this batch waited for the lock: read them again."""


@dataclass(slots=True)
class LockedBucket:
    """A bucket row under lock, and its counter as this batch changes it."""

    id: int
    account_id: int
    metric_id: int
    window: str
    starts_at: datetime
    ends_at: datetime | None
    counter: rules.Counter
    counts_under: int | None
    touched: bool = False
    granted: bool = False


@dataclass(slots=True)
class ActiveBound:
    """A limit in force now, with its bucket once that exists."""

    account_id: int
    metric_id: int
    window: str
    source: str
    source_ref: str
    limit: int | None
    mode: str
    starts_at: datetime
    ends_at: datetime | None
    entitlement_id: int
    version: int
    bucket: LockedBucket | None
    credits_per_unit: int | None = None

    def counter(self) -> rules.Counter:
        """The counter to decide by: the bucket's figures under the limit in force now."""
        if self.bucket is None:
            return rules.Counter(limit=self.limit, mode=self.mode, used=0, reserved=0)
        counter = self.bucket.counter
        return rules.Counter(limit=self.limit, mode=self.mode, used=counter.used, reserved=counter.reserved)

    def shown(self, metric: str, *, allows: bool = True) -> Bound:
        """As the caller sees it."""
        counter = self.counter()
        return Bound(
            metric=metric,
            window=self.window,
            source=self.source,
            source_ref=self.source_ref,
            limit=self.limit,
            mode=self.mode,
            used=counter.used,
            reserved=counter.reserved,
            starts_at=self.starts_at,
            reset_at=self.ends_at,
            allows=allows,
        )


@dataclass(slots=True)
class LockedReservation:
    """A reservation row under lock. `credits_per_unit` is None where credits play no part."""

    id: UUID
    account_id: int
    metric_id: int
    credential_id: int | None
    units: int
    bucket_ids: list[int]
    status: str
    subject: str
    request_id: str
    decided_at: datetime
    expires_at: datetime
    record_id: int | None
    settled_units: int | None
    credit_units: int = 0
    overage_units: int = 0
    credits_per_unit: int | None = None

    @property
    def parts(self) -> rules.Parts:
        """What its units are paid with."""
        allowance = self.units - self.credit_units - self.overage_units
        return rules.Parts(allowance, self.credit_units, self.overage_units)


@dataclass(slots=True)
class StoredKey:
    """An operation's key that was used before."""

    fingerprint: UUID | None
    decision: dict[str, Any] | None
    record_id: int | None


@dataclass(slots=True)
class BatchState:
    """All a batch is decided by, read under lock."""

    at: datetime
    buckets: dict[int, LockedBucket] = field(default_factory=dict)
    bounds: dict[Pair, list[ActiveBound]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[tuple[int, UUID], StoredKey] = field(default_factory=dict)
    reservations: dict[UUID, LockedReservation] = field(default_factory=dict)
    overdue: dict[Pair, list[LockedReservation]] = field(default_factory=lambda: defaultdict(list))
    entitled: set[int] = field(default_factory=set)
    purses: Purses = field(default_factory=Purses)

    def stale(self) -> list[tuple[int, int]]:
        """Buckets that do not count under the right in force yet, each with that right's id."""
        return [
            (bound.bucket.id, bound.entitlement_id)
            for bounds in self.bounds.values()
            for bound in bounds
            if bound.bucket is not None and bound.bucket.counts_under != bound.entitlement_id
        ]

    def missing(self) -> list[ActiveBound]:
        """Bounds in force whose bucket has not been made yet."""
        return [bound for bounds in self.bounds.values() for bound in bounds if bound.bucket is None]


class BucketRow(NamedTuple):
    """A row of LOCK_BUCKETS: a bound with its bucket if that exists; a bucket alone; or, all empty, only the time."""

    at: datetime
    account_id: int
    metric_id: int
    window: str
    source: str | None
    source_ref: str
    limit: int | None
    mode: str
    starts_at: datetime
    ends_at: datetime | None
    version: int
    entitlement_id: int
    bucket_id: int | None
    used: int
    reserved: int
    bucket_version: int
    counts_under: int | None


def read_buckets(rows: Iterable[Row]) -> BatchState:
    """The state from LOCK_BUCKETS' rows. RightsChangedError when a bucket has seen newer limits than were read."""
    found = [BucketRow(*row) for row in rows]
    state = BatchState(at=found[0].at)
    for row in found:
        bucket = _locked_bucket(state, row) if row.bucket_id is not None else None
        if row.source is None:
            continue
        if bucket is not None and row.bucket_version > row.version:
            raise RightsChangedError
        state.bounds[row.account_id, row.metric_id].append(_active_bound(row, row.source, bucket))
    return state


def _active_bound(row: BucketRow, source: str, bucket: LockedBucket | None) -> ActiveBound:
    return ActiveBound(
        account_id=row.account_id,
        metric_id=row.metric_id,
        window=row.window,
        source=source,
        source_ref=row.source_ref,
        limit=row.limit,
        mode=row.mode,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        entitlement_id=row.entitlement_id,
        version=row.version,
        bucket=bucket,
    )


def _locked_bucket(state: BatchState, row: BucketRow) -> LockedBucket:
    assert row.bucket_id is not None, "asked only for rows with a bucket"
    if row.bucket_id not in state.buckets:
        state.buckets[row.bucket_id] = LockedBucket(
            id=row.bucket_id,
            account_id=row.account_id,
            metric_id=row.metric_id,
            window=row.window,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            counter=rules.Counter(limit=row.limit, mode=row.mode, used=row.used, reserved=row.reserved),
            counts_under=row.counts_under,
        )
    return state.buckets[row.bucket_id]


def read_reservations(rows: Iterable[Sequence[Any]]) -> list[LockedReservation]:
    """Reservations from LOCK_RESERVATIONS' or LOCK_OVERDUE's rows."""
    return [LockedReservation(*row) for row in rows]
