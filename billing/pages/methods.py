"""The cards on file: which is charged, choose another, remove, add one with the bank's confirmation."""

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Account
from accounts.selectors import account_of
from billing.gateways.values import PaymentMethodState
from billing.models import Subscription
from billing.pages.access import signed_in
from billing.pages.forms import key_of, new_key, safe_next
from billing.pages.previews import card_text
from billing.rules.reminders import card_ends, card_expires_soon
from billing.selectors import live_subscription
from billing.services import (
    SavedCard,
    card_setup_begin,
    card_setup_finish,
    card_setup_get,
    card_visit_begin,
    card_visit_finish,
    payment_method_make_default,
    payment_method_remove,
    payment_methods_list,
)
from common import clock
from common.errors import NotFound, ValidationError
from common.ratelimit import ratelimited

DEFAULT_CURRENCY = "eur"
SAVED = "succeeded"
SESSION_ID = re.compile(r"cs_[A-Za-z0-9_]{1,250}")


@dataclass(frozen=True)
class CardRow:
    """`ends_soon`: it expires before it is charged the next time. `is_kept`: the running subscription is charged to it, so
    it cannot be removed.
    """

    id: str
    text: str
    expires: str
    is_expired: bool
    ends_soon: bool
    is_default: bool
    is_kept: bool


@require_safe
@signed_in
@ratelimited("global", "user")
def payment_methods(request: HttpRequest) -> HttpResponse:
    account = account_of(request)
    context = {
        "cards": card_rows(account, clock.now()),
        "form_key": new_key(),
        "crumbs": [(_("Billing"), reverse("account_billing")), (_("Payment methods"), "")],
    }
    return render(request, "pages/payment_methods.html", context)


def card_rows(account: Account, now: datetime) -> list[CardRow]:
    """The one that is charged first."""
    methods, default = payment_methods_list(account=account)
    subscription = live_subscription(account.pk)
    paid = subscription if subscription is not None and subscription.stripe_subscription_id else None
    rows = [_row(method, is_default=method.id == default, paid=paid, now=now) for method in methods]
    return sorted(rows, key=lambda row: not row.is_default)


def _row(
    method: PaymentMethodState, *, is_default: bool, paid: Subscription | None, now: datetime
) -> CardRow:
    month, year = method.exp_month, method.exp_year
    charge_at = paid.current_period_end if paid and is_default else None
    return CardRow(
        id=method.id,
        text=card_text(method),
        expires=f"{month:02}/{year}" if month and year else "",
        is_expired=bool(month and year) and card_ends(month=month or 0, year=year or 0) <= now,
        ends_soon=bool(month and year)
        and card_expires_soon(month=month or 0, year=year or 0, at=now, charge_at=charge_at),
        is_default=is_default,
        is_kept=is_default and paid is not None,
    )


@require_POST
@signed_in
@ratelimited("global", "user")
def payment_method_default(request: HttpRequest, payment_method_id: str) -> HttpResponse:
    account = account_of(request)
    payment_method_make_default(account=account, payment_method_id=payment_method_id)
    messages.success(request, _("This card is charged from now on."))
    return redirect("payment_methods")


@require_POST
@signed_in
@ratelimited("global", "user")
def payment_method_drop(request: HttpRequest, payment_method_id: str) -> HttpResponse:
    try:
        payment_method_remove(account=account_of(request), payment_method_id=payment_method_id)
    except ValidationError as error:
        messages.warning(request, error.details["fields"][0]["message"])
    else:
        messages.success(request, _("The card was removed. It cannot be charged any more."))
    return redirect("payment_methods")


# Adding one ----------------------------------------------------------------------------------------------------------


@require_POST
@signed_in
@ratelimited("global", "user")
def card_enter(request: HttpRequest) -> HttpResponse:
    """To the page with the fields for a card."""
    intent = card_setup_begin(account=account_of(request), key=key_of(request))
    return redirect(_with_next(request, reverse("card_fields", kwargs={"setup_intent_id": intent.id})))


def _with_next(request: HttpRequest, path: str) -> str:
    onward = safe_next(request, "")
    return f"{path}?{urlencode({'next': onward})}" if onward else path


@require_safe
@signed_in
@ratelimited("global", "user")
def card_fields(request: HttpRequest, setup_intent_id: str) -> HttpResponse:
    intent = card_setup_get(account=account_of(request), setup_intent_id=setup_intent_id)
    done = reverse("card_done", kwargs={"setup_intent_id": setup_intent_id})
    if intent.status == SAVED:
        return redirect(_with_next(request, done))
    context = {
        "client_secret": intent.client_secret,
        "return_url": settings.BASE_URL + _with_next(request, done),
        "failed": "failed" in request.GET,
        "back": safe_next(request, reverse("payment_methods")),
        "stripe_js": settings.STRIPE_JS_URL,
        "publishable_key": settings.STRIPE_PUBLISHABLE_KEY,
        "crumbs": [
            (_("Billing"), reverse("account_billing")),
            (_("Payment methods"), reverse("payment_methods")),
            (_("Add a card"), ""),
        ],
    }
    return render(request, "pages/card_fields.html", context)


@require_safe
@signed_in
@ratelimited("global", "user")
def card_done(request: HttpRequest, setup_intent_id: str) -> HttpResponse:
    """Where the payer comes back to from the bank."""
    saved = card_setup_finish(account=account_of(request), setup_intent_id=setup_intent_id)
    if saved.method is None and saved.status != SAVED:
        again = reverse("card_fields", kwargs={"setup_intent_id": setup_intent_id})
        query = {"failed": "1", **({"next": onward} if (onward := safe_next(request, "")) else {})}
        return redirect(f"{again}?{urlencode(query)}")
    return _said(request, saved)


def _said(request: HttpRequest, saved: SavedCard) -> HttpResponse:
    if saved.method is None and saved.status == SAVED:
        messages.warning(request, _("This card was added and has been removed since. Add another one."))
    elif saved.method is None:
        messages.warning(request, _("No card was added."))
    elif saved.is_charged:
        text = _("%(card)s was added and will be charged from now on.")
        messages.success(request, text % {"card": card_text(saved.method)})
    else:
        messages.info(
            request,
            _("%(card)s was added before; another card is charged now.") % {"card": card_text(saved.method)},
        )
    return redirect(safe_next(request, reverse("payment_methods")))


@require_POST
@signed_in
@ratelimited("global", "user")
def card_visit(request: HttpRequest) -> HttpResponse:
    """To Stripe's own page, which saves the card; works without JavaScript."""
    account = account_of(request)
    subscription = live_subscription(account.pk)
    back = settings.BASE_URL + reverse("card_back")
    onward = safe_next(request, "")
    query = f"&{urlencode({'next': onward})}" if onward else ""
    session = card_visit_begin(
        account=account,
        currency=subscription.price.currency if subscription else DEFAULT_CURRENCY,
        success_url=f"{back}?session_id={{CHECKOUT_SESSION_ID}}{query}",
        cancel_url=settings.BASE_URL + _with_next(request, reverse("payment_card")),
        locale=(get_language() or "en")[:2],
        key=key_of(request),
    )
    return redirect(session.url or reverse("payment_methods"))


@require_safe
@signed_in
@ratelimited("global", "user")
def card_back(request: HttpRequest) -> HttpResponse:
    session_id = request.GET.get("session_id", "")
    if not SESSION_ID.fullmatch(session_id):
        raise NotFound
    return _said(request, card_visit_finish(account=account_of(request), session_id=session_id))
