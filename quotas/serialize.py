"""The meter's values in the API's form."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import Any

from quotas.enums import Mode
from quotas.remedies import feature_details, remedies_for
from quotas.values import Bound, Decision, Refusal


def instant(at: datetime | None) -> str | None:
    """RFC 3339, UTC, with Z."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def quota_json(bound: Bound) -> dict[str, Any]:
    """A quota object."""
    return {
        "metric": bound.metric,
        "window": str(bound.window),
        "limit": bound.limit,
        "used": bound.used,
        "reserved": bound.reserved,
        "remaining": bound.remaining,
        "overage_units": bound.overage_units,
        "reset_at": instant(bound.reset_at),
        "mode": str(Mode.OVERAGE if bound.mode == Mode.CREDITS else bound.mode),
        "source": str(bound.source),
        "state": bound.state,
    }


def quota_headers(bound: Bound | None) -> dict[str, str]:
    """X-Quota-* of the tightest bound; nothing where no limit applies."""
    if bound is None or bound.limit is None:
        return {}
    headers = {"X-Quota-Limit": str(bound.limit), "X-Quota-Remaining": str(bound.remaining)}
    reset_at = instant(bound.reset_at)
    return headers | {"X-Quota-Reset": reset_at} if reset_at else headers


def bound_json(bound: Bound) -> dict[str, Any]:
    """A bound within a decision: a quota object and what it said."""
    return quota_json(bound) | {"allows": bound.allows}


def refusal_details(decision: Decision) -> dict[str, Any]:
    """`details` of a refusal: the deciding bound's figures, every bound, and the ways on."""
    bound = decision.deciding
    details: dict[str, Any] = {
        "metric": decision.metric,
        "window": str(bound.window) if bound else None,
        "limit": bound.limit if bound else None,
        "used": bound.used if bound else None,
        "remaining": bound.remaining if bound else None,
        "requested": decision.units,
        "reset_at": instant(bound.reset_at) if bound else None,
        "bounds": [bound_json(each) for each in decision.bounds],
    }
    if bound is None and decision.refusal != Refusal.INSUFFICIENT_CREDITS:
        return details | feature_details(decision.account_id, decision.metric)
    details["remedies"] = [
        remedy | {"until": instant(remedy["until"])} if "until" in remedy else remedy
        for remedy in remedies_for(decision)
    ]
    if decision.refusal == Refusal.INSUFFICIENT_CREDITS:
        details["credits"] = {
            "balance_units": decision.credits_spendable,
            "needed_units": decision.credits_needed,
        }
    elif bound is not None and bound.reset_at is not None:
        details["retry_after_s"] = max(1, ceil((bound.reset_at - decision.decided_at).total_seconds()))
    return details


def decision_json(decision: Decision) -> dict[str, Any]:
    """A decision object."""
    bound = decision.deciding
    return {
        "allowed": decision.allowed,
        "units": decision.units,
        "split": {
            "allowance": decision.split.allowance,
            "credits": decision.split.credits,
            "overage": decision.split.overage,
        },
        "quota": quota_json(bound) if bound else None,
        "bounds": [bound_json(each) for each in decision.bounds],
        "record_id": None if decision.record_id is None else str(decision.record_id),
    }
