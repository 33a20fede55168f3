"""What the careful path knows while it decides a batch: the locked rows as plain objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from quotas import rules
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
    version: int
    bucket: LockedBucket | None

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
    """A reservation row under lock."""

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

    def missing(self) -> list[ActiveBound]:
        """Bounds in force whose bucket has not been made yet."""
        return [bound for bounds in self.bounds.values() for bound in bounds if bound.bucket is None]


def read_buckets(rows: Iterable[Row]) -> BatchState:
    """The state from LOCK_BUCKETS' rows; the one with no account only tells the time."""
    rows = list(rows)
    state = BatchState(at=rows[0][0])
    for row in rows:
        (
            _,
            account_id,
            metric_id,
            window,
            source,
            source_ref,
            limit,
            mode,
            starts_at,
            ends_at,
            version,
            *bucket,
        ) = row
        if account_id is None:
            continue
        locked = _locked_bucket(state, row) if bucket[0] is not None else None
        if locked is not None and source is not None and bucket[3] > version:
            raise RightsChangedError
        if source is not None:
            state.bounds[account_id, metric_id].append(
                ActiveBound(
                    account_id,
                    metric_id,
                    window,
                    source,
                    source_ref,
                    limit,
                    mode,
                    starts_at,
                    ends_at,
                    version,
                    locked,
                )
            )
    return state


def _locked_bucket(state: BatchState, row: Row) -> LockedBucket:
    _, account_id, metric_id, window, _, _, limit, mode, starts_at, ends_at, _, id_, used, reserved, _ = row
    if id_ not in state.buckets:
        counter = rules.Counter(limit=limit, mode=mode, used=used, reserved=reserved)
        state.buckets[id_] = LockedBucket(id_, account_id, metric_id, window, starts_at, ends_at, counter)
    return state.buckets[id_]


def read_reservations(rows: Iterable[Sequence[Any]]) -> list[LockedReservation]:
    """Reservations from LOCK_RESERVATIONS' or LOCK_OVERDUE's rows."""
    return [LockedReservation(*row) for row in rows]
