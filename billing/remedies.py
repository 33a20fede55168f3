"""What somebody can buy who was refused; registered with the meter."""

from typing import Any

from billing.models import PlanVersion
from billing.selectors import current_versions, live_subscription, plans_with_feature
from quotas import remedies
from quotas.remedies import PLANS_URL
from quotas.values import Decision


def upgrades(account_id: int, decision: Decision) -> list[dict[str, Any]]:
    """The plans of the same audience that allow more than the bound that refused, cheapest first."""
    subscription = live_subscription(account_id)
    bound = decision.deciding
    audience = subscription.plan.audience if subscription else None
    rank = subscription.plan.rank if subscription else -1
    credits_now = subscription.plan_version.credits_per_period if subscription else 0
    found = []
    for version in current_versions():
        plan = version.plan
        if audience is not None and (plan.audience != audience or plan.rank <= rank):
            continue
        if (
            version.credit_metrics.get(decision.metric) and version.credits_per_period > credits_now
        ) or _allows_more(
            version, decision.metric, bound.window if bound else None, bound.limit if bound else 0
        ):
            found.append({"action": "upgrade", "url": f"{PLANS_URL}?plan={plan.code}", "plan": plan.code})
    return found


def _allows_more(version: PlanVersion, metric: str, window: str | None, limit: int | None) -> bool:
    """Without a window: whether the plan names the metric at all."""
    for one in version.limits.all():
        if one.metric == metric and (window is None or one.window == window):
            return one.limit_units is None or (limit is not None and one.limit_units > limit)
    return False


def register() -> None:
    remedies.register(upgrades)
    remedies.register_features(plans_with_feature)
