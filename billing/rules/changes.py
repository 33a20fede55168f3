"""What a change of plan is, when it takes effect, what it means for limits: arithmetic on frozen values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.enums import Access, ChangeKind, Interval, SubscriptionStatus, TransitionKind
from common.periods import add_months

MONTHS = {Interval.MONTH.value: 1, Interval.YEAR.value: 12}


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """`limit_units` None: unlimited. `credits_per_unit`: what each unit past it costs, where credits pay."""

    metric: str
    window: str
    limit_units: int | None
    mode: str = "block"
    credits_per_unit: int | None = None


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What a plan's version gives."""

    code: str
    limits: tuple[LimitTerms, ...] = ()
    features: tuple[str, ...] = ()
    credits_per_period: int = 0
    credit_metrics: tuple[tuple[str, int], ...] = ()

    @property
    def all_limits(self) -> tuple[LimitTerms, ...]:
        """What the meter is told: the limits, and for what credits pay, that none of a period is included."""
        paid = (LimitTerms(metric, "period", 0, "credits", price) for metric, price in self.credit_metrics)
        return (*self.limits, *paid)

    def includes(self, wanted: str) -> bool:
        """Whether it has the feature, or names the metric."""
        return wanted in self.features or any(one.metric == wanted for one in self.all_limits)


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """A limit before and after; 0 where the plan does not name the metric, None where it is unlimited."""

    metric: str
    window: str
    from_limit: int | None
    to_limit: int | None


@dataclass(frozen=True, slots=True)
class TermsPhase:
    """`terms` hold from `starts_at` (inclusive) to `ends_at` (exclusive; None: for good). `is_after_switch`: what was
    scheduled has come.
    """

    starts_at: datetime
    ends_at: datetime | None
    terms: PlanTerms
    is_after_switch: bool = False


def change_kind(
    *, same_plan: bool, declared: str | None, from_interval: str, to_interval: str
) -> ChangeKind | None:
    """Upgrade or downgrade; None: forbidden, or no change at all.

    On the same plan the longer interval is the upgrade: it is paid now. The shorter waits for the period's end.
    """
    if not same_plan:
        if declared == TransitionKind.UPGRADE:
            return ChangeKind.UPGRADE
        return ChangeKind.DOWNGRADE if declared == TransitionKind.DOWNGRADE else None
    if from_interval == to_interval:
        return None
    return ChangeKind.UPGRADE if MONTHS[to_interval] > MONTHS[from_interval] else ChangeKind.DOWNGRADE


def access_for(status: str) -> Access:
    """What a status gives by itself; overdue ones are graded by the declared rules (see rules/overdue.py)."""
    if status in (SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE):
        return Access.FULL
    if status == SubscriptionStatus.PAST_DUE:
        return Access.GRACE
    if status in (SubscriptionStatus.UNPAID, SubscriptionStatus.PAUSED):
        return Access.DEGRADED
    return Access.ENDED


def quota_changes(before: PlanTerms | None, after: PlanTerms | None) -> list[QuotaChange]:
    """Every limit either plan names, in the order of the plans; unchanged ones too."""
    old = {(one.metric, one.window): one.limit_units for one in _limits(before)}
    new = {(one.metric, one.window): one.limit_units for one in _limits(after)}
    return [
        QuotaChange(metric, window, old.get((metric, window), 0), new.get((metric, window), 0))
        for metric, window in dict.fromkeys([*old, *new])
    ]


def _limits(terms: PlanTerms | None) -> Iterable[LimitTerms]:
    return terms.limits if terms else ()


def credits_granted(kind: str, before: PlanTerms | None, after: PlanTerms | None) -> int:
    """An upgrade grants the difference of the periods' credits at once; nothing else grants."""
    if kind == ChangeKind.DOWNGRADE or after is None:
        return 0
    return max(after.credits_per_period - (before.credits_per_period if before else 0), 0)


def timeline(
    *,
    now: datetime,
    access: str,
    current: PlanTerms | None,
    switch_at: datetime | None,
    following: PlanTerms | None,
    without: PlanTerms | None,
    later: Sequence[tuple[datetime, str]] = (),
) -> list[TermsPhase]:
    """What holds from `now` on: the current terms, then `following` from `switch_at`.

    `without`: what an account has that pays for nothing (the free plan's terms); it stands in while access is
    degraded. `later`: moments ahead at which access becomes another one, in order. Access that is ended now gives
    nothing at all; ended later gives what degraded does, until the end is there.
    """
    if access == Access.ENDED or current is None:
        return []
    grades = [(now, access), *(one for one in later if one[0] > now)]
    cuts = {at for at, _ in grades}
    if switch_at is not None:
        cuts.add(max(switch_at, now))
    moments = sorted(cuts)
    phases: list[TermsPhase] = []
    for begins, ends in zip(moments, [*moments[1:], None], strict=True):
        is_after_switch = switch_at is not None and begins >= switch_at
        paid = following if is_after_switch else current
        grade = next(one for at, one in reversed(grades) if at <= begins)
        terms = without if paid is not None and grade in (Access.DEGRADED, Access.ENDED) else paid
        if terms is not None:
            phases.append(TermsPhase(begins, ends, terms, is_after_switch))
    return phases


def next_period_end(*, anchor: datetime, interval: str, start: datetime) -> datetime:
    """The end of the period that begins at `start`, counted from the anchor as Stripe counts."""
    months = MONTHS[interval]
    index = ((start.year - anchor.year) * 12 + start.month - anchor.month) // months
    while (end := add_months(anchor, index * months)) <= start:
        index += 1
    return end
