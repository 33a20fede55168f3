"""The invariants of contracts, checked after every test and by `manage.py verify_books`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from django.db.models import F, Q, Sum

from common.books import check
from common.clock import database_now
from enterprise.enums import PeriodInvoiceStatus
from enterprise.models import Contract, PeriodInvoice
from enterprise.models.contracts import NEVER_BEGAN
from enterprise.rules.costs import total_minor
from enterprise.selectors.contracts import overage_lines
from enterprise.services.contracts import contract_phases, contracts_ahead
from quotas.enums import Source
from quotas.models import Entitlement
from quotas.services import Phase

REMEDY = "manage.py contract mend --account {account}"


@check("enterprise.contracts_do_not_overlap")
def contracts_do_not_overlap() -> Iterator[str]:
    """At one moment an account has one contract."""
    rows = Contract.objects.exclude(NEVER_BEGAN).order_by("account_id", "starts_at")
    for one, other in pairwise(rows):
        if one.account_id == other.account_id and (one.ends_at is None or one.ends_at > other.starts_at):
            yield f"account {one.account_id}: contracts {one.public_id} and {other.public_id} overlap"


Limits = dict[tuple[str, str], tuple[int | None, str]]


@check("enterprise.entitlements_are_the_contracts")
def entitlements_are_the_contracts() -> Iterator[str]:
    """What the meter has from contracts is what they say, now and from each moment on at which they change."""
    now = database_now()
    said: dict[int, list[Phase]] = defaultdict(list)
    for contract in contracts_ahead(now):
        said[contract.account_id] += contract_phases(contract)
    held: dict[int, list[Entitlement]] = defaultdict(list)
    ahead = Q(valid_until__isnull=True) | Q(valid_until__gt=now)
    for row in Entitlement.objects.filter(ahead, source=Source.CONTRACT).select_related("metric"):
        held[row.account_id].append(row)
    for account_id in sorted(said.keys() | held.keys()):
        for at in _moments(said[account_id], held[account_id], now):
            there, given = _held_at(held[account_id], at), _said_at(said[account_id], at)
            if there != given:
                yield (
                    f"account {account_id}: from {at:%Y-%m-%dT%H:%MZ} on the meter has {there} by contract, the contracts "
                    f"say {given} ({REMEDY.format(account=account_id)})"
                )
                break


def _moments(said: Sequence[Phase], held: Sequence[Entitlement], now: datetime) -> list[datetime]:
    """Now, and whenever one of both changes."""
    ends = {moment for one in said for moment in (one.starts_at, one.ends_at)}
    ends |= {moment for one in held for moment in (one.valid_from, one.valid_until)}
    return sorted({now, *(moment for moment in ends if moment is not None and moment > now)})


def _said_at(said: Sequence[Phase], at: datetime) -> Limits:
    return {
        (limit.metric, limit.window): (limit.limit_units, str(limit.mode))
        for one in said
        if one.starts_at <= at and (one.ends_at is None or one.ends_at > at)
        for limit in one.limits
    }


def _held_at(held: Sequence[Entitlement], at: datetime) -> Limits:
    return {
        (one.metric.code, one.window): (one.limit_units, one.mode)
        for one in held
        if one.valid_from <= at and (one.valid_until is None or one.valid_until > at)
    }


@check("enterprise.periods_are_invoiced_as_used")
def periods_are_invoiced_as_used() -> Iterator[str]:
    """What a closed period asks for is what its records say, at the prices that held."""
    rows = PeriodInvoice.objects.select_related("contract").prefetch_related("contract__terms__limits")
    for one in rows:
        owed = total_minor(overage_lines(one.contract, one.period_start, one.period_end))
        if owed != one.amount_minor:
            yield (
                f"contract {one.contract.public_id}: the period from {one.period_start:%Y-%m-%d} asks for "
                f"{one.amount_minor}, its records for {owed} (use was counted after it was closed)"
            )


@check("enterprise.lines_sum_to_the_invoice")
def lines_sum_to_the_invoice() -> Iterator[str]:
    """An invoice's lines are its amount."""
    rows = PeriodInvoice.objects.exclude(status=PeriodInvoiceStatus.NOTHING).annotate(
        told=Sum("lines__amount_minor")
    )
    for one in rows.exclude(told=F("amount_minor")):
        yield f"period invoice {one.public_id} asks for {one.amount_minor}, its lines for {one.told}"
