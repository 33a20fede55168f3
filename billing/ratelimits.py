"""What billing's rate limits are counted by."""

from typing import Any

from accounts.selectors import account_of
from billing.selectors import live_subscription
from common import ratelimit
from common.callers import caller_of


def register() -> None:
    ratelimit.register_key("user_plan", user_and_plan)


def user_and_plan(request: Any) -> str:
    """The caller on the plan they are on: another plan is another allowance."""
    subscription = live_subscription(account_of(request).id)
    plan = subscription.plan_version.plan.code if subscription else "none"
    return f"{caller_of(request)}:{plan}"
