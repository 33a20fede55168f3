"""What the meter is asked and what it answers, as plain values. No Django, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

MAX_UNITS = 10**9
"""The largest number of units in one operation."""

NEAR_SHARE = 0.8
"""From this share of its limit on, a bound is called near."""


class Kind(StrEnum):
    """What an operation asks for."""

    CONSUME = "consume"
    RESERVE = "reserve"
    SETTLE = "settle"
    RELEASE = "release"
    GIVE_BACK = "give_back"


class Refusal(StrEnum):
    """Why a decision says no; the codes of quotas.errors."""

    QUOTA_EXCEEDED = "quota_exceeded"
    NO_ACTIVE_SUBSCRIPTION = "no_active_subscription"
    FEATURE_NOT_IN_PLAN = "feature_not_in_plan"
    INVALID_QUOTA_STATE = "invalid_quota_state"
    INSUFFICIENT_CREDITS = "insufficient_credits"
    UNKNOWN_METRIC = "unknown_metric"
    RESERVATION_CLOSED = "reservation_closed"
    RESERVATION_UNKNOWN = "reservation_unknown"


@dataclass(slots=True)
class Operation:
    """One thing the meter is asked to do. Not frozen only because thousands are made a second.

    `key` makes it count once, however often it is sent. None: the caller has none; then the quick path's batch, or
    else the careful path, gives it one.
    `overage_units`: how many units past the credits the caller vouches to charge for; more are refused.
    `charged_units`: how many of them are charged already, so that no credit pays for them.
    `fingerprint` and `keep_decision` are set when the key came from the caller: then the first decision is stored
    and a repetition finds it, and another request under the same key is told apart.
    """

    kind: Kind
    account_id: int
    key: UUID | None = None
    metric: str = ""
    metric_id: int = 0
    units: int = 1
    credential_id: int | None = None
    fingerprint: UUID | None = None
    keep_decision: bool = False
    subject: str = ""
    request_id: str = ""
    ttl_s: int = 0
    reservation_id: UUID | None = None
    overage_units: int = 0
    charged_units: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit that applied: where it comes from, how full it is after the decision, and whether it allowed.

    `until`: when that limit ends, where it was read by `quota_status` and has an end.
    """

    metric: str
    window: str
    source: str
    source_ref: str
    limit: int | None
    mode: str
    used: int
    reserved: int
    starts_at: datetime
    reset_at: datetime | None
    allows: bool = True
    until: datetime | None = None

    @property
    def remaining(self) -> int | None:
        """Units left; None where unlimited, never negative."""
        return None if self.limit is None else max(self.limit - self.used - self.reserved, 0)

    @property
    def overage_units(self) -> int:
        """Units used past the limit."""
        return 0 if self.limit is None else max(self.used - self.limit, 0)

    @property
    def state(self) -> str:
        """ok, near (from 80 % on) or reached."""
        if self.limit is None or self.mode == "credits":
            return "ok"  # nothing ends at such a limit: credits pay for what is past it
        taken = self.used + self.reserved
        if taken >= self.limit:
            return "reached"
        return "near" if taken >= self.limit * NEAR_SHARE else "ok"


@dataclass(frozen=True, slots=True)
class Split:
    """What the units were paid with."""

    allowance: int = 0
    credits: int = 0
    overage: int = 0


Bounds = tuple[Bound, ...]


@dataclass(slots=True)
class Decision:
    """The meter's answer. When it says allowed, the units are committed in PostgreSQL already.

    `bounds` may be given as a function, so that a caller who never looks pays nothing for them. `credits_spendable` and
    `credits_needed` are said where credits do not suffice.
    """

    account_id: int
    metric: str
    units: int
    allowed: bool
    decided_at: datetime
    refusal: Refusal | None = None
    split: Split = field(default_factory=Split)
    record_id: int | None = None
    reservation_id: UUID | None = None
    reservation_expires_at: datetime | None = None
    replayed: bool = False
    credits_spendable: int | None = None
    credits_needed: int | None = None
    lazy_bounds: Bounds | Callable[[], Bounds] = ()

    @property
    def bounds(self) -> Bounds:
        """Every limit that applied, with its state after this decision."""
        if callable(self.lazy_bounds):
            self.lazy_bounds = self.lazy_bounds()
        return self.lazy_bounds

    @property
    def deciding(self) -> Bound | None:
        """The bound to tell the caller of: of those that refuse the one that lasts longest, else the tightest."""
        refusing = [bound for bound in self.bounds if not bound.allows]
        if refusing:
            return max(refusing, key=lambda b: (b.reset_at is None, b.reset_at or b.starts_at))
        limited = [bound for bound in self.bounds if bound.limit is not None]
        return min(limited, key=lambda b: b.remaining or 0) if limited else next(iter(self.bounds), None)
