"""An account's first plan, or its next one after the last has ended."""

from datetime import datetime
from functools import partial

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Account, User
from billing.enums import ChangeKind, ChangeStatus
from billing.errors import PlanChangeNotAllowed
from billing.locks import lock_account, lock_live_subscription
from billing.models import PlanChange, Price, Subscription
from billing.selectors import audience_of, live_subscription, plan_change_get
from billing.services.attempts import Asked, PlanChangeResult, change_by_key, change_open, observed
from billing.services.awaiting import WaitsInTheWay, way_made
from billing.services.changes import plan_change_await, plan_change_run
from billing.services.customers import payment_method_add, payment_method_make_default
from billing.services.outcomes import change_record, free_subscription_open
from billing.services.terms import promotion_check, promotion_refuse, trial_offered
from billing.services.transitions import change_under_way, interval_or_default, subscribed, target_price
from common.errors import IdempotencyKeyReused


def account_welcome(*, account: Account, now: datetime) -> Subscription | None:
    """A new account begins on its audience's free plan; where there is none, without a subscription."""
    return free_subscription_open(account_id=account.pk, audience=audience_of(account), moment=now)


def subscription_start(
    *,
    account: Account,
    user: User | None,
    plan: str,
    interval: str | None,
    payment_method: str | None = None,
    promotion_code: str | None = None,
    shown_minor: int | None = None,
    collects: bool = False,
    idempotency_key: str | None = None,
    request_id: str = "",
    now: datetime,
) -> PlanChangeResult:
    """Subscribes an account that has no subscription. A paid plan is paid at once, or waits for its payer.

    Raises AlreadySubscribed, InvalidTargetPlan, PlanChangeNotAllowed (another audience's plan), QuoteStale (it costs
    another sum than `shown_minor`), PaymentActionRequired and the other errors of payment. `payment_method`: a card
    collected in the browser, which becomes the one that is charged. `collects`: without one, the payer is there to
    give it while confirming.
    """
    asked = Asked(
        account,
        user,
        plan,
        interval,
        None,
        idempotency_key,
        request_id,
        now,
        "start",
        collects=collects,
        shown_minor=shown_minor,
    )
    with observed(asked):
        target = target_price(
            plan=plan,
            interval=interval_or_default(plan, interval, None),
            account=account,
            subscription=live_subscription(account.pk),
        )
        audience_check(account, target)
        promotion = promotion_check(code=promotion_code, currency=target.currency)
        if target.amount_minor == 0:
            promotion_refuse(promotion)
        asked = asked.having(promotion)
        if payment_method:
            _take_card(account, payment_method)
        change, is_new = way_made(partial(_open_start, asked, target, with_new_card=bool(payment_method)))
        if is_new and change.status == ChangeStatus.PENDING:
            change = plan_change_run(change)
        elif change.status == ChangeStatus.PENDING:
            change = plan_change_await(change.pk)
        return PlanChangeResult(plan_change_get(change.pk), live_subscription(account.pk))


def audience_check(account: Account, target: Price) -> None:
    """PlanChangeNotAllowed for a plan of another kind of account."""
    if target.version.plan.audience != audience_of(account):
        raise PlanChangeNotAllowed(
            _("%(plan)s is for another kind of account.") % {"plan": target.version.plan.name},
            details={"reason": "audience"},
        )


def _take_card(account: Account, payment_method: str) -> None:
    if (subscription := live_subscription(account.pk)) is not None:
        raise subscribed(subscription)
    method = payment_method_add(account=account, payment_method_id=payment_method)
    payment_method_make_default(account=account, payment_method_id=method.id)


@transaction.atomic
def _open_start(asked: Asked, target: Price, *, with_new_card: bool) -> tuple[PlanChange, bool]:
    lock_account(asked.account.pk)
    if (same := change_by_key(asked)) is not None:
        return _still(same, target), False
    if (subscription := lock_live_subscription(asked.account.pk)) is not None:
        raise subscribed(subscription)
    pending = PlanChange.objects.filter(account=asked.account, status=ChangeStatus.PENDING).first()
    if pending is not None:
        if pending.awaits_payer and (with_new_card or not _goes_on(pending, asked, target)):
            raise WaitsInTheWay(pending)
        if pending.to_price_id == target.pk:
            return pending, False
        raise change_under_way(pending)
    trial_days = trial_offered(account=asked.account, subscription=None, target=target)
    change = change_open(
        asked=asked, subscription=None, target=target, kind=ChangeKind.START, trial_days=trial_days
    )
    if target.amount_minor == 0:
        _start_free(change, target, asked.arrived_at)
    return change, True


def _still(same: PlanChange, target: Price) -> PlanChange:
    """The first outcome of a request that is sent again; IdempotencyKeyReused once that holds no longer."""
    live = lock_live_subscription(same.account_id)
    holds = same.status == ChangeStatus.PENDING or (live is not None and live.price_id == target.pk)
    if same.to_price_id != target.pk or not holds:
        raise IdempotencyKeyReused
    return same


def _goes_on(pending: PlanChange, asked: Asked, target: Price) -> bool:
    """Whether the request is for the payment that waits already."""
    code = asked.promotion.id if asked.promotion else ""
    return pending.to_price_id == target.pk and code in ("", pending.stripe_promotion_id)


def _start_free(change: PlanChange, target: Price, now: datetime) -> None:
    """Nothing to pay, nothing to ask of Stripe: done in the same transaction."""
    free_subscription_open(account_id=change.account_id, audience=target.version.plan.audience, moment=now)
    change.status = ChangeStatus.APPLIED
    change.effective_at = change.settled_at = now
    change.charged_minor = 0
    change.save()
    change_record(change, now)
