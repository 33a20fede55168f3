"""What a refused caller can do. Billing and enterprise know; they register here, so that quotas need not know them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings

from quotas.values import Decision

Remedy = dict[str, Any]
Provider = Callable[[int, Decision], list[Remedy]]
FeatureProvider = Callable[[str], list[str]]

PLANS_URL = "/account/billing/plans/"

_providers: list[Provider] = []
_feature_providers: list[FeatureProvider] = []


def register(provider: Provider) -> None:
    """`provider(account_id, decision)` gives remedies: {action, url, plan?}."""
    _providers.append(provider)


def register_features(provider: FeatureProvider) -> None:
    """`provider(feature)` names the plans that have a feature, or that allow a metric."""
    _feature_providers.append(provider)


def remedies_for(decision: Decision) -> list[Remedy]:
    """Every way on that somebody offers for this refusal, waiting first."""
    found: list[Remedy] = []
    bound = decision.deciding
    if bound is not None and bound.reset_at is not None and decision.units <= (bound.limit or 0):
        found.append({"action": "wait", "url": None, "until": bound.reset_at})
    for provider in _providers:
        found += provider(decision.account_id, decision)
    return found


def plans_with(feature: str) -> list[str]:
    """Codes of the plans that have the feature."""
    return [plan for provider in _feature_providers for plan in provider(feature)]


def plan_remedies() -> list[Remedy]:
    """The way on where any plan would do."""
    return [{"action": "upgrade", "url": PLANS_URL}]


def feature_remedies(plans: list[str]) -> list[Remedy]:
    """The way to a feature: each plan that has it, or whoever can be asked."""
    if not plans:
        return [{"action": "contact", "url": f"mailto:{settings.SUPPORT_EMAIL}"}]
    return [{"action": "upgrade", "url": PLANS_URL, "plan": plan} for plan in plans]
