"""What is needed to replay past use under another catalogue: read in chunks of accounts, records as a stream."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db.models import Q

from billing.enums import ChangeKind
from billing.models import PlanChange, Price, Subscription
from billing.rules.catalog import Catalog, PlanDef
from billing.rules.changes import LimitTerms, PlanTerms, credits_granted
from billing.rules.replay import Credit, Offer, Outcome, Replay, Stretch, Use, period_credits, recurring
from billing.selectors.past import PRICES, PastOf, TimeOn, past_of
from billing.selectors.plans import terms_of
from quotas.catalog import metric_code
from quotas.enums import GrantSource
from quotas.models import Grant, UsageRecord
from quotas.reports import units_between

CHUNK = 200
RECORDS_AT_ONCE = 2000
RECORD = ("account_id", "occurred_at", "id", "metric_id", "units", "subject", "reverses_record_id")


_Event = tuple[datetime, int, Credit | Use]
"""When, what comes first at one instant (credits of either side, then use), and what."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One account: `then` by the terms that it had, `now` by the catalogue's; `plans` in the order it had them."""

    account_id: int
    plans: tuple[str, ...]
    then: Outcome
    now: Outcome
    records: int


class Offers:
    """Our prices as offers, and what the catalogue makes of each: the plan of the same code at the same interval.

    A plan or an interval that the catalogue no longer has keeps the terms that were bought, as sync_catalog would have it.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._plans: dict[str, PlanDef] = {plan.code: plan for plan in catalog.plans}
        self._then: dict[int, Offer] = {}
        self._now: dict[int, Offer] = {}
        self.kept: set[str] = set()

    def then(self, price: Price) -> Offer:
        if price.pk not in self._then:
            self._then[price.pk] = Offer(
                terms_of(price.version),
                price.interval,
                price.amount_minor,
                price.currency,
                price.version.overage_minor_per_credit,
            )
        return self._then[price.pk]

    def now(self, price: Price) -> Offer:
        if price.pk not in self._now:
            self._now[price.pk] = self._of_catalog(price)
        return self._now[price.pk]

    def _of_catalog(self, price: Price) -> Offer:
        code = price.version.plan.code
        plan = self._plans.get(code)
        amounts = {one.interval: one.amount_minor for one in plan.prices} if plan else {}
        if plan is None or price.interval not in amounts:
            self.kept.add(f"{code}/{price.interval}")
            return self.then(price)
        return Offer(
            terms_defined(plan),
            price.interval,
            amounts[price.interval],
            plan.currency,
            plan.overage_minor_per_credit,
        )


def terms_defined(plan: PlanDef) -> PlanTerms:
    """A plan of a catalogue file as terms; as terms_of of the version that it would become."""
    return PlanTerms(
        code=plan.code,
        limits=tuple(LimitTerms(one.metric, one.window, one.limit_units, one.mode) for one in plan.limits),
        features=plan.features,
        credits_per_period=plan.credits_per_period,
        credit_metrics=tuple(sorted(plan.credit_metrics)),
    )


def replayed(
    *, offers: Offers, since: datetime, until: datetime, account_id: int | None = None
) -> Iterator[Replayed]:
    """Every account that had a subscription in [since, until), by number. Reads only; records are streamed.

    Call it within `one_moment`, so that all of it is of one moment.
    """
    rows = Subscription.objects.filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=since), started_at__lt=until
    ).order_by("account_id")
    if account_id is not None:
        rows = rows.filter(account_id=account_id)
    ids = rows.values_list("account_id", flat=True).distinct().iterator(chunk_size=CHUNK)
    for chunk in _chunks(ids, CHUNK):
        known = past_of(chunk, since, until)
        uses = _streamed(chunk, since, until)
        for one in chunk:
            yield _replay(one, known[one], uses(one), offers=offers, since=since, until=until)


def _chunks(ids: Iterator[int], size: int) -> Iterator[list[int]]:
    chunk: list[int] = []
    for one in ids:
        chunk.append(one)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _streamed(ids: list[int], since: datetime, until: datetime) -> Callable[[int], Iterator[Use]]:
    """The records of several accounts in one stream, handed out account by account in the order of `ids`."""
    rows = (
        UsageRecord.objects.filter(account_id__in=ids, occurred_at__gte=since, occurred_at__lt=until)
        .order_by("account_id", "occurred_at", "id")
        .values_list(*RECORD)
        .iterator(chunk_size=RECORDS_AT_ONCE)
    )
    groups = groupby(rows, key=lambda row: row[0])
    waiting: list[tuple[int, Iterable[tuple[Any, ...]]]] = []

    def of(account_id: int) -> Iterator[Use]:
        if not waiting and (group := next(groups, None)) is not None:
            waiting.append(group)
        if waiting and waiting[0][0] == account_id:
            for _, at, pk, metric, units, subject, reverses in waiting.pop()[1]:
                yield Use(at, pk, metric_code(metric), units, subject, reverses)

    return of


def _replay(
    account_id: int, known: PastOf, uses: Iterable[Use], *, offers: Offers, since: datetime, until: datetime
) -> Replayed:
    stretches_then = [_stretch(one, offers.then(one.price)) for one in known.times]
    stretches_now = [_stretch(one, offers.now(one.price)) for one in known.times]
    seed = _seed(account_id, since)
    common: dict[str, Any] = {"others": known.others, "since": since, "seed": seed}
    if known.cap is not None:
        common |= {"cap_minor": known.cap.cap_minor, "cap_from": known.cap.updated_at}
    sides = (
        Replay(stretches=stretches_then, **common),
        Replay(stretches=stretches_now, **common),
    )
    kept = _credits_kept(known, since)
    given = (
        [*kept, *(Credit(one.granted_at, one.units, one.expires_at) for one in _of_plans(known, since))],
        [*kept, *_credits_anew(known, offers, since, until)],
    )
    used: Iterator[_Event] = ((one.at, 2, one) for one in uses)
    events = heapq.merge(_marked(given[0], 0), _marked(given[1], 1), used, key=lambda event: event[:2])
    records = 0
    for _, side, event in events:
        if isinstance(event, Credit):
            sides[side].credit(event)
        else:
            records += 1
            for one in sides:
                one.use(event)
    sides[0].outcome.recurring = recurring(stretches_then, since, until)
    sides[1].outcome.recurring = recurring(stretches_now, since, until)
    plans = tuple(dict.fromkeys(one.price.version.plan.code for one in known.times))
    return Replayed(account_id, plans, sides[0].outcome, sides[1].outcome, records)


def _marked(credits_given: list[Credit], side: int) -> Iterator[_Event]:
    return ((one.at, side, one) for one in sorted(credits_given, key=lambda one: one.at))


def _stretch(time: TimeOn, offer: Offer) -> Stretch:
    trial_end = time.subscription.trial_end
    paid_from = max(time.starts_at, trial_end) if trial_end else time.starts_at
    return Stretch(time.starts_at, time.ends_at, time.subscription.anchor_at, paid_from, offer)


def _seed(account_id: int, since: datetime) -> Callable[[str, datetime], int]:
    """Asked once for both sides, since both ask the same."""
    found: dict[tuple[str, datetime], int] = {}

    def units(metric: str, start: datetime) -> int:
        if (metric, start) not in found:
            found[metric, start] = units_between(account_id=account_id, metric=metric, start=start, end=since)
        return found[metric, start]

    return units


# Credits ------------------------------------------------------------------------------------------------------------


def _of_plans(known: PastOf, since: datetime) -> list[Grant]:
    """Grants that follow from the catalogue, made in the time replayed."""
    sources = (GrantSource.PLAN, GrantSource.UPGRADE)
    return [one for one in known.grants if one.granted_at >= since and one.source in sources]


def _credits_kept(known: PastOf, since: datetime) -> list[Credit]:
    """Credits that are the same under any catalogue: what was left before, what others gave and support took."""
    of_plans = {one.pk for one in _of_plans(known, since)}
    kept = list(known.taken)
    for one in known.grants:
        if one.granted_at < since and (left := known.before.get(one.pk, 0)) > 0:
            kept.append(Credit(since, left, one.expires_at))
        elif one.granted_at >= since and one.pk not in of_plans:
            kept.append(Credit(one.granted_at, one.units, one.expires_at))
    return kept


def _credits_anew(known: PastOf, offers: Offers, since: datetime, until: datetime) -> list[Credit]:
    """What the catalogue's plans would have given, when those that were bought gave theirs.

    Where the plan bought gives none there is no such moment; then at the beginning of each paid period.
    """
    given = []
    for grant in _of_plans(known, since):
        kind, _, name = grant.request_id.partition(":")
        units = _upgraded(name, offers) if kind == "upgrade" else _of_period(known, name, offers)
        if units:
            given.append(Credit(grant.granted_at, units, grant.expires_at))
    without = [
        _stretch(one, offers.now(one.price))
        for one in known.times
        if not offers.then(one.price).terms.credits_per_period and one.subscription.stripe_subscription_id
    ]
    return given + period_credits(without, since, until)


def _of_period(known: PastOf, name: str, offers: Offers) -> int:
    """By the plan at the beginning of the period that the grant's name tells."""
    begins = datetime.fromisoformat(name.partition(":")[2])
    plan = next((one for one in known.times if one.starts_at <= begins < one.ends_at), None)
    plan = plan or (known.times[0] if known.times else None)
    return offers.now(plan.price).terms.credits_per_period if plan else 0


def _upgraded(name: str, offers: Offers) -> int:
    change = PlanChange.objects.select_related(*PRICES).get(pk=UUID(name))
    before, after = change.from_price, change.to_price
    return credits_granted(
        ChangeKind.UPGRADE,
        offers.now(before).terms if before else None,
        offers.now(after).terms if after else None,
    )
