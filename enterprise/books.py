"""The invariants of contracts, checked after every test and by `manage.py verify_books`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from django.db.models import F, Sum

from common.books import check
from enterprise.enums import PeriodInvoiceStatus
from enterprise.models import Contract, PeriodInvoice
from enterprise.models.contracts import NEVER_BEGAN
from enterprise.rules.costs import total_minor
from enterprise.selectors.contracts import overage_lines


@check("enterprise.contracts_do_not_overlap")
def contracts_do_not_overlap() -> Iterator[str]:
    """At one moment an account has one contract."""
    rows = Contract.objects.exclude(NEVER_BEGAN).order_by("account_id", "starts_at")
    for one, other in pairwise(rows):
        if one.account_id == other.account_id and (one.ends_at is None or one.ends_at > other.starts_at):
            yield f"account {one.account_id}: contracts {one.public_id} and {other.public_id} overlap"


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
