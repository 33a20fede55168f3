"""Past use under a catalogue: what it would have let pass, paid with credits, charged or refused. Pure arithmetic.

One account at a time, in the order things happened. Admission itself is the meter's own rule (quotas.rules), so that a
replay under the terms that held refuses nothing that was accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from billing.rules.changes import MONTHS, LimitTerms, PlanTerms
from common.periods import add_months, anchored_period
from quotas import rules
from quotas.enums import Mode, Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FAR = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan as one catalogue has it, at one interval. `overage_minor_per_credit` None: none is sold."""

    terms: PlanTerms
    interval: str
    amount_minor: int
    currency: str
    overage_minor_per_credit: int | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time [starts_at, ends_at) that an account spent on one plan. `paid_from`: the end of its trial, or the start."""

    starts_at: datetime
    ends_at: datetime
    anchor_at: datetime
    paid_from: datetime
    offer: Offer

    @property
    def months(self) -> int:
        return MONTHS[self.offer.interval]


@dataclass(frozen=True, slots=True)
class OtherLimit:
    """A limit that is not the plan's: a contract's or support's; `rank` above 0 stands before the plan's, below behind."""

    starts_at: datetime
    ends_at: datetime
    rank: int
    limit: LimitTerms
    anchor_at: datetime
    months: int


@dataclass(frozen=True, slots=True)
class Use:
    """One record. Negative `units` give back: what exists no longer, or all of the record `reverses`."""

    at: datetime
    record_id: int
    metric: str
    units: int
    subject: str = ""
    reverses: int | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """Credits given, or with a minus taken by support."""

    at: datetime
    units: int
    expires_at: datetime | None = None


@dataclass(slots=True)
class Refusals:
    """What would have been refused of one metric."""

    operations: int = 0
    units: int = 0
    first_at: datetime | None = None

    def add(self, units: int, at: datetime) -> None:
        self.operations += 1
        self.units += units
        self.first_at = self.first_at or at


@dataclass(slots=True)
class Outcome:
    """`recurring` and `overage_minor` by currency: the list price for the time on the plan, and what came past credits."""

    refused: dict[str, Refusals] = field(default_factory=dict)
    overage_units: int = 0
    overage_minor: dict[str, int] = field(default_factory=dict)
    recurring: dict[str, Fraction] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Done:
    """How one record was paid, for the case that it is reversed: that happens at the same instant."""

    metric: str
    units: int
    taken: tuple[tuple[int, int], ...] = ()
    overage_units: int = 0
    overage_minor: int = 0
    currency: str = ""


@dataclass(slots=True)
class _Window:
    """The counter of one metric in one window; the next takes its place when it is over."""

    starts_at: datetime
    ends_at: datetime
    used: int


@dataclass(frozen=True, slots=True)
class _Bound:
    """A limit in force at an instant, and what its periods are counted from."""

    limit: LimitTerms
    anchor_at: datetime
    months: int


Seed = Callable[[str, datetime], int]
"""Units of a metric from an instant to the beginning of what is replayed, as they were really counted."""


class Replay:
    """One account under one catalogue. Feed it `credit` and `use` in the order of time; then read `outcome`.

    `stretches` follow each other. `cap_minor`: what overage may cost in a period, as the account has it since `cap_from`.
    """

    def __init__(
        self,
        *,
        stretches: Sequence[Stretch],
        others: Sequence[OtherLimit],
        since: datetime,
        seed: Seed,
        cap_minor: int | None = None,
        cap_from: datetime = FAR,
    ) -> None:
        self.outcome = Outcome()
        self._stretches, self._others, self._since, self._seed = stretches, others, since, seed
        self._cap_minor, self._cap_from = cap_minor, cap_from
        self._kinds = _kinds_of_windows(stretches, others)
        self._windows: dict[tuple[str, str], _Window] = {}
        self._purses: list[tuple[datetime, rules.Purse]] = []
        self._spent: dict[datetime, int] = {}
        self._instant = EPOCH
        self._done: dict[int, _Done | None] = {}
        self._never_made: dict[tuple[str, str], int] = {}
        self._position = 0

    def credit(self, credit: Credit) -> None:
        """Credits come in, or are taken from what ends soonest, as far as they are there."""
        if credit.units > 0:
            ends = credit.expires_at or FAR
            self._purses.append((ends, rules.Purse(len(self._purses), credit.units)))
            self._purses.sort(key=lambda held: (held[0], held[1].grant_id))
        else:
            purses = self._spendable(credit.at)
            rules.spend(purses, min(-credit.units, sum(one.remaining for one in purses)))

    def use(self, use: Use) -> None:
        """Decide a record anew."""
        if use.at != self._instant:
            self._instant, self._done = use.at, {}
        if use.reverses is not None:
            self._reverse(use)
        elif use.units < 0:
            self._give_back(use)
        elif use.units > 0:
            self._admit(use)

    def _admit(self, use: Use) -> None:
        stretch = self._stretch_at(use.at)
        bounds = self._bounds(use.metric, use.at, stretch)
        counters = [self._counter(bound, use.at) for bound in bounds]
        plain = [one for one in counters if one.mode != Mode.CREDITS]
        done = None
        if bounds and all(rules.admit(plain, use.units)):
            if len(plain) == len(counters):
                done = _Done(use.metric, use.units, overage_units=rules.take(counters, use.units))
            else:
                price = max(one.limit.credits_per_unit or 0 for one in bounds)
                done = self._pay(use, counters, price, stretch)
        self._done[use.record_id] = done
        if done is None:
            self._refuse(use)
        else:
            self._count(use.metric, use.units, use.at)
            self._charge(done, 1, use.at, stretch)

    def _pay(
        self, use: Use, counters: list[rules.Counter], price: int, stretch: Stretch | None
    ) -> _Done | None:
        """Allowance, then credits, then overage at the plan's rate; None where that does not suffice."""
        purses = self._spendable(use.at)
        payable = sum(one.remaining for one in purses) // price
        parts = rules.split(counters, use.units, payable_units=payable)
        paid = parts.credits * price
        if not parts.overage:
            return _Done(use.metric, use.units, tuple(rules.spend(purses, paid)))
        rate = stretch.offer.overage_minor_per_credit if stretch else None
        if stretch is None or rate is None:
            return None
        amount = parts.overage * price * rate
        capped = self._cap_minor is not None and use.at >= self._cap_from
        if capped and self._spent.get(_period(stretch, use.at), 0) + amount > (self._cap_minor or 0):
            return None
        taken = tuple(rules.spend(purses, paid))
        return _Done(use.metric, use.units, taken, parts.overage, amount, stretch.offer.currency)

    def _charge(self, done: _Done, sign: int, at: datetime, stretch: Stretch | None) -> None:
        outcome = self.outcome
        outcome.overage_units += sign * done.overage_units
        if done.overage_minor and stretch is not None:
            amount = sign * done.overage_minor
            outcome.overage_minor[done.currency] = outcome.overage_minor.get(done.currency, 0) + amount
            period = _period(stretch, at)
            self._spent[period] = self._spent.get(period, 0) + amount

    def _refuse(self, use: Use) -> None:
        self.outcome.refused.setdefault(use.metric, Refusals()).add(use.units, use.at)
        if use.subject and (use.metric, Window.CAPACITY) in self._windows:
            key = (use.metric, use.subject)
            self._never_made[key] = self._never_made.get(key, 0) + use.units

    def _reverse(self, use: Use) -> None:
        """What was refused here, or lies before what is replayed, has nothing to be undone."""
        done = self._done.get(use.reverses or 0)
        if done is None:
            return
        self._count(done.metric, -done.units, use.at)
        self._charge(done, -1, use.at, self._stretch_at(use.at))
        back = dict(done.taken)
        for _, purse in self._purses:
            purse.remaining += back.get(purse.grant_id, 0)

    def _give_back(self, use: Use) -> None:
        """What was never made here cannot go."""
        key = (use.metric, use.subject)
        missing = min(self._never_made.get(key, 0), -use.units)
        if missing:
            self._never_made[key] -= missing
        self._count(use.metric, use.units + missing, use.at)

    def _bounds(self, metric: str, at: datetime, stretch: Stretch | None) -> list[_Bound]:
        """The limits in force for the metric: for each window the strongest source's."""
        found: dict[str, tuple[int, _Bound]] = {}
        if stretch is not None:
            for limit in stretch.offer.terms.all_limits:
                if limit.metric == metric:
                    found[limit.window] = (0, _Bound(limit, stretch.anchor_at, stretch.months))
        for other in self._others:
            window = other.limit.window
            if other.limit.metric != metric or not other.starts_at <= at < other.ends_at:
                continue
            if window not in found or other.rank > found[window][0]:
                found[window] = (other.rank, _Bound(other.limit, other.anchor_at, other.months))
        return [bound for _, bound in found.values()]

    def _counter(self, bound: _Bound, at: datetime) -> rules.Counter:
        window = self._window(bound.limit.metric, bound.limit.window, at, bound.anchor_at, bound.months)
        return rules.Counter(bound.limit.limit_units, bound.limit.mode, window.used, 0)

    def _window(self, metric: str, kind: str, at: datetime, anchor: datetime, months: int) -> _Window:
        """The window that is open. A period that is open keeps its bounds when the anchor moves: nothing is reset.

        One that began before what is replayed starts with what was really used in it.
        """
        known = self._windows.get((metric, kind))
        if known is not None and at < known.ends_at:
            return known
        start, end = window_of(kind, at, anchor, months)
        used = 0
        if known is not None:
            start = max(start, known.ends_at)
        elif start < self._since:
            used = self._seed(metric, start)
        opened = self._windows[metric, kind] = _Window(start, end, used)
        return opened

    def _count(self, metric: str, units: int, at: datetime) -> None:
        """On every window that any limit of the metric asks, also one that is not in force now."""
        stretch = self._stretch_at(at)
        now = {one.limit.window: one for one in self._bounds(metric, at, stretch)}
        for kind in self._kinds.get(metric, ()):
            bound = now.get(kind)
            if bound is not None:
                anchor, months = bound.anchor_at, bound.months
            elif stretch is not None:
                anchor, months = stretch.anchor_at, stretch.months
            elif kind == Window.PERIOD:
                continue  # there is nothing to count periods from
            else:
                anchor, months = at, 1
            window = self._window(metric, kind, at, anchor, months)
            window.used = max(window.used + units, 0)

    def _spendable(self, at: datetime) -> list[rules.Purse]:
        return [purse for ends, purse in self._purses if ends > at and purse.remaining]

    def _stretch_at(self, at: datetime) -> Stretch | None:
        while self._position < len(self._stretches) and self._stretches[self._position].ends_at <= at:
            self._position += 1
        if self._position == len(self._stretches) or self._stretches[self._position].starts_at > at:
            return None
        return self._stretches[self._position]


def _kinds_of_windows(
    stretches: Sequence[Stretch], others: Sequence[OtherLimit]
) -> dict[str, tuple[str, ...]]:
    """For each metric the kinds of windows that any limit of it counts in."""
    limits = [limit for one in stretches for limit in one.offer.terms.all_limits]
    limits += [one.limit for one in others]
    kinds: dict[str, dict[str, None]] = {}
    for limit in limits:
        kinds.setdefault(limit.metric, {})[limit.window] = None
    return {metric: tuple(found) for metric, found in kinds.items()}


def recurring(stretches: Iterable[Stretch], since: datetime, until: datetime) -> dict[str, Fraction]:
    """The list price for the time on each plan within [since, until), to the second, by currency; trials are free."""
    total: dict[str, Fraction] = {}
    for one in stretches:
        at, end = max(one.starts_at, one.paid_from, since), min(one.ends_at, until)
        while at < end and one.offer.amount_minor:
            start, until_then = anchored_period(anchor=one.anchor_at, months=one.months, at=at)
            share = Fraction((min(until_then, end) - at) / timedelta(microseconds=1)) / Fraction(
                (until_then - start) / timedelta(microseconds=1)
            )
            currency = one.offer.currency
            total[currency] = total.get(currency, Fraction(0)) + share * one.offer.amount_minor
            at = until_then
    return total


def period_credits(stretches: Iterable[Stretch], since: datetime, until: datetime) -> list[Credit]:
    """A plan's credits at the beginning of each paid period within [since, until), ending with it."""
    given = []
    for one in stretches:
        units = one.offer.terms.credits_per_period
        at, end = max(one.starts_at, one.paid_from), min(one.ends_at, until)
        while units and at < end:
            _, until_then = anchored_period(anchor=one.anchor_at, months=one.months, at=at)
            if at >= since:
                given.append(Credit(at, units, until_then))
            at = until_then
    return given


def window_of(window: str, at: datetime, anchor: datetime, months: int) -> tuple[datetime, datetime]:
    """The window [start, end) that an instant falls into; as the meter's quotas_window_start and _end."""
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if window == Window.HOUR:
        start = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return start, start + HOUR
    if window == Window.DAY:
        return midnight, midnight + DAY
    if window == Window.MONTH:
        return midnight.replace(day=1), add_months(midnight.replace(day=1), 1)
    if window == Window.CAPACITY:
        return EPOCH, FAR
    return anchored_period(anchor=anchor, months=months, at=at)


def _period(stretch: Stretch, at: datetime) -> datetime:
    return anchored_period(anchor=stretch.anchor_at, months=stretch.months, at=at)[0]
