"""What people are told about changes of their plan, and its end; in the transaction that changes it."""

from datetime import datetime
from typing import Any

from accounts.enums import NotificationKind
from accounts.notifications import notify
from billing.enums import ChangeKind, ChangeStatus, EndCause
from billing.models import PlanChange, Price, Subscription

TOLD = (ChangeStatus.APPLIED, ChangeStatus.SCHEDULED, ChangeStatus.UNDONE)
END_KINDS = {
    EndCause.TRIAL: NotificationKind.TRIAL_ENDING,
    EndCause.UNPAID: NotificationKind.PAYMENT_FAILED,
    EndCause.ELSEWHERE: NotificationKind.PLAN_CHANGED,
}


def plan_change_told(change: PlanChange, *, now: datetime) -> None:
    """Tells the account's people, once for each status a change comes to. Of a failed one the answer itself tells."""
    if change.status not in TOLD:
        return
    notify(
        kind=NotificationKind.PLAN_CHANGED,
        template=f"plan_change_{ChangeStatus(change.status).value}",
        cause=f"plan_change:{change.pk}:{change.status}",
        context={
            "change": str(change.pk),
            "from": change_names(change, change.from_price),
            "to": change_names(change, change.to_price),
            "charged_minor": change.charged_minor,
            "currency": change.currency,
            "effective_at": change.effective_at.isoformat() if change.effective_at else None,
        },
        account=change.account,
        now=now,
    )


def change_names(change: PlanChange, price: Price | None) -> dict[str, Any] | None:
    """A plan's names and interval, with its version where that is all that changes; None for no plan."""
    if price is None:
        return None
    plan = price.version.plan
    if change.kind == ChangeKind.MOVE:
        version = f" v{price.version.number}"
        return {"en": plan.name_en + version, "fr": plan.name_fr + version, "interval": price.interval}
    return {"en": plan.name_en, "fr": plan.name_fr, "interval": price.interval}


def subscription_end_told(
    subscription: Subscription, cause: EndCause, opened: Subscription | None, *, now: datetime
) -> None:
    """Tells, once, of an end that nobody asked us for. `opened`: what the account has instead."""
    notify(
        kind=END_KINDS[cause],
        template="subscription_ended",
        cause=f"subscription_ended:{subscription.pk}",
        context={
            "reason": "" if cause == EndCause.ELSEWHERE else cause.value,
            "plan": _names(subscription),
            "to": _names(opened) if opened is not None else None,
        },
        account=subscription.account,
        now=now,
    )


def _names(subscription: Subscription) -> dict[str, str]:
    return {"en": subscription.plan.name_en, "fr": subscription.plan.name_fr}
