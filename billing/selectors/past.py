"""What accounts had, for a replay: their plans in time, other limits, credits. Read for a chunk of accounts at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q, Sum

from billing.enums import ChangeKind, ChangeStatus
from billing.models import PlanChange, Price, SpendCap, Subscription
from billing.rules.changes import LimitTerms
from billing.rules.replay import EPOCH, FAR, Credit, OtherLimit
from quotas.enums import RANKS, EntryKind, Source
from quotas.models import Entitlement, Grant, LedgerEntry

PRICES = ("from_price__version__plan", "to_price__version__plan")


@dataclass(frozen=True, slots=True)
class TimeOn:
    """Time on one price of ours."""

    starts_at: datetime
    ends_at: datetime
    subscription: Subscription
    price: Price


@dataclass(slots=True)
class PastOf:
    """What is on record of one account, but for its use."""

    times: list[TimeOn] = field(default_factory=list)
    others: list[OtherLimit] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    before: dict[int, int] = field(default_factory=dict)
    taken: list[Credit] = field(default_factory=list)
    cap: SpendCap | None = None


def past_of(ids: list[int], since: datetime, until: datetime) -> Mapping[int, PastOf]:
    """By account; every one of `ids` is there."""
    known = {one: PastOf() for one in ids}
    for time in _times(ids, since, until):
        known[time.subscription.account_id].times.append(time)
    for account_id, other in _others(ids, since, until):
        known[account_id].others.append(other)
    grants = Grant.objects.filter(account_id__in=ids, granted_at__lt=until).filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=since)
    )
    for grant in grants.order_by("account_id", "id"):
        known[grant.account_id].grants.append(grant)
    entries = LedgerEntry.objects.filter(account_id__in=ids, grant__in=grants, occurred_at__lt=since)
    for account_id, grant_id, units in entries.values_list("account_id", "grant_id").annotate(Sum("units")):
        known[account_id].before[grant_id] = units
    taken = LedgerEntry.objects.filter(
        account_id__in=ids,
        kind=EntryKind.ADJUSTMENT,
        units__lt=0,
        occurred_at__gte=since,
        occurred_at__lt=until,
    )
    for entry in taken.order_by("id"):
        known[entry.account_id].taken.append(Credit(entry.occurred_at, entry.units))
    for cap in SpendCap.objects.filter(account_id__in=ids):
        known[cap.account_id].cap = cap
    return known


def _times(ids: list[int], since: datetime, until: datetime) -> Iterator[TimeOn]:
    """Each subscription's prices in their order: what it began with, then what its changes led to."""
    changes: dict[UUID, list[PlanChange]] = defaultdict(list)
    applied = PlanChange.objects.filter(
        account_id__in=ids,
        status=ChangeStatus.APPLIED,
        kind__in=[ChangeKind.UPGRADE, ChangeKind.DOWNGRADE, ChangeKind.MOVE],
        subscription__isnull=False,
        stripe_subscription_id=F("subscription__stripe_subscription_id"),
        to_price__isnull=False,
    )
    for change in applied.select_related(*PRICES).order_by("effective_at", "requested_at"):
        assert change.subscription_id is not None
        changes[change.subscription_id].append(change)
    rows = Subscription.objects.filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=since), account_id__in=ids, started_at__lt=until
    )
    for one in rows.select_related("price__version__plan").order_by("account_id", "started_at"):
        yield from _of_subscription(one, changes[one.pk], since, until)


def _of_subscription(
    subscription: Subscription, changes: list[PlanChange], since: datetime, until: datetime
) -> Iterator[TimeOn]:
    first = changes[0].from_price if changes else None
    points: list[tuple[datetime, Price]] = [(subscription.started_at, first or subscription.price)]
    for change in changes:
        assert change.effective_at is not None
        assert change.to_price is not None
        points.append((change.effective_at, change.to_price))
    last = min(subscription.ended_at or FAR, until)
    for (begins, price), following in zip(points, [*(at for at, _ in points[1:]), last], strict=True):
        ends = min(following, last)
        if begins < ends and ends > since:
            yield TimeOn(begins, ends, subscription, price)


def _others(ids: list[int], since: datetime, until: datetime) -> Iterator[tuple[int, OtherLimit]]:
    """Limits of contracts and of support: they hold whatever the plans say."""
    rows = Entitlement.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=since), account_id__in=ids, valid_from__lt=until
    ).exclude(source=Source.PLAN)
    for one in rows.select_related("metric").order_by("account_id", "id"):
        limit = LimitTerms(one.metric.code, one.window, one.limit_units, one.mode, one.credits_per_unit)
        yield (
            one.account_id,
            OtherLimit(
                one.valid_from,
                one.valid_until or FAR,
                one.source_rank - RANKS[Source.PLAN],
                limit,
                one.anchor_at or EPOCH,
                one.period_months or 1,
            ),
        )
