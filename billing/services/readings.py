"""What Stripe shows of a change that is open: done, waiting for its payer, over, or nothing of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from billing.enums import ENDED, ChangeKind, SubscriptionStatus
from billing.gateways.stripe import gateway
from billing.gateways.values import SubscriptionState
from billing.models import PlanChange
from common.clock import database_now

FIRST_PAYMENT_WITHIN = timedelta(hours=23)
"""How long Stripe waits for the first payment of a subscription, and for that of a pending update."""


class Shown(Enum):
    """`OVER`: the payer did not pay in time, or cannot pay any more. `NOTHING`: Stripe knows nothing of it (yet)."""

    DONE = "done"
    WAITS = "waits"
    OVER = "over"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Reading:
    """`read_at`: an instant before the question. `until`: how long the payer has; with WAITS only."""

    shown: Shown
    read_at: datetime
    state: SubscriptionState | None = None
    until: datetime | None = None


def makes_subscription(change: PlanChange) -> bool:
    """Whether the change is a new subscription at Stripe, not a change of one."""
    starts = change.kind in (ChangeKind.START, ChangeKind.UPGRADE)
    return starts and (change.subscription is None or change.subscription.stripe_subscription_id is None)


def change_read(change: PlanChange) -> Reading:
    """Asks Stripe what has become of the change. Raises PaymentProviderUnavailable."""
    read_at = database_now()
    if makes_subscription(change):
        return _read_start(change, read_at)
    assert change.subscription is not None, "what is no start has a subscription"
    state = gateway.subscription_get(str(change.subscription.stripe_subscription_id))
    return Reading(shown_by(change, state), read_at, state, waits_until(state))


def _read_start(change: PlanChange, read_at: datetime) -> Reading:
    if change.checkout_session_id and not change.stripe_subscription_id:
        session = gateway.checkout_get(change.checkout_session_id)
        if session.subscription_id is None:
            shown = Shown.WAITS if session.status == "open" else Shown.OVER
            return Reading(shown, read_at, until=session.expires_at)
        state: SubscriptionState | None = gateway.subscription_get(session.subscription_id)
    elif change.stripe_subscription_id:
        state = gateway.subscription_get(change.stripe_subscription_id)
    elif change.account.stripe_customer_id is not None:
        state = gateway.subscription_find(
            customer_id=change.account.stripe_customer_id, change_id=str(change.pk)
        )
    else:
        state = None
    if state is None:
        return Reading(Shown.NOTHING, read_at)
    return Reading(shown_by(change, state), read_at, state, waits_until(state))


def waits_until(state: SubscriptionState) -> datetime:
    return state.pending_expires_at or state.created_at + FIRST_PAYMENT_WITHIN


def shown_by(change: PlanChange, state: SubscriptionState) -> Shown:
    """What this subscription says of the change."""
    if makes_subscription(change):
        return _start_shown_by(state)
    if change.kind == ChangeKind.UPGRADE:
        return _upgrade_shown_by(change, state)
    return Shown.DONE if _carries(change, state) else Shown.NOTHING


def _start_shown_by(state: SubscriptionState) -> Shown:
    if state.status == SubscriptionStatus.INCOMPLETE_EXPIRED:
        return Shown.OVER
    if state.status != SubscriptionStatus.INCOMPLETE:
        return Shown.DONE
    is_open = state.latest_invoice is None or state.latest_invoice.status == "open"
    return Shown.WAITS if is_open else Shown.OVER


def _upgrade_shown_by(change: PlanChange, state: SubscriptionState) -> Shown:
    target = change.to_price.stripe_price_id if change.to_price else None
    if state.change_id == str(change.pk) and state.price_id == target:
        return Shown.DONE
    if state.pending_price_id is not None and state.pending_price_id == target:
        return Shown.WAITS
    return Shown.OVER if change.awaiting_since is not None else Shown.NOTHING


def _carries(change: PlanChange, state: SubscriptionState) -> bool:
    """Whether Stripe's subscription carries this very end or downgrade."""
    if change.kind == ChangeKind.CANCEL:
        return state.ended_at is not None
    if change.kind == ChangeKind.MOVE and change.effective_at is not None:
        return state.change_id == str(change.pk)
    if change.to_price is None or change.to_price.amount_minor == 0:
        is_ending = state.cancel_at is not None or state.status in ENDED
        return state.change_id == str(change.pk) and is_ending
    if state.schedule_id is None:
        return state.change_id == str(change.pk)
    return gateway.schedule_get(state.schedule_id).change_id == str(change.pk)
