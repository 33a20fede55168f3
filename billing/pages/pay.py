"""Paying: with a card entered in the page, for the bank that asks, or on Stripe's own page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Account
from accounts.selectors import account_of
from billing.enums import ChangeStatus
from billing.errors import PlanChangeNotAllowed, QuoteStale
from billing.models import PlanChange
from billing.pages.access import signed_in
from billing.pages.change import NOT_POSSIBLE, is_amount, looked_after, user_of
from billing.pages.forms import key_of
from billing.pages.plan_now import Amount, name_of
from billing.pages.previews import card_text
from billing.selectors import plan_change_attempts
from billing.services import (
    Addresses,
    PaymentAction,
    action_of,
    change_replace,
    checkout_begin,
    payment_methods_list,
)
from common import clock
from common.errors import ValidationError
from common.ratelimit import ratelimited
from common.request_id import current_request_id


@dataclass(frozen=True)
class PayPage:
    """`card`: on file, and wanted by the bank to be confirmed; empty: a card is to be entered."""

    plan: str
    amount: Amount | None
    card: str
    payment_method: str
    client_secret: str
    hosted_url: str
    return_url: str
    expires_at: datetime | None
    on_stripe: bool


@require_safe
@signed_in
@ratelimited("global", "user")
def plan_pay(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """What the payer has to do so that the change happens."""
    account = account_of(request)
    change = looked_after(_own(account, change_id))
    if not change.awaits_payer:
        return redirect("plan_result", change_id=change.pk)
    action = action_of(change)
    if action.client_secret is None and action.hosted_url is None:
        return redirect("plan_result", change_id=change.pk)
    page = _page(account, change, action)
    assert change.to_price is not None, "a payment is for a target"
    context = {
        "pay": page,
        "change_id": change.pk,
        "failed": "failed" in request.GET,
        "left": "left" in request.GET,
        "crumbs": [(_("Plans"), reverse("plans")), (_("Payment"), "")],
        "stripe_js": settings.STRIPE_JS_URL,
        "publishable_key": settings.STRIPE_PUBLISHABLE_KEY,
    }
    return render(request, "pages/pay.html", context)


def _own(account: Account, change_id: UUID) -> PlanChange:
    change = plan_change_attempts(account.pk).filter(pk=change_id).first()
    if change is None:
        raise Http404
    return change


def _page(account: Account, change: PlanChange, action: PaymentAction) -> PayPage:
    methods, default = payment_methods_list(account=account)
    known = next((one for one in methods if one.id == (action.payment_method_id or default)), None)
    return PayPage(
        plan=name_of(change.to_price),
        amount=action.amount.as_json() if action.amount else None,
        card=card_text(known) if known else "",
        payment_method=known.id if known else "",
        client_secret=action.client_secret or "",
        hosted_url=action.hosted_url or "",
        return_url=settings.BASE_URL + reverse("plan_result", kwargs={"change_id": change.pk}),
        expires_at=action.expires_at,
        on_stripe=bool(change.checkout_session_id),
    )


@require_POST
@signed_in
@ratelimited("global", "user", "plan_change")
def plan_pay_drop(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """Not now: nobody can pay for it any more."""
    change = _own(account_of(request), change_id)
    if change.awaits_payer:
        try:
            change = change_replace(change)
        except PlanChangeNotAllowed as error:
            messages.warning(request, str(error.message))
            return redirect("plan_result", change_id=change.pk)
    if change.status != ChangeStatus.FAILED:
        return redirect("plan_result", change_id=change.pk)
    messages.success(request, _("Nothing was changed and nothing charged."))
    return redirect("plans")


@require_POST
@signed_in
@ratelimited("global", "user", "plan_change")
def plan_checkout(request: HttpRequest, plan: str, interval: str) -> HttpResponse:
    """To Stripe's own page, which takes the card; a plain POST, so it works without JavaScript."""
    shown = request.POST.get("shown", "")
    here = reverse("plan_preview", kwargs={"plan": plan, "interval": interval})
    try:
        visit = checkout_begin(
            account=account_of(request),
            user=user_of(request),
            plan=plan,
            interval=interval,
            promotion_code=request.POST.get("promotion_code") or None,
            shown_minor=int(shown) if is_amount(shown) else None,
            addresses=_addresses(),
            locale=(get_language() or "en")[:2],
            idempotency_key=f"page-{key_of(request)}",
            request_id=current_request_id(),
            now=clock.now(),
        )
    except NOT_POSSIBLE as error:
        messages.warning(request, str(error.message))
        return redirect("plans")
    except (QuoteStale, ValidationError):
        messages.warning(
            request, _("The price has changed meanwhile. Nothing was charged; here is the new one.")
        )
        return redirect(here)
    return redirect(visit.url) if visit.url else redirect("plan_result", change_id=visit.change.pk)


def _addresses() -> Addresses:
    """Stripe writes its own names in braces: only ours is filled in here."""
    nobody: Any = UUID(int=0)
    paid = reverse("plan_result", kwargs={"change_id": nobody}).replace(str(nobody), "{change}")
    left = reverse("plan_pay", kwargs={"change_id": nobody}).replace(str(nobody), "{change}")
    return Addresses(
        paid=f"{settings.BASE_URL}{paid}?redirect_status=succeeded", left=f"{settings.BASE_URL}{left}?left=1"
    )
