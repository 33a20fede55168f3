"""Where an account stands: its plan, what it costs next, and what is scheduled."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Account
from billing.enums import Access, ChangeStatus, SubscriptionStatus
from billing.models import PlanChange, Price, Subscription
from billing.selectors import change_in_flight, live_subscription
from billing.selectors.overdue import access_at
from billing.selectors.subscriptions import price_after
from common import clock

TONES = {
    SubscriptionStatus.ACTIVE: "ok",
    SubscriptionStatus.TRIALING: "ok",
    SubscriptionStatus.PAST_DUE: "bad",
    SubscriptionStatus.UNPAID: "bad",
}
OVERDUE = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID)
Amount = dict[str, Any]


@dataclass(frozen=True)
class Charge:
    amount: Amount
    at: datetime


@dataclass(frozen=True)
class Pending:
    """What is scheduled. `can_undo`: it is a plan change of ours, not an end set elsewhere."""

    from_name: str
    to_name: str
    at: datetime
    can_undo: bool


@dataclass(frozen=True)
class PlanNow:
    """One live subscription in words."""

    code: str
    name: str
    interval: str
    price: Amount
    is_free: bool
    status_text: str
    tone: str
    is_overdue: bool
    is_degraded: bool
    period_start: datetime
    period_end: datetime | None
    trial_end: datetime | None
    next_charge: Charge | None
    pending: Pending | None
    in_progress: str
    """The name of the plan a change to which is still being carried out; empty when none is."""


def plan_now_of(account: Account) -> PlanNow | None:
    """None without a live subscription."""
    subscription = live_subscription(account.pk)
    if subscription is None:
        return None
    change = change_in_flight(account.pk)
    scheduled = change if change and change.status == ChangeStatus.SCHEDULED else None
    following = price_after(subscription, scheduled)
    carried_out = change if change and change.status == ChangeStatus.PENDING else None
    return PlanNow(
        code=subscription.plan.code,
        name=subscription.plan.name,
        interval=subscription.price.interval,
        price=amount_of(subscription.price),
        is_free=subscription.price.amount_minor == 0,
        status_text=str(SubscriptionStatus(subscription.status).label),
        tone=TONES.get(SubscriptionStatus(subscription.status), "near"),
        is_overdue=subscription.status in OVERDUE,
        is_degraded=access_at(subscription, now=clock.now()) == Access.DEGRADED,
        period_start=subscription.current_period_start,
        period_end=subscription.current_period_end,
        trial_end=subscription.trial_end,
        next_charge=_next_charge(subscription, scheduled, following),
        pending=_pending(subscription, scheduled, following),
        in_progress=name_of(carried_out.to_price) if carried_out else "",
    )


def amount_of(price: Price) -> Amount:
    return {"amount_minor": price.amount_minor, "currency": price.currency}


def name_of(price: Price | None) -> str:
    return price.version.plan.name if price else _("no plan")


def _next_charge(
    subscription: Subscription, scheduled: PlanChange | None, following: Price | None
) -> Charge | None:
    """What the next period costs: the following plan's price where one is scheduled."""
    ends = scheduled is not None or subscription.cancel_at is not None
    price = following if ends else subscription.price
    at = subscription.current_period_end
    if price is None or price.amount_minor == 0 or at is None:
        return None
    return Charge(amount_of(price), at)


def _pending(
    subscription: Subscription, scheduled: PlanChange | None, following: Price | None
) -> Pending | None:
    at = (scheduled.effective_at if scheduled else None) or subscription.cancel_at
    if at is None:
        return None
    return Pending(subscription.plan.name, name_of(following), at, can_undo=scheduled is not None)
