"""Changing plan: the exact price first, then one button that does what it says, then what happened."""

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import structlog
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
from billing.pages.plan_now import charge_text, full_name, plan_now_of
from billing.pages.previews import PreviewPage, preview_page, prices_by_stripe_id
from billing.pages.problems import problem_of
from billing.selectors import live_subscription, plan_change_attempts, plan_change_get, price_on_offer
from billing.services import (
    change_follow,
    payment_methods_list,
    plan_change_preview,
    plan_change_request,
    plan_change_undo,
    start_preview,
    subscription_start,
)
from billing.services.starts import audience_check
from billing.services.transitions import target_price
from common import clock
from common.errors import ValidationError
from common.formats import date_text, money_text
from common.ratelimit import ratelimited
from common.request_id import current_request_id

logger = structlog.get_logger(__name__)
LONGEST_AMOUNT = 12
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
    page, code = _page(request, account, plan, interval, chosen)
    context = {
        "preview": page,
        "code": code,
        "form_key": new_key(),
        "crumbs": [(_("Plans"), reverse("plans")), (page.to_name, "")],
        **extra,
    }
    return render(request, "pages/plan_preview.html", context, status=status)


def _page(
    request: HttpRequest, account: Account, plan: str, interval: str, chosen: list[str] | None
) -> tuple[PreviewPage, dict[str, str]]:
    """The preview, and what to say at the field for a code: one that is not valid leaves the price as it was."""
    typed = (request.POST.get("promotion_code") or request.GET.get("code") or "").strip()
    try:
        page = _preview(request, account, plan, interval, code=typed, chosen=chosen)
    except ValidationError as error:
        (wrong,) = error.details["fields"]
        if wrong["field"] != "promotion_code":
            raise
        said = {"typed": typed, "error": str(wrong["message"])}
        return _preview(request, account, plan, interval, code="", chosen=chosen), said
    return page, {"typed": typed, "error": ""}


def _preview(
    request: HttpRequest, account: Account, plan: str, interval: str, *, code: str, chosen: list[str] | None
) -> PreviewPage:
    now = clock.now()
    subscription = live_subscription(account.pk)
    target = target_price(plan=plan, interval=interval, account=account, subscription=subscription)
    if subscription is None:
        audience_check(account, target)
        card = _card(account) if target.amount_minor else None
        preview = start_preview(account=account, target=target, promotion_code=code, now=now)
    else:
        preview = plan_change_preview(
            account=account,
            user=user_of(request),
            target_plan=plan,
            interval=interval,
            promotion_code=code,
            now=now,
        )
        card = _card(account) if target.amount_minor else None
    prices = prices_by_stripe_id(preview.lines)
    current = subscription.price if subscription else None
    return preview_page(preview, current=current, card=card, prices=prices, chosen=chosen)


def user_of(request: HttpRequest) -> User:
    """Somebody is signed in: the views say so."""
    return cast("User", request.user)


def _card(account: Account) -> Any:
    """The card that would be charged; None when there is none."""
    methods, default = payment_methods_list(account=account)
    return next((method for method in methods if method.id == default), None)


def _confirm(request: HttpRequest, account: Account, plan: str, interval: str) -> HttpResponse:
    if not _was_shown(request, account):
        return _show(request, account, plan, interval, status=ValidationError.status)
    try:
        change_id = _carry_out(request, account, plan, interval)
    except QuoteStale:
        stale = {"was": _shown_before(request, plan, interval)}
        return _show(request, account, plan, interval, status=QuoteStale.status, stale=stale)
    except (PaymentFailed, PaymentActionRequired) as error:
        if isinstance(error, PaymentActionRequired) and "plan_change" in error.details:
            return redirect("plan_pay", change_id=UUID(str(error.details["plan_change"])))
        return _show(request, account, plan, interval, status=error.status, problem=problem_of(error))
    except ValidationError as error:
        wrong = error.details["fields"][0]
        said = {"keep_error": wrong["message"]} if wrong["field"] != "promotion_code" else {}
        chosen = request.POST.getlist("keep")
        return _show(request, account, plan, interval, status=error.status, chosen=chosen, **said)
    except PaymentProviderUnavailable as error:
        if error.details.get("status") != ChangeStatus.PENDING:
            raise
        change_id = UUID(error.details["plan_change"])  # nobody knows yet: the page says so, and will know
    return redirect("plan_result", change_id=change_id)


def _was_shown(request: HttpRequest, account: Account) -> bool:
    """Whether the form carries the price that its page showed: signed for a change, an amount for a start."""
    if live_subscription(account.pk) is None:
        return is_amount(request.POST.get("shown", ""))
    return bool(request.POST.get("quote"))


def _carry_out(request: HttpRequest, account: Account, plan: str, interval: str) -> UUID:
    common: dict[str, Any] = {
        "account": account,
        "user": user_of(request),
        "interval": interval,
        "idempotency_key": f"page-{key_of(request)}",
        "request_id": current_request_id(),
        "now": clock.now(),
        "collects": True,
    }
    if live_subscription(account.pk) is None:
        common["promotion_code"] = request.POST.get("promotion_code") or None
        return subscription_start(plan=plan, shown_minor=int(request.POST["shown"]), **common).change.id
    keep = request.POST.getlist("keep")
    return plan_change_request(target_plan=plan, quote=request.POST["quote"], keep=keep, **common).change.id


def is_amount(text: str) -> bool:
    """Whether a form's field is an amount in minor units, as our page wrote it."""
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_AMOUNT


def _shown_before(request: HttpRequest, plan: str, interval: str) -> dict[str, Any] | None:
    """The amount the person had seen, as their form says it; only words, nothing is decided by it."""
    shown = request.POST.get("shown", "")
    if not is_amount(shown):
        return None
    price = price_on_offer(plan, interval)
    return {"amount_minor": int(shown), "currency": price.currency} if price else None


@require_safe
@signed_in
@ratelimited("global", "user")
def plan_result(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """What became of one change, and when the next charge is."""
    account = account_of(request)
    change = plan_change_attempts(account.pk).filter(pk=change_id).first()
    if change is None:
        raise Http404
    change = looked_after(change)
    if change.awaits_payer and request.GET.get("redirect_status") == "failed":
        return redirect(reverse("plan_pay", kwargs={"change_id": change.pk}) + "?failed=1")
    plan_now = plan_now_of(account, with_charge=True)
    context = {
        "result": _result(change, plan_now),
        "confirming": change.status == ChangeStatus.PENDING,
        "waits": change.awaits_payer and "redirect_status" not in request.GET,
        "change_id": change.pk,
        "pending": plan_now.pending if plan_now and change.status == ChangeStatus.SCHEDULED else None,
        "form_key": new_key(),
        "crumbs": [(_("Plans"), reverse("plans")), (_("Result"), "")],
    }
    return render(request, "pages/plan_result.html", context)


def looked_after(change: PlanChange) -> PlanChange:
    """An open change as Stripe shows it now: whoever looks at it need not wait for an event to tell us."""
    if change.status != ChangeStatus.PENDING:
        return change
    try:
        change_follow(change)
    except PaymentProviderUnavailable:
        logger.warning("plan_change_not_looked_after", plan_change=str(change.pk))
    return plan_change_get(change.pk)


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
    to_name = full_name(change.to_price, change.from_price)
    from_name = full_name(change.from_price, change.to_price)
    words = {
        "plan": to_name,
        "old": from_name,
        "date": date_text(change.effective_at) if change.effective_at else "",
    }
    if change.status == ChangeStatus.APPLIED:
        if change.to_price is not None:
            done = _("You are on %(plan)s now") % words, _paid_text(change), "ok"
        else:
            done = _("%(old)s has ended") % words, _ended_text(change), "accent"
        return done
    if change.status == ChangeStatus.SCHEDULED:
        text = _("You keep %(old)s until %(date)s, then %(plan)s begins. Nothing was charged.")
        return _("%(plan)s from %(date)s") % words, text % words, "accent"
    if change.awaits_payer:
        text = _(
            "As soon as the payment is through, %(plan)s begins. Until then nothing is changed, and you are charged once at most."
        )
        return _("Your change to %(plan)s is being confirmed") % words, text % words, "near"
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
    reason = failure_text(change.error_code, change.error_details)
    return _("Your plan was not changed") % words, f"{reason[:1].upper()}{reason[1:]}.", "bad"


def _paid_text(change: PlanChange) -> str:
    charged = charged_of(change)
    if change.trial_days and change.effective_at:
        ends = date_text(change.effective_at + timedelta(days=change.trial_days))
        return _("Your trial runs until %(date)s. The new limits hold from your next call.") % {"date": ends}
    if not charged["amount_minor"]:
        return _("Nothing was charged. The new limits hold from your next call.")
    amount = money_text(charged["amount_minor"], charged["currency"])
    return _("%(amount)s was charged, once. The new limits hold from your next call.") % {"amount": amount}


def _ended_text(change: PlanChange) -> str:
    charged = charged_of(change)
    if not charged["amount_minor"]:
        return _("Nothing was charged. What you stored is kept.")
    amount = money_text(charged["amount_minor"], charged["currency"])
    return _("%(amount)s was charged, once, for what was used past the plan. What you stored is kept.") % {
        "amount": amount
    }


@require_POST
@signed_in
@ratelimited("global", "user", "plan_change")
def plan_undo(request: HttpRequest) -> HttpResponse:
    """Take the scheduled change back."""
    account = account_of(request)
    try:
        plan_change_undo(
            account=account,
            user=user_of(request),
            request_id=current_request_id(),
            now=clock.now(),
        )
    except (NothingToUndo, NoLiveSubscription, PlanChangeNotAllowed) as error:
        messages.warning(request, str(error.message))
        return redirect("account_overview")
    messages.success(request, _undone_text(account))
    return redirect("account_overview")


def _undone_text(account: Account) -> str:
    plan_now = plan_now_of(account, with_charge=True)
    told = charge_text(plan_now.next_charge) if plan_now else ""
    if plan_now is None or not told:
        return _("Undone: nothing will change, and nothing was charged.")
    return _("Undone: you stay on %(plan)s.") % {"plan": plan_now.name} + " " + told
