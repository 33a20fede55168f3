"""From which plan to which: what kind of change that is, and whether it is possible now."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from accounts.models import Account
from billing.enums import ChangeKind, Interval
from billing.errors import (
    AlreadySubscribed,
    DuplicatePlanChange,
    InvalidTargetPlan,
    PlanChangeNotAllowed,
    pay_remedy,
)
from billing.models import PlanChange, Price, Subscription
from billing.rules.changes import change_kind
from billing.selectors import intervals_on_offer, plans_open_to, price_on_offer, transition_kind
from billing.selectors.overdue import held_up_by_debts, unpaid_invoices
from quotas.serialize import instant


@dataclass(frozen=True, slots=True)
class Transition:
    """A possible change of one subscription."""

    subscription: Subscription
    target: Price
    kind: ChangeKind


def target_price(*, plan: str, interval: str, account: Account, subscription: Subscription | None) -> Price:
    """The price on offer. InvalidTargetPlan for a plan or an interval that is not."""
    price = price_on_offer(plan, interval)
    if price is not None:
        return price
    intervals = intervals_on_offer(plan)
    raise InvalidTargetPlan(
        _("This plan is not sold with that interval. Choose another interval.") if intervals else None,
        details={
            "available": plans_open_to(account, subscription.price if subscription else None),
            "intervals": intervals,
        },
    )


def interval_or_default(plan: str, interval: str | None, subscription: Subscription | None) -> str:
    """What is meant when no interval is given: the present one where the plan has it, else monthly."""
    if interval:
        return interval
    if (
        subscription
        and subscription.stripe_subscription_id
        and price_on_offer(plan, subscription.price.interval)
    ):
        return subscription.price.interval
    return Interval.MONTH.value


def transition_check(
    *, subscription: Subscription, target: Price, in_flight: PlanChange | None, now: datetime
) -> Transition:
    """Which kind of change this is. Raises the business error when it is none or not possible now."""
    current = subscription.price
    if current.version.plan_id == target.version.plan_id and current.interval == target.interval:
        raise DuplicatePlanChange(details={"current": price_name(current)})
    declared = transition_kind(current.version.plan, target.version.plan)
    kind = change_kind(
        same_plan=current.version.plan_id == target.version.plan_id,
        declared=declared,
        from_interval=current.interval,
        to_interval=target.interval,
    )
    if kind is None:
        raise _forbidden(current, target)
    if in_flight is not None:
        raise _in_the_way(in_flight, target)
    if subscription.cancel_at is not None:
        raise PlanChangeNotAllowed(
            _("Your subscription is about to end. Resume it first, then change the plan."),
            details={"reason": "cancellation_scheduled", "cancel_at": instant(subscription.cancel_at)},
        )
    _check_debts(subscription, kind, now)
    return Transition(subscription, target, kind)


def _check_debts(subscription: Subscription, kind: ChangeKind, now: datetime) -> None:
    """While something is unpaid the overdue rules say which changes are possible; nothing begins before it is paid."""
    if held_up_by_debts(subscription, kind, now=now):
        raise PlanChangeNotAllowed(
            _("An invoice is not paid yet. Pay it, then upgrade.")
            if kind == ChangeKind.UPGRADE
            else _("An invoice is not paid yet. Pay it, then change the plan."),
            details={
                "reason": "payment_overdue",
                "status": subscription.status,
                "remedies": [pay_remedy(unpaid_invoices(subscription))],
            },
        )


def price_name(price: Price) -> dict[str, str]:
    """Plan and interval, whichever version."""
    return {"plan": price.version.plan.code, "interval": price.interval}


def _in_the_way(change: PlanChange, target: Price) -> DuplicatePlanChange | PlanChangeNotAllowed:
    details = {
        "reason": f"change_{'scheduled' if change.status == 'scheduled' else 'in_progress'}",
        "plan_change": str(change.id),
        "target": price_name(change.to_price) if change.to_price else None,
        "effective_at": instant(change.effective_at),
    }
    if change.to_price_id == target.pk:
        return DuplicatePlanChange(
            _("This change is scheduled already. Nothing more is needed."), details=details
        )
    if change.status == "scheduled":
        return PlanChangeNotAllowed(
            _("Another change is scheduled. Take it back first, then choose again."), details=details
        )
    return PlanChangeNotAllowed(
        _("Another change is being carried out. Wait until it is done, then choose again."), details=details
    )


def change_under_way(change: PlanChange) -> PlanChangeNotAllowed:
    """What is told while another start is being carried out."""
    return PlanChangeNotAllowed(
        _("Another subscription is being started. Wait until that is done."),
        details={"reason": "change_in_progress", "plan_change": str(change.pk)},
    )


def subscribed(subscription: Subscription) -> AlreadySubscribed:
    return AlreadySubscribed(details={"current": price_name(subscription.price)})


def _forbidden(current: Price, target: Price) -> PlanChangeNotAllowed:
    a, b = current.version.plan, target.version.plan
    reason = "audience" if a.audience != b.audience else "forbidden"
    message = (
        _("%(plan)s is for another kind of account.")
        if reason == "audience"
        else _("You cannot move to %(plan)s from your plan.")
    )
    return PlanChangeNotAllowed(
        message % {"plan": b.name},
        details={"reason": reason, "from": price_name(current), "to": price_name(target)},
    )


def stripe_price_of(price: Price) -> str:
    """The price's id at Stripe. InvalidTargetPlan while the catalogue is not published there."""
    if price.stripe_price_id is None:
        raise InvalidTargetPlan(
            _("This plan cannot be bought yet."),
            details={"reason": "not_published", "plan": price.lookup_key},
        )
    return price.stripe_price_id
