"""Which rows are locked, and in which order: account → subscription → plan change (→ buckets, by the meter).

The weaker FOR NO KEY UPDATE is enough, since nobody changes a primary key, and it leaves those alone who only refer
to the row (a usage record's insert, for example).
"""

from uuid import UUID

from accounts.locks import lock_account
from billing.models import PlanChange, Subscription

__all__ = ["lock_account", "lock_live_subscription", "lock_plan_change", "lock_subscription_by_stripe_id"]

RELATED = ("plan_version__plan", "price")


def lock_live_subscription(account_id: int) -> Subscription | None:
    """The account's running subscription, locked. Lock the account first."""
    return (
        Subscription.objects.select_for_update(no_key=True, of=("self",))
        .select_related(*RELATED)
        .filter(account_id=account_id, ended_at__isnull=True)
        .first()
    )


def lock_subscription_by_stripe_id(stripe_subscription_id: str) -> Subscription | None:
    """That subscription, running or ended, locked. Lock its account first."""
    return (
        Subscription.objects.select_for_update(no_key=True, of=("self",))
        .select_related(*RELATED)
        .filter(stripe_subscription_id=stripe_subscription_id)
        .first()
    )


def lock_plan_change(change_id: UUID) -> PlanChange:
    """The intent, locked. Lock its account first."""
    return (
        PlanChange.objects.select_for_update(no_key=True, of=("self",))
        .select_related("account", "subscription", "from_price", "to_price__version__plan")
        .get(pk=change_id)
    )
