"""Reading contracts and what their overage costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from common.money import Money
from common.periods import anchored_period
from enterprise.models import Contract, ContractTerms
from enterprise.rules.contracts import ContractState, LimitTerms, state_of
from enterprise.rules.costs import Priced, merged, projected_units, total_minor
from quotas.enums import Mode, Window
from quotas.reports import overage_between, overage_of_credits_between, units_between

LONG = frozenset({Window.MONTH, Window.PERIOD})


@dataclass(frozen=True, slots=True)
class Costs:
    """What a period's overage costs so far, and at its end if use goes on as it did."""

    so_far: Money
    projected: Money
    lines: tuple[Priced, ...] = ()


def contract_at(account_id: int, at: datetime) -> Contract | None:
    """The account's contract that holds at that moment, with its terms and limits."""
    running = Q(ends_at__isnull=True) | Q(ends_at__gt=at)
    return (
        Contract.objects.filter(running, account_id=account_id, starts_at__lte=at)
        .prefetch_related("terms__limits")
        .first()
    )


def contracts_of(account_id: int) -> QuerySet[Contract]:
    """All of the account's contracts with their terms and limits, the latest first."""
    rows = Contract.objects.filter(account_id=account_id).prefetch_related("terms__limits")
    return rows.order_by("-starts_at", "-pk")


def state_at(contract: Contract, at: datetime) -> ContractState:
    """Whether it holds, has ended, or is still to come."""
    return state_of(starts_at=contract.starts_at, ends_at=contract.ends_at, at=at)


def contract_json(contract: Contract, at: datetime) -> dict[str, Any]:
    """All of a contract as operators read it, the latest terms first. Prices are minor units, as text."""
    held = terms_at(contract, at) if state_at(contract, at) == ContractState.RUNNING else None
    return {
        "id": contract.public_id,
        "account": contract.account_id,
        "title": contract.title,
        "state": state_at(contract, at).value,
        "currency": contract.currency,
        "collection": contract.collection,
        "period_months": contract.period_months,
        "starts_at": contract.starts_at,
        "ends_at": contract.ends_at,
        "terms": [
            {
                "number": terms.number,
                "effective_at": terms.effective_at,
                "reason": terms.reason,
                "in_force": held is not None and held.pk == terms.pk,
                "limits": [
                    {
                        "metric": one.metric,
                        "window": one.window,
                        "limit": one.limit_units,
                        "mode": one.mode,
                        "overage_price": None if one.overage_price is None else str(one.overage_price),
                    }
                    for one in terms.limits.all()
                ],
            }
            for terms in sorted(contract.terms.all(), key=lambda row: -row.number)
        ],
    }


def terms_of(terms: ContractTerms) -> tuple[LimitTerms, ...]:
    """The limits as they were agreed."""
    return tuple(
        LimitTerms(one.metric, one.window, one.limit_units, one.mode, one.overage_price)
        for one in terms.limits.order_by("id")
    )


def period_at(contract: Contract, at: datetime) -> tuple[datetime, datetime]:
    """The contract's period [start, end) that holds the moment; the last one is cut at the contract's end."""
    start, end = anchored_period(anchor=contract.starts_at, months=contract.period_months, at=at)
    return start, min(end, contract.ends_at) if contract.ends_at else end


def overage_lines(contract: Contract, start: datetime, end: datetime) -> list[Priced]:
    """What was used past the limits in [start, end), each unit at the price that held when it was used."""
    return merged(
        Priced(
            metric,
            _agreed_overage(contract, metric, since, until),
            price,
        )
        for metric, price, since, until in _priced_spans(contract, start, end)
    )


def costs_at(contract: Contract, at: datetime) -> Costs:
    """Costs of the period that holds the moment."""
    start, end = period_at(contract, at)
    lines = overage_lines(contract, start, end)
    so_far = total_minor(lines)
    more = [
        Priced(metric, max(_projected(contract, metric, start, end, at) - _units(lines, metric), 0), price)
        for metric, price in prices_at(contract, at).items()
    ]
    return Costs(
        so_far=Money(so_far, contract.currency),
        projected=Money(total_minor(merged([*lines, *more])), contract.currency),
        lines=tuple(lines),
    )


def cost_between(contract: Contract, metric: str, start: datetime, end: datetime) -> Money:
    """What the metric's overage of some time costs by itself."""
    lines = [line for line in overage_lines(contract, start, end) if line.metric == metric]
    return Money(total_minor(lines), contract.currency)


def prices_at(contract: Contract, at: datetime) -> dict[str, Decimal]:
    """The overage price of each metric that has one at that moment."""
    terms = terms_at(contract, at)
    if terms is None:
        return {}
    return {one.metric: one.overage_price for one in terms.limits.all() if one.overage_price is not None}


def terms_at(contract: Contract, at: datetime) -> ContractTerms | None:
    """The terms that hold at that moment: the latest amendment among those in effect."""
    held = [one for one in contract.terms.all() if one.effective_at <= at]
    return max(held, key=lambda one: one.number, default=None)


def _priced_spans(
    contract: Contract, start: datetime, end: datetime
) -> Iterator[tuple[str, Decimal, datetime, datetime]]:
    """Each stretch of [start, end) in which a metric's units had one price."""
    terms = sorted(contract.terms.all(), key=lambda one: one.number)
    ends = [*(one.effective_at for one in terms[1:]), end]
    for one, following in zip(terms, ends, strict=True):
        since, until = max(one.effective_at, start), min(following, end)
        if since < until:
            for metric, price in _prices(one).items():
                yield metric, price, since, until


def _prices(terms: ContractTerms) -> dict[str, Decimal]:
    return {one.metric: one.overage_price for one in terms.limits.all() if one.overage_price is not None}


def _projected(contract: Contract, metric: str, start: datetime, end: datetime, at: datetime) -> int:
    """Of the metric's limits that charge, the one that will have been exceeded most."""
    terms = terms_at(contract, at)
    limits = [] if terms is None else [one for one in terms.limits.all() if one.metric == metric]
    charging = [one for one in limits if one.mode == Mode.OVERAGE]
    found = [0]
    for one in charging:
        if one.window in LONG:
            used = units_between(account_id=contract.account_id, metric=metric, start=start, end=at)
            limit = one.limit_units
        else:
            used = _agreed_overage(contract, metric, start, end)
            limit = None
        found.append(projected_units(units=used, limit=limit, start=start, end=end, at=at))
    return max(found)


def _agreed_overage(contract: Contract, metric: str, start: datetime, end: datetime) -> int:
    """What the contract's limits charge. Where a plan's credits pay for the metric too, what is past those was charged
    when it was used, and is not asked for again.
    """
    asked: dict[str, Any] = {"account_id": contract.account_id, "metric": metric, "start": start, "end": end}
    return overage_between(**asked) - overage_of_credits_between(**asked)


def _units(lines: Sequence[Priced], metric: str) -> int:
    return sum(line.units for line in lines if line.metric == metric)
