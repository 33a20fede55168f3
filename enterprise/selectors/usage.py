"""An organisation's use as one picture: every figure of a summary is of the same moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Sum

from accounts.models import Account
from billing.selectors.credits import OverageStanding, charged_between, overage_standing
from common.clock import database_now
from common.database import one_moment
from common.money import Money
from common.periods import add_months
from enterprise.enums import CredentialStatus
from enterprise.models import Contract, Credential
from enterprise.selectors.contracts import Costs, contract_at, cost_between, costs_at, period_at, prices_at
from quotas import catalog
from quotas.enums import Mode, Source, Window
from quotas.models import UsageDay
from quotas.reports import ONE_DAY, units_between, usage_days_of
from quotas.selectors import quota_status
from quotas.values import Bound

SHOWN = (Window.DAY, Window.MONTH, Window.PERIOD)
DEFAULT_METRIC = "api_calls"
FREE = Costs(Money(0, "usd"), Money(0, "usd"))


@dataclass(frozen=True, slots=True)
class CredentialUse:
    """What a key used of the metric today and this month; without a key, what was counted otherwise."""

    credential: Credential | None
    day_units: int
    month_units: int


@dataclass(frozen=True, slots=True)
class WindowUse:
    """A window of the metric, and what the overage in it costs."""

    bound: Bound
    cost: Money


@dataclass(frozen=True, slots=True)
class CostPart:
    """What the overage of the contract, or of the plan, costs in its own period: each has one, and may have a currency."""

    source: Source
    costs: Costs
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric of one account at one moment; costs are of all metrics, by whom they are asked for."""

    account: Account
    metric: str
    at: datetime
    contract: Contract | None
    windows: tuple[WindowUse, ...]
    parts: tuple[CostPart, ...]
    by_credential: tuple[CredentialUse, ...]
    cumulative_units: int

    @property
    def costs(self) -> Costs:
        """Of all parts; amounts in another currency than the first that costs anything cannot be added, and are not."""
        return total_of([part.costs for part in self.parts])

    def part(self, source: Source) -> CostPart | None:
        """What the contract or the plan asks for."""
        return next((part for part in self.parts if part.source == source), None)


def total_of(costs: Sequence[Costs]) -> Costs:
    """The sum of costs in one currency: that of the first of them that are not nothing."""
    if not costs:
        return FREE
    first = next((one for one in costs if one.projected.amount_minor), costs[0])
    currency = first.so_far.currency
    added = [one for one in costs if one.so_far.currency == currency]
    return Costs(
        Money(sum(one.so_far.amount_minor for one in added), currency),
        Money(sum(one.projected.amount_minor for one in added), currency),
    )


def usage_summary(*, account: Account, metric: str | None) -> Summary:
    """The figures of now. Without `metric`, of the first one that the account has a limit for."""
    with one_moment():
        now = database_now()
        bounds = quota_status(account_id=account.pk)
        metric = metric or (
            catalog.first_code({bound.metric for bound in bounds}) if bounds else DEFAULT_METRIC
        )
        catalog.metric_id(metric)  # UnknownMetric
        contract = contract_at(account.pk, now)
        own = {bound.window: bound for bound in bounds if bound.metric == metric}
        windows = [
            _window(account.pk, metric, window, contract, now) for window in SHOWN if window not in own
        ]
        shown = sorted(
            [*own.values(), *filter(None, windows)],
            key=lambda bound: list(Window).index(Window(bound.window)),
        )
        standing = overage_standing(account.pk, now=now)
        return Summary(
            account=account,
            metric=metric,
            at=now,
            contract=contract,
            windows=tuple(
                WindowUse(bound, _cost(account.pk, contract, standing, bound, now)) for bound in shown
            ),
            parts=tuple(_parts(contract, standing, now)),
            by_credential=tuple(_by_credential(account.pk, metric, now)),
            cumulative_units=_cumulated(account.pk, metric, contract, now),
        )


def _parts(contract: Contract | None, standing: OverageStanding | None, now: datetime) -> Iterable[CostPart]:
    """The contract's overage, and what was charged past the credits of the plan; an account may have both."""
    if contract is not None:
        yield CostPart(Source.CONTRACT, costs_at(contract, now), *period_at(contract, now))
    if standing is not None:
        charged = Costs(
            Money(standing.spent_minor, standing.currency), Money(standing.projected_minor, standing.currency)
        )
        yield CostPart(Source.PLAN, charged, standing.period_start, standing.period_end)


def _window(
    account_id: int, metric: str, window: str, contract: Contract | None, now: datetime
) -> Bound | None:
    """A window without a limit of its own, as an unlimited one. No period without a contract."""
    if contract is None and window == Window.PERIOD:
        return None
    start, end = _span(window, contract, now)
    return Bound(
        metric=metric,
        window=window,
        source=Source.CONTRACT if contract else Source.DEFAULT,
        source_ref=str(contract.public_id) if contract else "",
        limit=None,
        mode=Mode.BLOCK,
        used=units_between(account_id=account_id, metric=metric, start=start, end=end),
        reserved=0,
        starts_at=start,
        reset_at=end,
    )


def _span(window: str, contract: Contract | None, now: datetime) -> tuple[datetime, datetime]:
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if window == Window.PERIOD and contract is not None:
        return period_at(contract, now)
    if window == Window.MONTH:
        first = day.replace(day=1)
        return first, add_months(first, 1)
    return day, day + ONE_DAY


def _cost(
    account_id: int,
    contract: Contract | None,
    standing: OverageStanding | None,
    bound: Bound,
    now: datetime,
) -> Money:
    """What the metric's overage in the bound's window costs: by the contract's price, and what was charged at once."""
    start, end = bound.starts_at, bound.reset_at or now + ONE_DAY
    costs = []
    if contract is not None and bound.metric in prices_at(contract, now):
        agreed = cost_between(contract, bound.metric, max(start, contract.starts_at), end)
        costs.append(Costs(agreed, agreed))
    if standing is not None:
        charged = Money(
            charged_between(
                account_id=account_id,
                metric=bound.metric,
                currency=standing.currency,
                start=start,
                end=end,
            ),
            standing.currency,
        )
        costs.append(Costs(charged, charged))
    return total_of(costs).so_far


def _by_credential(account_id: int, metric: str, now: datetime) -> Iterable[CredentialUse]:
    """Every key that works or was used this month. The units sum to the account's."""
    today = now.date()
    rows = usage_days_of(account_id=account_id, metric=metric, first=today.replace(day=1), last=today)
    months: dict[int | None, int] = {}
    days: dict[int | None, int] = {}
    for credential_id, day, units in rows.values_list("credential_id", "day", "units"):
        months[credential_id] = months.get(credential_id, 0) + units
        if day == today:
            days[credential_id] = units
    credentials = Credential.objects.filter(account_id=account_id).order_by("created_at", "id")
    known: dict[int | None, Any] = {one.pk: one for one in credentials}
    for pk, credential in known.items():
        if pk in months or credential.status_at(now) == CredentialStatus.ACTIVE:
            yield CredentialUse(credential, days.get(pk, 0), months.get(pk, 0))
    others = [pk for pk in months if pk not in known]
    if others:
        yield CredentialUse(None, sum(days.get(pk, 0) for pk in others), sum(months[pk] for pk in others))


def _cumulated(account_id: int, metric: str, contract: Contract | None, now: datetime) -> int:
    """Since the contract began; without one, ever."""
    if contract is not None:
        return units_between(
            account_id=account_id, metric=metric, start=contract.starts_at, end=now + ONE_DAY
        )
    rows = UsageDay.objects.filter(account_id=account_id, metric_id=catalog.metric_id(metric))
    return int(rows.aggregate(total=Sum("units"))["total"] or 0)
