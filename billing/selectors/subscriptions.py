"""Reading subscriptions and the history of plan changes."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from billing.enums import IN_FLIGHT, ChangeStatus
from billing.errors import QuoteStale
from billing.models import Plan, PlanChange, Price, Subscription
from billing.selectors.overdue import access_at
from billing.selectors.plans import free_price
from common.clock import now
from quotas.serialize import instant

CHANGE_RELATED = ("from_price__version__plan", "to_price__version__plan")


def live_subscription(account_id: int) -> Subscription | None:
    """The account's running subscription."""
    return (
        Subscription.objects.select_related("plan_version__plan", "price")
        .filter(account_id=account_id, ended_at__isnull=True)
        .first()
    )


def change_in_flight(account_id: int) -> PlanChange | None:
    """The account's change that is being carried out or is scheduled; the database allows one."""
    return (
        PlanChange.objects.select_related(*CHANGE_RELATED)
        .filter(account_id=account_id, status__in=IN_FLIGHT)
        .first()
    )


def scheduled_change(account_id: int) -> PlanChange | None:
    return (
        PlanChange.objects.select_related(*CHANGE_RELATED)
        .filter(account_id=account_id, status=ChangeStatus.SCHEDULED)
        .first()
    )


def has_scheduled_change(account_id: int) -> bool:
    """Whether a change of plan waits for its moment."""
    return PlanChange.objects.filter(account_id=account_id, status=ChangeStatus.SCHEDULED).exists()


def scheduled_changes(account_ids: Iterable[int]) -> dict[int, PlanChange]:
    """What is scheduled for each of the accounts; those without are not there."""
    rows = PlanChange.objects.select_related(*CHANGE_RELATED).filter(
        account__in=account_ids, status=ChangeStatus.SCHEDULED
    )
    return {one.account_id: one for one in rows}


def awaiting_change(account_id: int) -> PlanChange | None:
    """The account's change that waits for its payer; None when none does."""
    return (
        PlanChange.objects.select_related(*CHANGE_RELATED, "account", "subscription")
        .filter(account_id=account_id, status=ChangeStatus.PENDING, awaiting_since__isnull=False)
        .first()
    )


def trial_days_for(account_id: int, plan: Plan) -> int | None:
    """The plan's trial in days when the account has had none yet; None otherwise."""
    if not plan.trial_days:
        return None
    taken = PlanChange.objects.filter(account_id=account_id, trial_days__isnull=False).exclude(
        status=ChangeStatus.FAILED
    )
    had = Subscription.objects.filter(account_id=account_id, trial_end__isnull=False)
    return None if taken.exists() or had.exists() else plan.trial_days


def plan_change_history(account_id: int) -> QuerySet[PlanChange]:
    """The account's history as its people see it, newest first: without what was refused before anything was tried."""
    refused = Q(status=ChangeStatus.FAILED) & (
        Q(last_tried_at__isnull=True) | Q(error_code=QuoteStale.code)  # its price was looked at, nothing more
    )
    return plan_change_attempts(account_id).exclude(refused)


def ends_unasked(account_id: int) -> QuerySet[Subscription]:
    """The account's subscriptions that ended without any change of plan, the last first: unpaid, say."""
    return (
        Subscription.objects.filter(account_id=account_id)
        .exclude(end_cause="")
        .select_related("plan_version__plan")
        .order_by("-ended_at", "-id")
    )


def plan_change_attempts(account_id: int) -> QuerySet[PlanChange]:
    """Every attempt, newest first; what was refused too."""
    return (
        PlanChange.objects.filter(account_id=account_id)
        .select_related(*CHANGE_RELATED)
        .order_by("-requested_at", "-id")
    )


def plan_change_get(change_id: UUID) -> PlanChange:
    return PlanChange.objects.select_related(*CHANGE_RELATED).get(pk=change_id)


def price_after(subscription: Subscription, change: PlanChange | None) -> Price | None:
    """What the subscription becomes at the scheduled moment: the change's target, or the free plan at its end."""
    if change is not None:
        return change.to_price
    return free_price(subscription.plan.audience) if subscription.cancel_at else None


def pending_change_json(subscription: Subscription) -> dict[str, Any] | None:
    """What is scheduled: a change of plan, or the end that was set at Stripe."""
    change = scheduled_change(subscription.account_id)
    if change is None and subscription.cancel_at is None:
        return None
    target = price_after(subscription, change)
    return {
        "id": str(change.id) if change else None,
        "target_plan": target.version.plan.code if target else None,
        "interval": target.interval if target else None,
        "effective_at": instant(change.effective_at if change else subscription.cancel_at),
    }


def subscription_json(subscription: Subscription) -> dict[str, Any]:
    """A subscription object. `access` is what holds at this very moment, whoever is late to write it down."""
    plan = subscription.plan_version.plan
    return {
        "id": str(subscription.id),
        "plan": {"code": plan.code, "name": plan.name, "version": subscription.plan_version.number},
        "interval": subscription.price.interval,
        "status": subscription.status,
        "access": access_at(subscription, now=now()).value,
        "current_period_start": instant(subscription.current_period_start),
        "current_period_end": instant(subscription.current_period_end),
        "trial_end": instant(subscription.trial_end),
        "cancel_at": instant(subscription.cancel_at),
        "pending_change": pending_change_json(subscription),
    }


def plan_change_json(change: PlanChange) -> dict[str, Any]:
    """One attempt of the history. `amount` is what was charged, or would have been."""
    charged = change.charged_minor if change.charged_minor is not None else change.due_minor
    return {
        "id": str(change.id),
        "from_plan": change.from_price.version.plan.code if change.from_price else None,
        "from_interval": change.from_price.interval if change.from_price else None,
        "to_plan": change.to_price.version.plan.code if change.to_price else None,
        "to_interval": change.to_price.interval if change.to_price else None,
        "kind": change.kind or None,
        "status": change.status,
        "requested_at": instant(change.requested_at),
        "effective_at": instant(change.effective_at),
        "amount": None if charged is None else {"amount_minor": charged, "currency": change.currency},
        "invoice": change.stripe_invoice_id or None,
        "error_code": change.error_code or None,
        "request_id": change.request_id or None,
    }
