"""Changing plan: the intent is committed, Stripe is called, the outcome is recorded. Any number of equal requests
make one transition, one charge and get one answer.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import Account, User
from billing.enums import ChangeKind, ChangeStatus, Interval
from billing.errors import (
    DuplicatePlanChange,
    InvalidTargetPlan,
    NoLiveSubscription,
    PaymentActionRequired,
    PaymentFailed,
    PaymentProviderUnavailable,
    PlanChangeNotAllowed,
    QuoteStale,
)
from billing.gateways.effects import effects_watched
from billing.locks import lock_account, lock_live_subscription
from billing.models import PlanChange, Price, Subscription
from billing.selectors import (
    change_in_flight,
    live_subscription,
    plan_change_get,
    terms_of,
)
from billing.services.attempts import (
    Asked,
    PlanChangeResult,
    change_open,
    observed,
    unknown_outcome,
    worded,
)
from billing.services.awaiting import WaitsInTheWay, action_required, state_await_payer, way_made
from billing.services.carry_out import carry_out
from billing.services.converge import subscription_catch_up
from billing.services.outcomes import change_fail, change_log, change_not_made, change_settle
from billing.services.plan_credits import plan_credits_promptly
from billing.services.preview import Preview, plan_change_preview
from billing.services.quotes import Quote, quote_read
from billing.services.readings import Shown, shown_by
from billing.services.refused import refusal_keep
from billing.services.terms import code_answered, promotion_check, promotion_refuse, trial_offered
from billing.services.transitions import interval_or_default, price_name, target_price, transition_check
from billing.stored import stored_things
from common.errors import DomainError, IdempotencyKeyReused, ValidationError
from quotas.remedies import PLANS_URL

log = structlog.get_logger(__name__)

JOIN_WAIT_S = 20.0
POLL_S = (0.02, 0.25)  # first and longest pause between looks
# Refusals that are attempts all the same: they are kept in the history.
KEPT_REFUSALS = (DuplicatePlanChange, InvalidTargetPlan, NoLiveSubscription, PlanChangeNotAllowed, QuoteStale)
# An attempt that came to nothing for a reason that does not last: the same request, sent again, begins anew.
BEGUN_ANEW = (PaymentProviderUnavailable.code, PaymentActionRequired.code)
RECORDED = {
    error.code: error
    for error in (PaymentFailed, PaymentActionRequired, PaymentProviderUnavailable, QuoteStale)
}


def plan_change_request(
    *,
    account: Account,
    user: User | None,
    target_plan: str,
    interval: str | None,
    quote: str | None,
    idempotency_key: str | None,
    request_id: str,
    now: datetime,
    keep: Sequence[str] = (),
    promotion_code: str | None = None,
    collects: bool = False,
) -> PlanChangeResult:
    """Moves the account to another plan: an upgrade now and paid for, a downgrade scheduled for the period's end.

    Raises the errors of billing.errors, after which the old plan is as it was; PaymentActionRequired when the payer
    has to confirm first, PaymentProviderUnavailable with `details.status` "pending" when Stripe's answer is missing
    and is being found out. `collects`: the payer is there to give a card when none is on file.
    """
    asked = Asked(
        account,
        user,
        target_plan,
        interval,
        quote,
        idempotency_key,
        request_id,
        now,
        keep=tuple(keep),
        collects=collects,
    )
    with observed(asked):
        quoted = quote_read(quote, account_id=account.pk) if quote else None
        asked = _meant(asked, quoted)
        subscription_catch_up(account_id=account.pk, now=now)
        try:
            asked = _with_promotion(asked, promotion_code)
            change, is_new = way_made(partial(_open, asked, quoted))
        except KEPT_REFUSALS as error:
            refusal_keep(asked, error)
            raise _with_fresh_preview(asked, error) from error
        return plan_change_finish(asked, change, is_new=is_new)


def _with_promotion(asked: Asked, promotion_code: str | None) -> Asked:
    """The code that was typed, looked up at Stripe; a quote brings its own along."""
    if not promotion_code:
        return asked
    target = _target(asked, live_subscription(asked.account.pk))
    return asked.having(promotion_check(code=promotion_code, currency=target.currency))


def plan_change_finish(asked: Asked, change: PlanChange, *, is_new: bool) -> PlanChangeResult:
    try:
        done = plan_change_run(change) if is_new else plan_change_await(change.pk)
    except QuoteStale as error:
        raise _with_fresh_preview(asked, error) from error
    return PlanChangeResult(plan_change_get(done.pk), live_subscription(asked.account.pk))


# Opening ------------------------------------------------------------------------------------------------------------


def _meant(asked: Asked, quote: Quote | None) -> Asked:
    """Where no interval is given, the one that a quote of the same plan was made for is meant."""
    if quote is None or asked.interval:
        return asked
    target = quote.target()
    same_plan = target.version.plan.code == asked.target_plan
    return replace(asked, interval=target.interval) if same_plan else asked


@transaction.atomic
def _open(asked: Asked, quote: Quote | None) -> tuple[PlanChange, bool]:
    """The intent, and whether it is new; otherwise it is the one that an equal request has made."""
    lock_account(asked.account.pk)
    subscription = lock_live_subscription(asked.account.pk)
    if subscription is None:
        raise NoLiveSubscription
    target = _target(asked, subscription)
    if (same := _same_request(asked, quote, target, subscription)) is not None:
        return same, False
    if quote is not None:
        _check_is_for(quote, target)
    in_flight = change_in_flight(asked.account.pk)
    waiting = in_flight if in_flight is not None and in_flight.awaits_payer else None
    transition = transition_check(
        subscription=subscription,
        target=target,
        in_flight=None if waiting else in_flight,
        now=asked.arrived_at,
    )
    if transition.kind != ChangeKind.UPGRADE:
        promotion_refuse(asked.promotion)
    _check_not_overtaken(asked)
    keep_check(asked, target)
    trial_days = _trial_days(asked, subscription, target, transition.kind)
    if quote is not None:
        _check_holds(quote, asked, subscription, target, trial_days)
    if waiting is not None:
        raise WaitsInTheWay(waiting)
    change = change_open(
        asked=asked,
        subscription=subscription,
        target=target,
        kind=transition.kind,
        quote=quote,
        trial_days=trial_days,
    )
    return change, True


def _trial_days(asked: Asked, subscription: Subscription, target: Price, kind: ChangeKind) -> int | None:
    if kind != ChangeKind.UPGRADE:
        return None
    return trial_offered(account=asked.account, subscription=subscription, target=target)


def _check_holds(
    quote: Quote, asked: Asked, subscription: Subscription, target: Price, trial_days: int | None
) -> None:
    reason = quote.staleness(subscription, target, asked.arrived_at)
    other_code = asked.promotion is not None and asked.promotion.id != quote.promotion_id
    if reason is None and (other_code or quote.trial_days != trial_days):
        reason = "changed"
    if reason is not None:
        raise QuoteStale(details={"reason": reason})


def _check_is_for(quote: Quote, target: Price) -> None:
    quoted = quote.target()
    if price_name(quoted) == price_name(target):
        return
    message = _(
        "This quote is for %(quoted)s, not for %(asked)s. Nothing was changed; confirm a quote of what you want."
    )
    raise QuoteStale(
        message % {"quoted": _in_words(quoted), "asked": _in_words(target)},
        details={"reason": "for_another_change", "quoted": price_name(quoted), "asked": price_name(target)},
    )


def _in_words(price: Price) -> str:
    return f"{price.version.plan.name} ({Interval(price.interval).label})"


def _target(asked: Asked, subscription: Subscription | None) -> Price:
    assert asked.target_plan is not None, "a change of plan names a plan"
    interval = interval_or_default(asked.target_plan, asked.interval, subscription)
    return target_price(
        plan=asked.target_plan, interval=interval, account=asked.account, subscription=subscription
    )


def _same_request(
    asked: Asked, quote: Quote | None, target: Price, subscription: Subscription
) -> PlanChange | None:
    """The change that an equal request has opened before: by key, by quote, or because it was still running.

    QuoteStale when what came of that one holds no longer: telling its success again would not be true.
    """
    tried = PlanChange.objects.filter(account=asked.account, last_tried_at__isnull=False).order_by(
        "-requested_at"
    )
    settled = tried.exclude(status=ChangeStatus.FAILED, error_code__in=BEGUN_ANEW)
    if asked.scoped_key is not None:
        keyed = settled.filter(idempotency_key=asked.scoped_key).first()
        if keyed is not None and keyed.to_price_id != target.pk:
            raise IdempotencyKeyReused
        if keyed is not None:
            return keyed
    same = None
    if quote is not None and quote.to_price_id == target.pk:
        same = settled.filter(quote_id=quote.id).first()
    if same is None:
        running = Q(status=ChangeStatus.PENDING) | Q(settled_at__gt=asked.arrived_at)
        same = tried.filter(running, to_price=target).exclude(error_code__in=BEGUN_ANEW).first()
        if same is not None and same.awaits_payer and not _goes_on(same, asked, quote):
            return None
    if same is not None and not _stands(same, subscription):
        raise QuoteStale(details={"reason": "used", "plan_change": str(same.pk)})
    return same


def _goes_on(change: PlanChange, asked: Asked, quote: Quote | None) -> bool:
    """Whether the request is for the payment that waits already, not for another sum or with another code."""
    if asked.promotion is not None and asked.promotion.id != change.stripe_promotion_id:
        return False
    return quote is None or quote.id == change.quote_id


def _stands(change: PlanChange, subscription: Subscription) -> bool:
    """Whether what came of a change is still so. A failure stays one; what runs or is scheduled is under way."""
    if change.status == ChangeStatus.UNDONE:
        return False
    if change.status != ChangeStatus.APPLIED:
        return True
    later = PlanChange.objects.filter(account=change.account_id, settled_at__gt=change.settled_at)
    return subscription.price_id == change.to_price_id and (
        not later.exclude(status=ChangeStatus.FAILED).exists()
    )


def _check_not_overtaken(asked: Asked) -> None:
    """Of two different requests at once one wins: whoever asked before the other was done saw another plan."""
    overtaking = PlanChange.objects.filter(
        account=asked.account,
        status__in=[ChangeStatus.APPLIED, ChangeStatus.SCHEDULED],
        settled_at__gt=asked.arrived_at,
    ).first()
    if overtaking is not None:
        raise PlanChangeNotAllowed(
            _("The plan was changed by another request at the same moment. Look at it, then choose again."),
            details={"reason": "changed_meanwhile", "plan_change": str(overtaking.pk)},
        )


def keep_check(asked: Asked, target: Price) -> None:
    """What is to be kept has to be there, and not be more than the new plan allows."""
    wanted = set(asked.keep)
    for limit in terms_of(target.version).limits if wanted else ():
        stored = {thing["id"] for thing in stored_things(asked.account.pk, limit.metric)}
        kept = wanted & stored
        if limit.limit_units is not None and len(kept) > limit.limit_units:
            raise ValidationError.of("keep", "too_many", _("The new plan does not allow that many."))
        wanted -= kept
    if wanted:
        raise ValidationError.of("keep", "unknown", _("Some of these do not exist."))


# Carrying out -------------------------------------------------------------------------------------------------------


def plan_change_run(change: PlanChange) -> PlanChange:
    """Calls Stripe for an open intent and records what came of it."""
    change = PlanChange.objects.select_related(
        "account",
        "subscription__price__version__plan",
        "subscription__plan_version__plan",
        "to_price__version__plan",
    ).get(pk=change.pk)
    try:
        with effects_watched() as effects, code_answered(change.stripe_promotion_id):
            state, read_at = carry_out(change)
    except PaymentProviderUnavailable as error:
        if error.outcome_known or not effects.possible:
            raise change_not_made(change, error) from error
        log.error("plan_change_outcome_unknown", **change_log(change))
        raise unknown_outcome(change) from error
    except DomainError as error:
        change_fail(change_id=change.pk, error=error)
        raise worded(error) from error
    if shown_by(change, state) is Shown.WAITS:
        raise action_required(state_await_payer(change=change, state=state, read_at=read_at))
    settled = change_settle(change_id=change.pk, state=state, read_at=read_at)
    plan_credits_promptly(account_id=settled.account_id)
    return settled


def plan_change_await(change_id: UUID) -> PlanChange:
    """Waits for the request that carries the change out, and gives its outcome or raises its error again."""
    deadline = time.monotonic() + JOIN_WAIT_S
    pause = POLL_S[0]
    while (change := PlanChange.objects.get(pk=change_id)).status == ChangeStatus.PENDING:
        if change.awaits_payer:
            raise action_required(change)
        if time.monotonic() > deadline:
            raise unknown_outcome(change)
        time.sleep(pause)
        pause = min(pause * 2, POLL_S[1])
    if change.status == ChangeStatus.FAILED:
        error = RECORDED.get(change.error_code, PaymentProviderUnavailable)
        raise worded(error(details=change.error_details))
    return change


# Refusing -----------------------------------------------------------------------------------------------------------


def _with_fresh_preview(asked: Asked, error: DomainError) -> DomainError:
    """A stale quote is answered with a new one; when that cannot be made, with why."""
    if not isinstance(error, QuoteStale):
        return error
    try:
        preview: Preview = plan_change_preview(
            account=asked.account,
            user=asked.user,
            target_plan=asked.target_plan or "",
            interval=asked.interval,
            promotion_code=asked.promotion.code if asked.promotion else None,
            now=asked.arrived_at,
        )
    except DuplicatePlanChange:
        if error.details.get("reason") != "for_another_change":
            raise
        return error  # what was asked for is there already; what the quote was for is the matter
    target = preview.target
    confirm = {
        "action": "confirm",
        "url": f"{PLANS_URL}{target.version.plan.code}/{target.interval}/",
        "plan": target.version.plan.code,
    }
    return QuoteStale(
        error.message,
        details={
            **error.details,
            "remedies": [confirm],
            "preview": preview.as_json(),
            "quote": preview.quote,
        },
    )
