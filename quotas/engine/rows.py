"""What a decided batch has to write, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from quotas import rules
from quotas.enums import RecordKind, ReservationStatus
from quotas.values import Operation


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A usage record to be written."""

    id: int
    operation: Operation
    kind: RecordKind
    metric_id: int
    credential_id: int | None
    units: int
    credit_units: int
    overage_units: int
    subject: str
    request_id: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class NewReservation:
    """A reservation to be written. `credits_per_unit` is None where credits play no part."""

    operation: Operation
    bucket_ids: list[int]
    parts: rules.Parts
    credits_per_unit: int | None


@dataclass(frozen=True, slots=True)
class ClosedReservation:
    """A reservation's end to be written. Of the settled units credits paid for `credit_units`."""

    id: UUID
    status: ReservationStatus
    settled_units: int | None = None
    record_id: int | None = None
    credit_units: int | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """An operation's key to be written."""

    operation: Operation
    decision: dict[str, object] | None
    record_id: int | None
