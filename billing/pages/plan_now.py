"""Where an account stands: its plan, what it costs next, and what is scheduled."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import Account
from billing.enums import Access, ChangeKind, ChangeStatus, SubscriptionStatus
from billing.models import PlanChange, Price, Subscription
from billing.pages.words import interval_word
from billing.selectors import awaiting_change, change_in_flight, live_subscription
from billing.selectors.overdue import access_at
from billing.selectors.subscriptions import price_after
from billing.services import NextCharge, next_charge, withdrawal_until
from common import clock
from common.formats import date_text, money_text

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
    """`amount` None: not known at the moment."""

    amount: Amount | None
    at: datetime

    @classmethod
    def of(cls, found: NextCharge | None) -> "Charge | None":
        if found is None:
            return None
        return cls(found.amount.as_json() if found.amount else None, found.at)


@dataclass(frozen=True)
class Pending:
    """What is scheduled. `can_undo`: it is a plan change of ours, not an end set elsewhere. `is_end`: the paid
    subscription ends then, which one press takes back. `same_plan`: another interval or other terms, no smaller plan.
    """

    from_name: str
    to_name: str
    at: datetime
    can_undo: bool
    is_end: bool = False
    same_plan: bool = False


@dataclass(frozen=True)
class PlanNow:
    """One live subscription in words. `next_charge` only where it was asked for."""

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
    """The name of the plan a change to which is still being carried out; empty when none is, or its payer is waited for."""
    is_trial: bool = False
    """A trial that nobody has cancelled."""
    trial_just_ends: bool = False
    """It ends with its trial, for want of a card; only where the next charge was asked for."""
    can_cancel: bool = False
    withdraw_until: datetime | None = None

    def charged(self, charge: Charge | None) -> "PlanNow":
        """With the next charge, now that it is known."""
        return replace(self, next_charge=charge, trial_just_ends=self.is_trial and charge is None)


@dataclass(frozen=True)
class Waiting:
    """A change that goes on once it is paid: to which plan, and until when it can be."""

    change_id: UUID
    name: str
    until: datetime | None


def waiting_of(account: Account) -> Waiting | None:
    """None when nothing waits for the payer."""
    change = awaiting_change(account.pk)
    return Waiting(change.pk, name_of(change.to_price), change.awaiting_until) if change else None


def plan_now_of(account: Account, *, with_charge: bool = False) -> PlanNow | None:
    """None without a live subscription. `with_charge`: Stripe may be asked for the next charge."""
    subscription = live_subscription(account.pk)
    if subscription is None:
        return None
    change = change_in_flight(account.pk)
    scheduled = change if change and change.status == ChangeStatus.SCHEDULED else None
    following = price_after(subscription, scheduled)
    is_carried_out = change is not None and change.status == ChangeStatus.PENDING and not change.awaits_payer
    carried_out = change if is_carried_out else None
    plan_now = PlanNow(
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
        trial_end=subscription.trial_end if subscription.status == SubscriptionStatus.TRIALING else None,
        next_charge=None,
        is_trial=subscription.status == SubscriptionStatus.TRIALING and subscription.cancel_at is None,
        pending=_pending(subscription, scheduled, following),
        in_progress=name_of(carried_out.to_price) if carried_out else "",
        can_cancel=subscription.stripe_subscription_id is not None
        and (change is None or change.awaits_payer)
        and not subscription.cancel_at,
        withdraw_until=withdrawal_until(subscription, account=account, now=clock.now()),
    )
    return plan_now.charged(charge_of(subscription)) if with_charge else plan_now


def amount_of(price: Price) -> Amount:
    return {"amount_minor": price.amount_minor, "currency": price.currency}


def name_of(price: Price | None) -> str:
    return price.version.plan.name if price else _("no plan")


def full_name(price: Price | None, other: Price | None) -> str:
    """The plan's name, with its interval where the other side is the same plan."""
    if price is None or other is None or price.version.plan_id != other.version.plan_id:
        return name_of(price)
    return _("%(plan)s %(interval)s") % {"plan": name_of(price), "interval": interval_word(price.interval)}


def charge_of(subscription: Subscription) -> Charge | None:
    """What the next invoice will ask for."""
    return Charge.of(next_charge(subscription=subscription, now=clock.now()))


def charge_text(charge: Charge | None) -> str:
    """In a sentence; empty without one."""
    if charge is None:
        return ""
    date = date_text(charge.at)
    if charge.amount is None:
        return _("The next charge is on %(date)s.") % {"date": date}
    amount = money_text(charge.amount["amount_minor"], charge.amount["currency"])
    return _("The next charge is %(amount)s on %(date)s.") % {"amount": amount, "date": date}


def _pending(
    subscription: Subscription, scheduled: PlanChange | None, following: Price | None
) -> Pending | None:
    at = (scheduled.effective_at if scheduled else None) or subscription.cancel_at
    if at is None:
        return None
    from_name, to_name = _pending_names(subscription, scheduled, following)
    return Pending(
        from_name,
        to_name,
        at,
        can_undo=scheduled is not None,
        is_end=following is None or following.amount_minor == 0,
        same_plan=following is not None and following.version.plan_id == subscription.plan_version.plan_id,
    )


def _pending_names(
    subscription: Subscription, scheduled: PlanChange | None, following: Price | None
) -> tuple[str, str]:
    """A move to another version has the plan's own name: it is said that its terms are new."""
    if scheduled is not None and scheduled.kind == ChangeKind.MOVE:
        return subscription.plan.name, _("%(plan)s with new terms") % {"plan": name_of(following)}
    return full_name(subscription.price, following), full_name(following, subscription.price)
