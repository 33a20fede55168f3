"""Ending a subscription: cancelling, taking that back, and withdrawing from the contract."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import Account, User
from accounts.selectors import account_of
from billing.enums import ChangeStatus
from billing.errors import (
    DuplicatePlanChange,
    NoLiveSubscription,
    NothingToUndo,
    PaymentProviderUnavailable,
    PlanChangeNotAllowed,
    WithdrawalNotAllowed,
)
from billing.models import Subscription, Withdrawal
from billing.pages.access import signed_in
from billing.pages.forms import key_of, new_key
from billing.pages.plan_now import Amount, charge_of, charge_text, name_of, plan_now_of
from billing.pages.previews import LimitChange, TooMuch, features_between, limit_changes, too_much
from billing.pages.words import metric_names
from billing.rules.changes import quota_changes
from billing.selectors import change_in_flight, free_price, live_subscription, terms_of
from billing.selectors.credits import overage_waiting_minor
from billing.services import (
    subscription_cancel,
    subscription_resume,
    withdrawal_make,
    withdrawal_offer,
    withdrawal_until,
)
from billing.services.exceeding import stored_exceeding
from billing.services.receipts import receipt_context
from common import clock
from common.errors import ValidationError
from common.formats import date_text
from common.ratelimit import ratelimited
from common.request_id import current_request_id
from quotas.selectors import quota_status

REASON_MAX = 500


@dataclass(frozen=True)
class Loss:
    """What an end means; the fields that the table of limits reads. `to_name` is empty where no plan follows."""

    plan: str
    to_name: str
    quota_changes: list[LimitChange]
    features_lost: list[str]
    exceeding: list[TooMuch]
    features_won: list[str] = field(default_factory=list)
    is_now: bool = False
    is_start: bool = False
    credits_granted: int = 0


def _asked(request: HttpRequest, account: Account) -> dict[str, Any]:
    return {
        "account": account,
        "user": cast("User", request.user),
        "request_id": current_request_id(),
        "now": clock.now(),
    }


def loss_of(account: Account, subscription: Subscription, chosen: list[str] | None = None) -> Loss:
    """From the present plan to what the account has without it."""
    free = free_price(subscription.plan.audience)
    changes = quota_changes(terms_of(subscription.plan_version), terms_of(free.version) if free else None)
    names = metric_names()
    used = {(one.metric, one.window): one.used for one in quota_status(account_id=account.pk)}
    return Loss(
        plan=subscription.plan.name,
        to_name=name_of(free) if free else "",
        quota_changes=limit_changes(changes, used, names),
        features_lost=features_between(subscription.price, free)[1],
        exceeding=[too_much(one, names, chosen) for one in stored_exceeding(account.pk, changes)],
    )


# Cancelling ---------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@ratelimited("global", "user", "plan_change")
def cancel(request: HttpRequest) -> HttpResponse:
    """GET says what is lost and when; POST cancels."""
    account = account_of(request)
    subscription = live_subscription(account.pk)
    if subscription is None or subscription.stripe_subscription_id is None:
        messages.info(request, _("There is no paid subscription to cancel."))
        return redirect("account_billing")
    if request.method == "POST":
        return _cancel(request, account, subscription)
    if waits := _in_the_way(account, subscription):
        messages.info(request, waits)
        return redirect("account_billing")
    return _show_cancel(request, account, subscription)


def _in_the_way(account: Account, subscription: Subscription) -> str:
    """Why it cannot be cancelled at this moment; empty when it can."""
    if subscription.cancel_at is not None:
        return _("The end of the subscription is scheduled already. Nothing more is needed.")
    change = change_in_flight(account.pk)
    if change is None or change.awaits_payer:
        return ""
    if change.status == ChangeStatus.SCHEDULED:
        return _("Another change is scheduled. Take it back first.")
    return _("A change is being carried out. Wait until it is done.")


def _show_cancel(
    request: HttpRequest,
    account: Account,
    subscription: Subscription,
    *,
    status: int = 200,
    chosen: list[str] | None = None,
    **extra: Any,
) -> HttpResponse:
    plan_now = plan_now_of(account)
    context = {
        "loss": loss_of(account, subscription, chosen),
        "plan_now": plan_now,
        "used": _used(subscription),
        "at": request.POST.get("at", "period_end"),
        "reason": request.POST.get("reason", ""),
        "reason_max": REASON_MAX,
        "form_key": new_key(),
        "crumbs": [(_("Billing"), reverse("account_billing")), (_("Cancel the subscription"), "")],
        **extra,
    }
    return render(request, "pages/cancel.html", context, status=status)


def _used(subscription: Subscription) -> Amount | None:
    """Use past the plan that no invoice has asked for yet, which stays due; None where the plan sells none."""
    if subscription.plan_version.overage_minor_per_credit is None:
        return None
    waiting = overage_waiting_minor(subscription, subscription.current_period_start)
    return {"amount_minor": waiting, "currency": subscription.price.currency}


def _cancel(request: HttpRequest, account: Account, subscription: Subscription) -> HttpResponse:
    at = request.POST.get("at", "period_end")
    keep, reason = request.POST.getlist("keep"), request.POST.get("reason", "").replace("\x00", "")
    try:
        if at not in ("period_end", "now"):
            raise ValidationError.of("at", "invalid_choice", _("Choose when it ends."))
        result = subscription_cancel(
            at=at,
            keep=keep,
            reason=reason[:REASON_MAX],
            idempotency_key=f"page-{key_of(request)}",
            **_asked(request, account),
        )
    except ValidationError as error:
        message = error.details["fields"][0]["message"]
        return _show_cancel(
            request, account, subscription, status=error.status, chosen=keep, keep_error=message
        )
    except (PlanChangeNotAllowed, DuplicatePlanChange, NoLiveSubscription) as error:
        messages.warning(request, str(error.message))
        return redirect("account_billing")
    except PaymentProviderUnavailable as error:
        if error.details.get("status") != ChangeStatus.PENDING:
            raise
        return redirect("plan_result", change_id=UUID(error.details["plan_change"]))
    return redirect("plan_result", change_id=result.change.id)


@require_POST
@signed_in
@ratelimited("global", "user", "plan_change")
def resume(request: HttpRequest) -> HttpResponse:
    """Take the end back, with one press."""
    account = account_of(request)
    try:
        subscription = subscription_resume(**_asked(request, account))
    except (NothingToUndo, NoLiveSubscription, PlanChangeNotAllowed) as error:
        messages.warning(request, str(error.message))
        return redirect("account_billing")
    messages.success(request, _resumed_text(subscription))
    return redirect("account_billing")


def _resumed_text(subscription: Subscription) -> str:
    end, told = subscription.current_period_end, charge_text(charge_of(subscription))
    words = {"plan": subscription.plan.name, "date": date_text(end) if end else ""}
    if not told:
        return _("Your subscription goes on: %(plan)s is renewed on %(date)s. Nothing was charged.") % words
    return _("Your subscription goes on: you keep %(plan)s. Nothing was charged now.") % words + " " + told


# Withdrawing --------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@ratelimited("global", "user", "plan_change")
def withdraw(request: HttpRequest) -> HttpResponse:
    """GET says what is given back; POST withdraws."""
    account = account_of(request)
    try:
        if request.method == "POST":
            withdrawal = withdrawal_make(**_asked(request, account))
            return redirect("withdrawal", withdrawal_id=withdrawal.pk)
        offer = withdrawal_offer(account=account, now=clock.now())
    except WithdrawalNotAllowed as error:
        messages.warning(request, str(error.message))
        return redirect("account_billing")
    except PaymentProviderUnavailable as error:
        return _not_heard(request, account, error)
    amounts = {
        "offer": offer,
        "paid": {"amount_minor": offer.paid_minor, "currency": offer.currency},
        "refund": {"amount_minor": offer.refund_minor, "currency": offer.currency},
    }
    return _show_withdraw(request, account, offer.subscription, offer.deadline, amounts)


def _not_heard(request: HttpRequest, account: Account, error: PaymentProviderUnavailable) -> HttpResponse:
    """The page without the sums, and with the button: nobody misses the last day because Stripe is away."""
    subscription = live_subscription(account.pk)
    until = withdrawal_until(subscription, account=account, now=clock.now())
    if subscription is None or until is None:
        raise error
    unheard = {"unheard": error.message if request.method == "POST" else ""}
    return _show_withdraw(request, account, subscription, until, unheard, status=error.status)


def _show_withdraw(
    request: HttpRequest,
    account: Account,
    subscription: Subscription,
    until: datetime,
    more: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    context = {
        "contract": subscription,
        "deadline": until,
        "loss": loss_of(account, subscription),
        "form_key": new_key(),
        "crumbs": [(_("Billing"), reverse("account_billing")), (_("Withdrawal"), "")],
        **more,
    }
    return render(request, "pages/withdraw.html", context, status=status)


@require_safe
@signed_in
def withdrawal(request: HttpRequest, withdrawal_id: UUID) -> HttpResponse:
    """The receipt, to read again and to print."""
    found = (
        Withdrawal.objects.select_related(
            "account", "subscription__price", "subscription__plan_version__plan"
        )
        .filter(account=account_of(request), pk=withdrawal_id)
        .first()
    )
    if found is None:
        raise Http404
    context = {
        "receipt": receipt_context(found),
        "crumbs": [(_("Billing"), reverse("account_billing")), (_("Withdrawal"), "")],
    }
    return render(request, "pages/withdrawal.html", context)
