"""Billing at a glance: plan, next charge, cards, invoices, and whatever else the account has."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import Account
from accounts.selectors import account_of
from billing.errors import PaymentProviderUnavailable
from billing.models import Subscription
from billing.pages.access import signed_in
from billing.pages.attempts import attempt_rows
from billing.pages.changes import recent_rows
from billing.pages.forms import new_key
from billing.pages.invoices import invoice_rows, lines_of
from billing.pages.panels import panels_of
from billing.pages.plan_now import Amount, Charge, plan_now_of, waiting_of
from billing.pages.previews import card_text
from billing.selectors import live_subscription
from billing.services import invoices_list, next_charge_at, next_invoice, payment_methods_list
from common import clock
from common.ratelimit import ratelimited

log = structlog.get_logger(__name__)

RECENT = 5


@dataclass(frozen=True)
class Upcoming:
    """The next charge as Stripe would make it."""

    amount: Amount
    at: datetime
    lines: list[dict[str, Any]]


@require_safe
@signed_in
@ratelimited("global", "user")
def billing(request: HttpRequest) -> HttpResponse:
    account = account_of(request)
    subscription = live_subscription(account.pk)
    known = _from_provider(account, subscription)
    plan_now = plan_now_of(account)
    if plan_now is not None:
        plan_now = plan_now.charged(known["next_charge"])
    context = {
        "plan_now": plan_now,
        "waiting": waiting_of(account),
        "changes": recent_rows(account.pk, limit=RECENT),
        "attempts": attempt_rows(account, limit=RECENT),
        "panels": panels_of(account),
        "form_key": new_key(),
        "crumbs": [(_("Billing"), "")],
        **known,
    }
    return render(request, "pages/billing.html", context)


def _from_provider(account: Account, subscription: Subscription | None) -> dict[str, Any]:
    """What only the payment service knows. When it does not answer, the page says so and shows the rest."""
    at = next_charge_at(subscription, now=clock.now()) if subscription else None
    try:
        methods, default_id = payment_methods_list(account=account)
        invoices, _cursor = invoices_list(account=account, limit=RECENT, cursor=None)
        upcoming = _upcoming(subscription, at) if subscription and at else None
    except PaymentProviderUnavailable:
        log.warning("billing_page_without_provider", account=account.pk)
        return {"unreadable": True, "next_charge": Charge(None, at) if at else None}
    cards = [
        {
            "text": card_text(one),
            "expires": f"{one.exp_month:02}/{one.exp_year}" if one.exp_month and one.exp_year else "",
            "is_default": one.id == default_id,
        }
        for one in methods
    ]
    charge = Charge(upcoming.amount, upcoming.at) if upcoming else None
    return {
        "cards": cards,
        "invoices": invoice_rows(invoices),
        "upcoming": upcoming,
        "next_charge": charge,
    }


def _upcoming(subscription: Subscription, at: datetime) -> Upcoming | None:
    invoice = next_invoice(subscription=subscription, now=clock.now())
    if invoice is None:
        return None
    amount = {"amount_minor": invoice.amount_due_minor, "currency": invoice.currency}
    return Upcoming(amount=amount, at=at, lines=lines_of(invoice))
