"""Reading billing. Nothing here changes anything."""

from billing.selectors.plans import (
    current_versions,
    feature_names,
    free_price,
    plan_json,
    plans_on_offer,
    plans_public,
    plans_with_feature,
    price_by_stripe_id,
    price_on_offer,
    terms_of,
    transition_kind,
)
from billing.selectors.subscriptions import (
    change_in_flight,
    live_subscription,
    pending_change_json,
    plan_change_get,
    plan_change_history,
    plan_change_json,
    scheduled_change,
    subscription_json,
)

__all__ = [
    "change_in_flight",
    "current_versions",
    "feature_names",
    "free_price",
    "live_subscription",
    "pending_change_json",
    "plan_change_get",
    "plan_change_history",
    "plan_change_json",
    "plan_json",
    "plans_on_offer",
    "plans_public",
    "plans_with_feature",
    "price_by_stripe_id",
    "price_on_offer",
    "scheduled_change",
    "subscription_json",
    "terms_of",
    "transition_kind",
]
