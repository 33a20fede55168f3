"""What a refused caller can do. Billing and enterprise know; they register here, so that quotas need not know them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings

from quotas.values import Decision

Remedy = dict[str, Any]
Provider = Callable[[int, Decision], list[Remedy]]
FeatureProvider = Callable[[int, str], list[Remedy]]

PLANS_URL = "/account/billing/plans/"
API_DOCS_URL = "/v1/docs"

_providers: list[Provider] = []
_feature_providers: list[FeatureProvider] = []


def register(provider: Provider) -> None:
    """`provider(account_id, decision)` gives remedies: {action, url, plan?}; `url` is a page, or writes to somebody."""
    _providers.append(provider)


def register_features(provider: FeatureProvider) -> None:
    """`provider(account_id, wanted)` gives the ways to a feature, or to a metric that no right of the account names."""
    _feature_providers.append(provider)


def remedies_for(decision: Decision) -> list[Remedy]:
    """Every way on that somebody offers for this refusal, waiting first; where nothing is sold, somebody to ask."""
    waiting: list[Remedy] = []
    bound = decision.deciding
    if bound is not None and bound.reset_at is not None and decision.units <= (bound.limit or 0):
        waiting.append({"action": "wait", "url": None, "until": bound.reset_at})
    offered = [one for provider in _providers for one in provider(decision.account_id, decision)]
    return waiting + (offered or [contact_remedy()])


def contact_remedy() -> Remedy:
    """Whoever can be asked."""
    return {"action": "contact", "url": f"mailto:{settings.SUPPORT_EMAIL}"}


def feature_details(account_id: int, wanted: str) -> dict[str, Any]:
    """`plans` that have the feature (or name the metric) and that the account could take, and the ways on."""
    found = [one for provider in _feature_providers for one in provider(account_id, wanted)]
    return {"plans": [one["plan"] for one in found if "plan" in one], "remedies": found or [contact_remedy()]}
