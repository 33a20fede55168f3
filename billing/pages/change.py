"""Changing plan: the exact price first, then one button that does what it says, then what happened."""

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
    AlreadySubscribed,
    DuplicatePlanChange,
    InvalidTargetPlan,
    NoLiveSubscription,
    NothingToUndo,
    PaymentActionRequired,
    PaymentFailed,
    PaymentProviderUnavailable,
    PlanChangeNotAllowed,
    QuoteStale,
)
from billing.models import PlanChange
from billing.pages.access import signed_in
from billing.pages.changes import charged_of, failure_text
from billing.pages.forms import key_of, new_key
from billing.pages.plan_now import name_of, plan_now_of
from billing.pages.previews import PreviewPage, preview_page, prices_by_stripe_id, start_page
from billing.pages.problems import problem_of
from billing.rules.changes import MONTHS
from billing.selectors import live_subscription, plan_change_attempts, price_on_offer
from billing.services import (
    payment_methods_list,
    plan_change_preview,
    plan_change_request,
    plan_change_undo,
    subscription_start,
)
from billing.services.preview import target_price
from billing.services.starts import audience_check
from common import clock
from common.errors import ValidationError
from common.formats import date_text, money_text
from common.periods import add_months
from common.ratelimit import ratelimited
from common.request_id import current_request_id

NOT_POSSIBLE = (AlreadySubscribed, DuplicatePlanChange, PlanChangeNotAllowed, InvalidTargetPlan)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@ratelimited("global", "user", "plan_change")
def plan_preview(request: HttpRequest, plan: str, interval: str) -> HttpResponse:
    """GET shows what the change would be; POST does it, and only what was shown."""
    account = account_of(request)
    try:
        if request.method == "POST":
            return _confirm(request, account, plan, interval)
        return _show(request, account, plan, interval)
    except NOT_POSSIBLE as error:
        messages.warning(request, str(error.message))
        return redirect("plans")


def _show(
    request: HttpRequest, account: Account, plan: str, interval: str, *, status: int = 200, **extra: Any
) -> HttpResponse:
    chosen = extra.pop("chosen", None)
    page = _page(request, account, plan, interval, chosen)
    context = {
        "preview": page,
        "form_key": new_key(),
        "crumbs": [(_("Plans"), reverse("plans")), (page.to_name, "")],
        **extra,
    }
    return render(request, "pages/plan_preview.html", context, status=status)


def _page(
    request: HttpRequest, account: Account, plan: str, interval: str, chosen: list[str] | None
) -> PreviewPage:
    now = clock.now()
    subscription = live_subscription(account.pk)
    target = target_price(plan=plan, interval=interval, account=account, subscription=subscription)
    if subscription is None:
        audience_check(account, target)
        card = _card(account) if target.amount_minor else None
        next_at = add_months(now, MONTHS[target.interval])
        return start_page(target, card=card, now=now, next_at=next_at)
    preview = plan_change_preview(
        account=account, user=_user(request), target_plan=plan, interval=interval, now=now
    )
    card = _card(account) if target.amount_minor else None
    prices = prices_by_stripe_id(preview.lines)
    return preview_page(preview, current=subscription.price, card=card, prices=prices, chosen=chosen)


def _user(request: HttpRequest) -> User:
    """Somebody is signed in: the views say so."""
    return cast("User", request.user)


def _card(account: Account) -> Any:
    """The card that would be charged; None when there is none."""
    methods, default = payment_methods_list(account=account)
    return next((method for method in methods if method.id == default), None)


def _confirm(request: HttpRequest, account: Account, plan: str, interval: str) -> HttpResponse:
    try:
        change_id = _carry_out(request, account, plan, interval)
    except QuoteStale:
        stale = {"was": _shown_before(request, plan, interval)}
        return _show(request, account, plan, interval, status=QuoteStale.status, stale=stale)
    except (PaymentFailed, PaymentActionRequired) as error:
        return _show(request, account, plan, interval, status=error.status, problem=problem_of(error))
    except ValidationError as error:
        return _show(
            request,
            account,
            plan,
            interval,
            status=error.status,
            keep_error=error.details["fields"][0]["message"],
            chosen=request.POST.getlist("keep"),
        )
    except PaymentProviderUnavailable as error:
        if error.details.get("status") != ChangeStatus.PENDING:
            raise
        change_id = UUID(error.details["plan_change"])  # nobody knows yet: the page says so, and will know
    return redirect("plan_result", change_id=change_id)


def _carry_out(request: HttpRequest, account: Account, plan: str, interval: str) -> UUID:
    common: dict[str, Any] = {
        "account": account,
        "user": _user(request),
        "interval": interval,
        "idempotency_key": f"page-{key_of(request)}",
        "request_id": current_request_id(),
        "now": clock.now(),
    }
    if live_subscription(account.pk) is None:
        return subscription_start(plan=plan, payment_method=None, **common).change.id
    quote = request.POST.get("quote") or None
    keep = request.POST.getlist("keep")
    return plan_change_request(target_plan=plan, quote=quote, keep=keep, **common).change.id


def _shown_before(request: HttpRequest, plan: str, interval: str) -> dict[str, Any] | None:
    """The amount the person had seen, as their form says it; only words, nothing is decided by it."""
    shown = request.POST.get("shown", "")
    if not shown.isdecimal():
        return None
    price = price_on_offer(plan, interval)
    return {"amount_minor": int(shown), "currency": price.currency} if price else None


@require_safe
@signed_in
def plan_result(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """What became of one change, and when the next charge is."""
    account = account_of(request)
    change = plan_change_attempts(account.pk).filter(pk=change_id).first()
    if change is None:
        raise Http404
    plan_now = plan_now_of(account)
    context = {
        "result": _result(change, plan_now),
        "pending": plan_now.pending if plan_now and change.status == ChangeStatus.SCHEDULED else None,
        "form_key": new_key(),
        "crumbs": [(_("Plans"), reverse("plans")), (_("Result"), "")],
    }
    return render(request, "pages/plan_result.html", context)


def _result(change: PlanChange, plan_now: Any) -> dict[str, Any]:
    title, text, tone = _told(change)
    return {
        "title": title,
        "text": text,
        "tone": tone,
        "status_text": ChangeStatus(change.status).label,
        "charged": charged_of(change),
        "next_charge": plan_now.next_charge if plan_now else None,
        "effective_at": change.effective_at,
        "reference": change.request_id or str(change.pk),
    }


def _told(change: PlanChange) -> tuple[str, str, str]:
    """Title, sentence and tone of one outcome."""
    to_name, from_name = name_of(change.to_price), name_of(change.from_price)
    words = {
        "plan": to_name,
        "old": from_name,
        "date": date_text(change.effective_at) if change.effective_at else "",
    }
    if change.status == ChangeStatus.APPLIED:
        return _("You are on %(plan)s now") % words, _paid_text(change), "ok"
    if change.status == ChangeStatus.SCHEDULED:
        text = _("You keep %(old)s until %(date)s, then %(plan)s begins. Nothing was charged.")
        return _("%(plan)s from %(date)s") % words, text % words, "accent"
    if change.status == ChangeStatus.PENDING:
        text = _(
            "The payment service has not answered yet. You need not do anything, and you are charged once at most."
        )
        return _("Your change to %(plan)s is being confirmed") % words, text, "near"
    if change.status == ChangeStatus.UNDONE:
        return (
            _("You stay on %(old)s") % words,
            _("The scheduled change was undone. Nothing was charged."),
            "accent",
        )
    reason = failure_text(change.error_code)
    return _("Your plan was not changed") % words, f"{reason[:1].upper()}{reason[1:]}.", "bad"


def _paid_text(change: PlanChange) -> str:
    charged = charged_of(change)
    if not charged["amount_minor"]:
        return _("Nothing was charged. The new limits hold from your next call.")
    amount = money_text(charged["amount_minor"], charged["currency"])
    return _("%(amount)s was charged, once. The new limits hold from your next call.") % {"amount": amount}


@require_POST
@signed_in
@ratelimited("global", "user", "plan_change")
def plan_undo(request: HttpRequest) -> HttpResponse:
    """Take the scheduled change back."""
    account = account_of(request)
    try:
        plan_change_undo(
            account=account,
            user=_user(request),
            request_id=current_request_id(),
            now=clock.now(),
        )
    except (NothingToUndo, NoLiveSubscription, PlanChangeNotAllowed) as error:
        messages.warning(request, str(error.message))
        return redirect("account_overview")
    messages.success(request, _undone_text(account))
    return redirect("account_overview")


def _undone_text(account: Account) -> str:
    plan_now = plan_now_of(account)
    if plan_now is None or plan_now.next_charge is None:
        return _("Undone: nothing will change, and nothing was charged.")
    charge = plan_now.next_charge
    return _("Undone: you stay on %(plan)s. The next charge is %(amount)s on %(date)s.") % {
        "plan": plan_now.name,
        "amount": money_text(charge.amount["amount_minor"], charge.amount["currency"]),
        "date": date_text(charge.at),
    }
