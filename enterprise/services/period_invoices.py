"""A contract's overage, invoiced when its period is over.

First an intent is committed: what was used past the limits, at which prices, in whole cents. Then Stripe is asked, step
by step, each under a key made from the intent. A crash between any two steps leaves the intent `pending`; the next run
looks at Stripe what is there and goes on. A period is closed once nothing can be counted in it any more.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from accounts.locks import lock_account
from billing.errors import PaymentFailed, PaymentProviderUnavailable, ProviderRefused
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceState
from billing.services import customer_ensure
from common import audit
from common.locks import locked
from common.periods import add_months
from enterprise.enums import Collection, PeriodInvoiceStatus
from enterprise.models import Contract, PeriodInvoice, PeriodInvoiceLine
from enterprise.rules.costs import total_minor
from enterprise.selectors.contracts import overage_lines
from quotas.enums import ReservationStatus
from quotas.models import Reservation

log = structlog.get_logger(__name__)

DUE_DAYS = 30
QUIET = timedelta(minutes=1)
"""A decision that was made in the period may be written this much later."""


def periods_close(*, now: datetime) -> int:
    """Write down what is to be invoiced for every period that is over; how many periods were closed."""
    closed = 0
    for contract in Contract.objects.filter(starts_at__lt=now).order_by("id").select_related("account"):
        for start, end in _over(contract, now - QUIET):
            if not _is_settled(contract, end):
                break  # the later ones come after it
            closed += period_close(contract_id=contract.pk, start=start, end=end, now=now) is not None
    return closed


def period_close(*, contract_id: int, start: datetime, end: datetime, now: datetime) -> PeriodInvoice | None:
    """The intent of one period's invoice; None when it is there already."""
    with transaction.atomic():
        contract = Contract.objects.prefetch_related("terms__limits").get(pk=contract_id)
        lock_account(contract.account_id)
        if PeriodInvoice.objects.filter(contract=contract, period_start=start).exists():
            return None
        lines = overage_lines(contract, start, end)
        amount = total_minor(lines)
        invoice = PeriodInvoice.objects.create(
            contract=contract,
            period_start=start,
            period_end=end,
            currency=contract.currency,
            amount_minor=amount,
            status=PeriodInvoiceStatus.PENDING if amount else PeriodInvoiceStatus.NOTHING,
            created_at=now,
        )
        PeriodInvoiceLine.objects.bulk_create(
            PeriodInvoiceLine(
                invoice=invoice,
                position=position,
                metric=line.metric,
                units=line.units,
                unit_price=line.unit_price,
                amount_minor=line.amount_minor,
            )
            for position, line in enumerate(lines, 1)
        )
        audit.record(
            actor=None,
            account_id=contract.account_id,
            action="contract.period_closed",
            subject=f"contract {contract.public_id}",
            data={"period_start": start, "period_end": end, "amount_minor": amount},
            now=now,
        )
    return invoice


def period_invoices_carry_out(*, now: datetime) -> dict[str, int]:
    """Bring every intent that is open to its end; how many succeeded and how many have to wait."""
    done = {"invoiced": 0, "waiting": 0}
    pending = PeriodInvoice.objects.filter(status=PeriodInvoiceStatus.PENDING).order_by("id")
    for pk in list(pending.values_list("pk", flat=True)):
        done["invoiced" if period_invoice_run(invoice_id=pk, now=now) else "waiting"] += 1
    return done


def period_invoice_run(*, invoice_id: int, now: datetime) -> bool:
    """Go on with one intent from wherever it stands; whether its invoice is issued now.

    One run at a time for each. What Stripe could not do or did not answer is tried again at the next run.
    """
    with locked(f"period_invoice:{invoice_id}"):
        invoice = PeriodInvoice.objects.select_related("contract__account").get(pk=invoice_id)
        if invoice.status != PeriodInvoiceStatus.PENDING:
            return invoice.status == PeriodInvoiceStatus.INVOICED
        PeriodInvoice.objects.filter(pk=invoice.pk).update(attempts=F("attempts") + 1)
        try:
            issued = _issue(invoice)
        except (PaymentProviderUnavailable, ProviderRefused, PaymentFailed) as error:
            PeriodInvoice.objects.filter(pk=invoice.pk).update(last_error=error.code)
            log.warning("period_invoice_waits", period_invoice=str(invoice.public_id), error=error.code)
            return False
        _finish(invoice, issued, now)
        return True


def _issue(invoice: PeriodInvoice) -> InvoiceState:
    """Draft, lines, issue. Each step first sees what an earlier run has done."""
    customer_id = customer_ensure(account=invoice.contract.account)
    draft = _draft(invoice, customer_id)
    if draft.status == "draft":
        there = gateway.manual_invoice_items(invoice_id=draft.id)
        for line in invoice.lines.order_by("position"):
            ref = f"{invoice.public_id}:{line.position}"
            item_id = there.get(ref) or gateway.manual_invoice_item_add(
                customer_id=customer_id,
                invoice_id=draft.id,
                amount_minor=line.amount_minor,
                currency=invoice.currency,
                description=_described(line),
                period=(invoice.period_start, invoice.period_end),
                ref=ref,
                key=f"contract_period:{invoice.public_id}:line:{line.position}",
            )
            PeriodInvoiceLine.objects.filter(pk=line.pk).update(stripe_item_id=item_id)
    return gateway.manual_invoice_issue(invoice_id=draft.id, key=f"contract_period:{invoice.public_id}:issue")


def _draft(invoice: PeriodInvoice, customer_id: str) -> InvoiceState:
    ref = str(invoice.public_id)
    known = gateway.invoice_get(invoice.stripe_invoice_id) if invoice.stripe_invoice_id else None
    found = known or gateway.manual_invoice_find(
        customer_id=customer_id, since=invoice.created_at - timedelta(days=1), ref=ref
    )
    made = found or gateway.manual_invoice_create(
        customer_id=customer_id,
        currency=invoice.currency,
        description=_("%(contract)s, %(start)s to %(end)s")
        % {
            "contract": invoice.contract.title,
            "start": f"{invoice.period_start:%Y-%m-%d}",
            "end": f"{invoice.period_end:%Y-%m-%d}",
        },
        due_days=DUE_DAYS if invoice.contract.collection == Collection.INVOICE else None,
        ref=ref,
        key=f"contract_period:{ref}:draft",
    )
    PeriodInvoice.objects.filter(pk=invoice.pk).update(stripe_invoice_id=made.id)
    return made


def _described(line: PeriodInvoiceLine) -> str:
    price = f"{line.unit_price.normalize():f}"
    return _("%(units)s %(metric)s past the limit, at %(price)s cents each") % {
        "units": line.units,
        "metric": line.metric,
        "price": price,
    }


@transaction.atomic
def _finish(invoice: PeriodInvoice, issued: InvoiceState, now: datetime) -> None:
    if issued.total_minor != invoice.amount_minor:
        log.error(
            "period_invoice_differs",
            period_invoice=str(invoice.public_id),
            asked_minor=invoice.amount_minor,
            invoiced_minor=issued.total_minor,
        )
    PeriodInvoice.objects.filter(pk=invoice.pk, status=PeriodInvoiceStatus.PENDING).update(
        status=PeriodInvoiceStatus.INVOICED, stripe_invoice_id=issued.id, invoiced_at=now, last_error=""
    )
    audit.record(
        actor=None,
        account_id=invoice.contract.account_id,
        action="contract.invoiced",
        subject=issued.id,
        data={"amount_minor": invoice.amount_minor, "currency": invoice.currency},
        now=now,
    )


def _over(contract: Contract, moment: datetime) -> list[tuple[datetime, datetime]]:
    """The contract's periods that ended at `moment` or before and are not closed yet, oldest first."""
    known = set(contract.period_invoices.values_list("period_start", flat=True))
    found: list[tuple[datetime, datetime]] = []
    number = 0
    while True:
        start = add_months(contract.starts_at, number * contract.period_months)
        end = add_months(contract.starts_at, (number + 1) * contract.period_months)
        if contract.ends_at is not None:
            end = min(end, contract.ends_at)
        if start >= end or end > moment:
            return found
        if start not in known:
            found.append((start, end))
        number += 1


def _is_settled(contract: Contract, end: datetime) -> bool:
    """Whether no reservation of before `end` is open: settled later, it would still count there."""
    return not Reservation.objects.filter(
        account_id=contract.account_id, status=ReservationStatus.OPEN, decided_at__lt=end
    ).exists()
