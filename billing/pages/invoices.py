"""Invoices: the list with its filters, one invoice, its PDF."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import Account
from accounts.selectors import account_of
from billing.enums import CardRefundStatus, InvoiceStatus
from billing.gateways.values import InvoiceState
from billing.pages.access import signed_in
from billing.pages.forms import new_key
from billing.pages.plan_now import Amount
from billing.pages.previews import line_text, prices_by_stripe_id
from billing.services import (
    invoice_detail,
    invoice_is_waived,
    invoice_pdf_url,
    invoices_list,
    subscription_has_ended,
)
from billing.services.invoices import InvoiceDetail
from common import clock
from common.errors import ValidationError
from common.ratelimit import ratelimited

PER_PAGE = 20
TONES = {InvoiceStatus.OPEN: "near", InvoiceStatus.PAID: "ok", InvoiceStatus.UNCOLLECTIBLE: "bad"}


@dataclass(frozen=True)
class InvoiceRow:
    """`credited`: what credit notes gave back since; None when none did."""

    id: str
    number: str
    status_text: str
    tone: str
    total: Amount
    credited: Amount | None
    at: datetime
    has_pdf: bool
    can_pay: bool


def invoice_rows(invoices: Iterable[InvoiceState]) -> list[InvoiceRow]:
    return [invoice_row(one) for one in invoices]


def invoice_row(invoice: InvoiceState) -> InvoiceRow:
    status = InvoiceStatus(invoice.status or InvoiceStatus.DRAFT)
    return InvoiceRow(
        id=invoice.id,
        number=invoice.number or _("no number yet"),
        status_text=str(status.label),
        tone=TONES.get(status, ""),
        total=_amount(invoice.total_minor, invoice),
        credited=_amount(invoice.credited_minor, invoice) if invoice.credited_minor else None,
        at=invoice.issued_at or invoice.created_at,
        has_pdf=bool(invoice.pdf_url),
        can_pay=status == InvoiceStatus.OPEN and invoice.amount_due_minor > 0,
    )


def lines_of(invoice: InvoiceState) -> list[dict[str, Any]]:
    """An invoice's lines in the reader's language, each with its amount."""
    prices = prices_by_stripe_id(invoice.lines)
    return [
        {
            "description": line_text(line, prices.get(line.price_id or "")),
            "amount_minor": line.amount_minor,
            "currency": invoice.currency,
        }
        for line in invoice.lines
    ]


def _amount(amount_minor: int, invoice: InvoiceState) -> Amount:
    return {"amount_minor": amount_minor, "currency": invoice.currency}


@require_safe
@signed_in
@ratelimited("global", "user")
def invoices(request: HttpRequest) -> HttpResponse:
    account = account_of(request)
    chosen = _filters(request, account)
    found, cursor = invoices_list(
        account=account,
        limit=PER_PAGE,
        cursor=request.GET.get("cursor") or None,
        status=chosen["status"] or None,
        year=chosen["year"],
    )
    kept = {name: value for name, value in chosen.items() if value}
    context = {
        "invoices": invoice_rows(found),
        "older_query": urlencode({**kept, "cursor": cursor}) if cursor else "",
        "statuses": InvoiceStatus.choices,
        "years": _years(account),
        "chosen": chosen,
        "is_filtered": bool(kept),
        "crumbs": [(_("Billing"), reverse("account_billing")), (_("Invoices"), "")],
    }
    return render(request, "pages/invoices.html", context)


def _filters(request: HttpRequest, account: Account) -> dict[str, Any]:
    """What the form can ask for, and nothing else. ValidationError for what it cannot."""
    status, year = request.GET.get("status", ""), request.GET.get("year", "")
    if status and status not in InvoiceStatus.values:
        raise ValidationError.of("status", "invalid_choice", _("There are no invoices of that state."))
    if year and year not in {str(one) for one in _years(account)}:
        raise ValidationError.of("year", "invalid_choice", _("There are no invoices of that year."))
    return {"status": status, "year": int(year) if year else None}


def _years(account: Account) -> list[int]:
    return list(range(clock.now().year, account.created_at.year - 1, -1))


@require_safe
@signed_in
@ratelimited("global", "user")
def invoice(request: HttpRequest, invoice_id: str) -> HttpResponse:
    detail = invoice_detail(account=account_of(request), invoice_id=invoice_id)
    waived = invoice_is_waived(detail.invoice)
    row = replace(invoice_row(detail.invoice), can_pay=False) if waived else invoice_row(detail.invoice)
    context = {
        "invoice": row,
        "ended_text": _ended_text(detail.invoice, is_waived=waived),
        "form_key": new_key(),
        "crumbs": [
            (_("Billing"), reverse("account_billing")),
            (_("Invoices"), reverse("account_invoices")),
            (row.number, ""),
        ],
        **_sums(detail),
    }
    return render(request, "pages/invoice.html", context)


def _ended_text(invoice: InvoiceState, *, is_waived: bool) -> str:
    """What the end of its subscription means for an unpaid invoice; empty where it means nothing."""
    if not subscription_has_ended(invoice.subscription_id) or invoice.status not in ("open", "void"):
        return ""
    if is_waived or invoice.status == "void":
        return _("Its subscription has ended. Nothing is to be paid for it any more.")
    return _("Its subscription has ended. Only what was used past the plan is still to be paid.")


def _sums(detail: InvoiceDetail) -> dict[str, Any]:
    """Everything on the invoice that is an amount, in the reader's words."""
    invoice = detail.invoice
    discount = invoice.subtotal_minor + invoice.tax_minor - invoice.total_minor
    return {
        "lines": lines_of(invoice),
        "discount": _amount(-discount, invoice) if discount > 0 else None,
        "tax": _amount(invoice.tax_minor, invoice) if invoice.tax_minor else None,
        "settled": _settled(invoice),
        "due": _amount(invoice.amount_due_minor, invoice),
        "paid": _amount(invoice.amount_paid_minor, invoice),
        "paid_at": invoice.paid_at,
        "credit_notes": [
            {
                "number": note.number,
                "at": note.created_at,
                "total": _amount(note.total_minor, invoice),
                "refunded": _amount(note.refunded_minor, invoice) if note.refunded_minor else None,
                "to_balance": _amount(note.to_balance_minor, invoice) if note.to_balance_minor else None,
            }
            for note in detail.credit_notes
        ],
        "refunds": [
            {
                "at": one.created_at,
                "status_text": CardRefundStatus(one.status).label,
                **_amount(one.amount_minor, invoice),
            }
            for one in detail.refunds
        ],
    }


def _settled(invoice: InvoiceState) -> list[dict[str, Any]]:
    """What stands between the total and what is due: the payer's credit, what was owed before, what is carried over."""
    total, before = invoice.total_minor, invoice.starting_balance_minor
    if total < 0:
        return [{"label": _("Credit for your next invoices"), **_amount(-total, invoice)}]
    taken = max(before, -total)
    rows = [(_("Your credit") if taken < 0 else _("Owed from before"), taken)]
    rows.append((_("Carried over to your next invoice"), invoice.amount_due_minor - total - taken))
    return [{"label": label, **_amount(minor, invoice)} for label, minor in rows if minor]


@require_safe
@signed_in
@ratelimited("global", "user")
def invoice_pdf(request: HttpRequest, invoice_id: str) -> HttpResponse:
    """To the PDF at the payment service, whose address holds for a while only."""
    return redirect(invoice_pdf_url(account=account_of(request), invoice_id=invoice_id))
