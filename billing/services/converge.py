"""Making our state what Stripe's is. Webhooks only say that something changed; what counts is what Stripe shows when
asked. So order, repetition and delay of events make no difference.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

import structlog
from django.db import IntegrityError, transaction

from billing import metrics
from billing.enums import ENDED, ChangeKind, ChangeStatus, EndCause
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceState, SubscriptionState
from billing.locks import (
    lock_account,
    lock_live_subscription,
    lock_plan_change,
    lock_subscription_by_stripe_id,
)
from billing.models import PaymentAttempt, PlanChange, Subscription
from billing.rules.overdue import OWING
from billing.selectors import change_in_flight, live_subscription, scheduled_change
from billing.services.awaiting import NOT_CONFIRMED, change_lapse, state_await_payer
from billing.services.entitlements import subscription_entitle
from billing.services.outcomes import (
    after_the_end,
    change_log,
    change_record,
    change_settle,
    schedule_release_promise,
    subscription_mirror,
)
from billing.services.overdue import overdue_tell
from billing.services.readings import Shown, shown_by
from billing.services.recorded import attempts_refresh
from billing.services.told import subscription_end_told
from common.clock import database_now

log = structlog.get_logger(__name__)

MAX_READS = 5


class Converged(Enum):
    """`STALE`: a newer reading was recorded meanwhile; read again."""

    DONE = "done"
    STALE = "stale"
    FOREIGN = "foreign"


def subscription_catch_up(*, account_id: int, now: datetime) -> None:
    """Asks Stripe when our row's period is over: its next one has begun, and nobody has told us yet."""
    subscription = live_subscription(account_id)
    if subscription is None or subscription.stripe_subscription_id is None:
        return
    if subscription.current_period_end is not None and subscription.current_period_end <= now:
        subscription_refresh(stripe_subscription_id=subscription.stripe_subscription_id)


def subscription_refresh(*, stripe_subscription_id: str) -> Converged:
    """Asks Stripe for the subscription and makes ours the same. Call it outside of transactions."""
    for _attempt in range(MAX_READS):
        read_at = database_now()  # before the question: what is answered is at least as new
        state = gateway.subscription_get(stripe_subscription_id)
        unpaid = (
            gateway.invoices_open(subscription_id=stripe_subscription_id) if state.status in OWING else ()
        )
        _attempts_known(unpaid)
        outcome = subscription_converge(stripe_subscription=state, read_at=read_at, unpaid=unpaid)
        if outcome is not Converged.STALE:
            return outcome
    log.warning("subscription_always_newer", stripe_subscription=stripe_subscription_id)
    return Converged.STALE


def _attempts_known(unpaid: Sequence[InvoiceState]) -> None:
    """What came of trying to collect is read before anybody is told of it: a refusal and a bank that asks are two things."""
    ids = {one.id for one in unpaid}
    known = PaymentAttempt.objects.filter(stripe_invoice_id__in=ids).values_list(
        "stripe_invoice_id", flat=True
    )
    for invoice_id in sorted(ids - set(known)):
        attempts_refresh(invoice_id=invoice_id)


def subscription_converge(
    *,
    stripe_subscription: SubscriptionState,
    read_at: datetime,
    unpaid: Sequence[InvoiceState] | None = None,
) -> Converged:
    """Records what Stripe showed at `read_at` or later. An older reading than the one recorded changes nothing.

    `unpaid`: its open invoices, where they were asked for.
    """
    account_id = (
        Subscription.objects.filter(stripe_subscription_id=stripe_subscription.id)
        .values_list("account_id", flat=True)
        .first()
    )
    change = _change_of(stripe_subscription)
    if account_id is None and change is None:
        return Converged.FOREIGN
    if change is not None:
        _follow(change, stripe_subscription, read_at)
    if account_id is None:
        return Converged.DONE
    return _converge(account_id, stripe_subscription, read_at, unpaid)


def _change_of(state: SubscriptionState) -> PlanChange | None:
    """The plan change that last touched it and that we have not recorded as done."""
    if state.change_id is None:
        return None
    return (
        PlanChange.objects.select_related("to_price", "account", "subscription")
        .filter(
            pk=state.change_id,
            account__stripe_customer_id=state.customer_id,
            status__in=[ChangeStatus.PENDING, ChangeStatus.FAILED],
        )
        .first()
    )


def _follow(change: PlanChange, state: SubscriptionState, read_at: datetime) -> None:
    """What the subscription says of the change that last touched it."""
    if _has_happened(change, state):
        _adopt(change, state, read_at)
    elif change.status == ChangeStatus.PENDING and change.kind in (ChangeKind.START, ChangeKind.UPGRADE):
        shown = shown_by(change, state)
        if shown is Shown.WAITS:
            state_await_payer(change=change, state=state, read_at=read_at)
        elif shown is Shown.OVER and (change.awaiting_since is None or change.awaiting_since <= read_at):
            change_lapse(change, NOT_CONFIRMED)


def _has_happened(change: PlanChange, state: SubscriptionState) -> bool:
    """Whether Stripe's subscription shows the change's effect."""
    if change.kind in (ChangeKind.START, ChangeKind.UPGRADE):
        paid = state.status in ("active", "trialing", "past_due", "unpaid", "canceled", "paused")
        return paid and change.to_price is not None and change.to_price.stripe_price_id == state.price_id
    if change.kind == ChangeKind.CANCEL:
        return state.status in ENDED
    if change.to_price is None or change.to_price.amount_minor == 0:
        return state.cancel_at is not None or state.status in ENDED
    return change.to_price.stripe_price_id == state.price_id


def _adopt(change: PlanChange, state: SubscriptionState, read_at: datetime) -> None:
    """The change happened at Stripe, whatever we thought of it: finish it."""
    if change.status == ChangeStatus.FAILED:
        metrics.coherence_errors_total.labels("failed_change_happened").inc()
        log.error("failed_change_happened", **change_log(change))
    try:
        change_settle(change_id=change.pk, state=state, read_at=read_at)
    except IntegrityError:
        # The same key or quote was used again after we took this one for failed. The plan follows Stripe all the
        # same (see _converge); the history keeps both rows as they are.
        log.exception("failed_change_cannot_be_reopened", **change_log(change))


def _end_cause(state: SubscriptionState) -> EndCause:
    """Why it ended, when nobody asked here that it should."""
    if state.ended_with_trial:
        return EndCause.TRIAL
    return EndCause.UNPAID if state.ended_unpaid else EndCause.ELSEWHERE


@transaction.atomic
def _converge(
    account_id: int,
    state: SubscriptionState,
    read_at: datetime,
    unpaid: Sequence[InvoiceState] | None,
) -> Converged:
    lock_account(account_id)
    lock_live_subscription(account_id)
    subscription = lock_subscription_by_stripe_id(state.id)
    if subscription is None or subscription.ended_at is not None:
        return Converged.DONE
    if subscription.stripe_read_at is not None and subscription.stripe_read_at > read_at:
        return Converged.STALE
    moment = database_now()
    changed = subscription_mirror(subscription, state, read_at, unpaid)
    moved = _settle_scheduled(subscription, state, moment)
    if subscription.ended_at is not None:
        opened = after_the_end(subscription, moment)
        if not moved and not _is_being_cancelled(account_id):  # else that change tells of it
            subscription.end_cause = cause = _end_cause(state)
            subscription.save(update_fields=["end_cause"])
            subscription_end_told(subscription, cause, opened, now=moment)
    elif changed or moved:
        subscription_entitle(
            account_id=account_id,
            subscription=subscription,
            scheduled=scheduled_change(account_id),
            now=moment,
        )
    overdue_tell(subscription, moment)
    if changed:
        log.info(
            "subscription_converged",
            subscription=str(subscription.pk),
            account=account_id,
            status=subscription.status,
            price=subscription.price.lookup_key,
        )
    return Converged.DONE


def _is_being_cancelled(account_id: int) -> bool:
    """By us, in a request that has not come to write it down yet."""
    return PlanChange.objects.filter(
        account_id=account_id, kind=ChangeKind.CANCEL, status=ChangeStatus.PENDING
    ).exists()


def _settle_scheduled(subscription: Subscription, state: SubscriptionState, moment: datetime) -> bool:
    """A scheduled change whose moment has come is applied; one that was taken away at Stripe, or that the subscription's
    end was before, is undone. Whether that says what has become of the subscription.
    """
    found = change_in_flight(subscription.account_id)
    if found is None or found.status != ChangeStatus.SCHEDULED or found.subscription_id != subscription.pk:
        return False
    change = lock_plan_change(found.pk)
    has_ended = state.status in ENDED
    if _switched(change, state):
        change.status = ChangeStatus.APPLIED
    elif has_ended or (state.schedule_id is None and state.cancel_at is None):
        change.status = ChangeStatus.UNDONE
    else:
        return False
    change.settled_at = moment
    change.save()
    never_came = has_ended and change.status == ChangeStatus.UNDONE
    change_record(change, moment, is_told=not never_came)
    if state.schedule_id is not None:
        schedule_release_promise(subscription, state.schedule_id, moment)
    return not never_came


def _switched(change: PlanChange, state: SubscriptionState) -> bool:
    """With a trial that ends without a card what was to follow it is at Stripe for no time at all: it did not come."""
    if change.to_price is None or (state.status in ENDED and change.to_price.amount_minor == 0):
        return state.status in ENDED
    ended_before = state.ended_at is not None and state.ended_at <= (change.effective_at or state.ended_at)
    return change.to_price.stripe_price_id == state.price_id and not ended_before
