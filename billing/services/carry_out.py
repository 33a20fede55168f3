"""The calls at Stripe that a plan change consists of. No transaction is open while they run.

Each step's idempotency key is made from the change's id, so a step sent twice is done once. Raises the errors of
the gateway; what then is known of the outcome, the caller decides (changes.py).
"""

from datetime import datetime
from typing import Any

from billing.enums import ChangeKind, CollectionStatus, SubscriptionStatus
from billing.errors import PaymentActionRequired, PaymentFailed, QuoteStale
from billing.gateways.client import MISSING_METHOD
from billing.gateways.stripe import gateway
from billing.gateways.values import SubscriptionState, Terms
from billing.models import PlanChange, Subscription
from billing.services.collecting import overage_collect_before_end
from billing.services.customers import customer_ensure
from billing.services.invoice_previews import invoice_now
from billing.services.terms import terms_of_change
from billing.services.transitions import stripe_price_of
from common.clock import database_now


def step_key(change: PlanChange, step: str) -> str:
    return f"plan_change:{change.pk}:{step}"


def carry_out(change: PlanChange) -> tuple[SubscriptionState, datetime]:
    """Does at Stripe what the change asks. The subscription afterwards, and when it was certainly so."""
    if change.kind == ChangeKind.CANCEL:
        state = _cancel_now(change)
    elif change.kind == ChangeKind.MOVE and change.effective_at is not None:
        state = _set_price(change)
    elif change.kind in (ChangeKind.DOWNGRADE, ChangeKind.MOVE):
        state = _schedule(change)
    elif change.subscription is None or change.subscription.stripe_subscription_id is None:
        state = _start(change)
    else:
        state = _upgrade(change, change.subscription)
    return state, database_now()


def _start(change: PlanChange) -> SubscriptionState:
    """Paid with the card on file when the bank lets us; else the subscription waits for its payer."""
    assert change.to_price is not None, "a start has a target"
    terms = terms_of_change(change)
    what: dict[str, Any] = {
        "price_id": stripe_price_of(change.to_price),
        "change_id": str(change.pk),
        "terms": terms,
    }
    check_shown(change, terms)
    what["customer_id"] = customer_ensure(account=change.account)
    has_card = gateway.customer_get(what["customer_id"]).default_payment_method_id is not None
    if has_card or not _needs_card(change):
        try:
            return gateway.subscription_create(key=step_key(change, "create"), **what)
        except PaymentActionRequired:
            return gateway.subscription_create_unpaid(key=step_key(change, "create_unpaid"), **what)
    if change.collects and change.trial_days is None:
        return gateway.subscription_create_unpaid(key=step_key(change, "create_unpaid"), **what)
    raise PaymentFailed(details={"decline_code": MISSING_METHOD})


def _needs_card(change: PlanChange) -> bool:
    """Some trials begin without one."""
    assert change.to_price is not None, "a start has a target"
    return change.trial_days is None or change.to_price.version.plan.trial_needs_card


def _upgrade(change: PlanChange, subscription: Subscription) -> SubscriptionState:
    assert change.to_price is not None, "an upgrade has a target"
    terms = terms_of_change(change)
    subscription_id = str(subscription.stripe_subscription_id)
    what: dict[str, Any] = {
        "subscription_id": subscription_id,
        "item_id": str(subscription.stripe_item_id),
        "price_id": stripe_price_of(change.to_price),
        "proration_at": change.proration_at,
        "terms": terms,
    }
    check_shown(change, terms)
    if _trial_goes_on(subscription, terms) and change.to_price.version.plan.trial_needs_card:
        _check_card(subscription_id)
    if subscription.stripe_schedule_id:  # left over from a switch that is done
        gateway.schedule_release(subscription.stripe_schedule_id)
    try:
        return gateway.subscription_upgrade(change_id=str(change.pk), key=step_key(change, "upgrade"), **what)
    except PaymentActionRequired:
        gateway.subscription_mark(
            subscription_id=subscription_id, change_id=str(change.pk), key=step_key(change, "mark")
        )
        return gateway.subscription_upgrade_unpaid(key=step_key(change, "upgrade_unpaid"), **what)


def _trial_goes_on(subscription: Subscription, terms: Terms) -> bool:
    return subscription.status == SubscriptionStatus.TRIALING and not terms.ends_trial


def _check_card(subscription_id: str) -> None:
    """PaymentFailed where there is no card that could be charged when the trial ends."""
    state = gateway.subscription_get(subscription_id)
    if state.default_payment_method_id is None:
        customer = gateway.customer_get(state.customer_id)
        if customer.default_payment_method_id is None:
            raise PaymentFailed(details={"decline_code": MISSING_METHOD})


def _set_price(change: PlanChange) -> SubscriptionState:
    assert change.to_price is not None, "a move has a target"
    assert change.subscription is not None, "a move has a subscription"
    if change.subscription.stripe_schedule_id:  # left over from a switch that is done
        gateway.schedule_release(change.subscription.stripe_schedule_id)
    return gateway.subscription_price_set(
        subscription_id=str(change.subscription.stripe_subscription_id),
        item_id=str(change.subscription.stripe_item_id),
        price_id=stripe_price_of(change.to_price),
        change_id=str(change.pk),
        key=step_key(change, "price"),
    )


def check_shown(change: PlanChange, terms: Terms) -> None:
    """Asks once more what it costs: credit, a coupon or a price may have changed what was shown."""
    if change.due_minor is None or change.to_price is None:
        return
    invoice = invoice_now(
        account=change.account,
        subscription=change.subscription,
        target=change.to_price,
        proration_at=change.proration_at,
        terms=terms,
    )
    if invoice.amount_due_minor != change.due_minor:
        raise QuoteStale(details={"reason": "amount_changed"})


def _schedule(change: PlanChange) -> SubscriptionState:
    """The target's price from the period's end on; for a free target, or none, the end of the subscription."""
    assert change.subscription is not None, "a downgrade has a subscription"
    subscription_id = str(change.subscription.stripe_subscription_id)
    if change.to_price is None or change.to_price.amount_minor == 0:
        if change.subscription.stripe_schedule_id:
            gateway.schedule_release(change.subscription.stripe_schedule_id)
        return gateway.cancel_at_period_end_set(
            subscription_id=subscription_id,
            cancel=True,
            change_id=str(change.pk),
            key=step_key(change, "cancel_at_period_end"),
        )
    _attach_schedule(change, subscription_id)
    return gateway.subscription_get(subscription_id)


def _attach_schedule(change: PlanChange, subscription_id: str) -> None:
    assert change.to_price is not None, "a switch has a target"
    target_id = stripe_price_of(change.to_price)
    state = gateway.subscription_get(subscription_id)
    if state.schedule_id is not None:
        gateway.schedule_release(state.schedule_id)
    schedule = gateway.schedule_attach(subscription_id=subscription_id, key=step_key(change, "schedule"))
    gateway.schedule_switch_set(
        schedule_id=schedule.id,
        current=schedule.phases[0],
        target_price_id=target_id,
        target_interval=change.to_price.interval,
        discount_ids=state.discount_ids,
        change_id=str(change.pk),
        key=step_key(change, "phases"),
    )


def _cancel_now(change: PlanChange) -> SubscriptionState:
    assert change.subscription is not None, "a cancellation has a subscription"
    if change.subscription.stripe_schedule_id:
        gateway.schedule_release(change.subscription.stripe_schedule_id)
    _collect_used(change, change.subscription)
    return gateway.subscription_cancel_now(
        subscription_id=str(change.subscription.stripe_subscription_id), key=step_key(change, "cancel")
    )


def _collect_used(change: PlanChange, subscription: Subscription) -> None:
    """Use past the plan stays due at any end; here the invoice that would have asked for it never comes."""
    collection = overage_collect_before_end(subscription)
    if collection is None or collection.status != CollectionStatus.PAID:
        return
    invoice = gateway.invoice_get(collection.stripe_invoice_id)
    if invoice is not None:
        PlanChange.objects.filter(pk=change.pk).update(
            stripe_invoice_id=invoice.id, charged_minor=invoice.amount_due_minor
        )


def take_back(change: PlanChange) -> tuple[SubscriptionState, datetime]:
    """Takes a scheduled change away at Stripe; taken away before: nothing. The subscription afterwards."""
    assert change.subscription is not None, "a scheduled change has a subscription"
    subscription_id = str(change.subscription.stripe_subscription_id)
    state = gateway.subscription_get(subscription_id)
    if state.schedule_id is not None:
        gateway.schedule_release(state.schedule_id)
        state = gateway.subscription_get(subscription_id)
    elif state.cancel_at is not None and state.ended_at is None:
        state = gateway.cancel_at_period_end_set(
            subscription_id=subscription_id,
            cancel=False,
            change_id=str(change.pk),
            key=step_key(change, "undo"),
        )
    return state, database_now()
