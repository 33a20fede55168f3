"""Why the meter decides as it does for an account: every limit it has, which one counts, and what was used."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q

from quotas.models import Entitlement, RefusedCall, UsageRecord
from quotas.selectors import quota_status, usage_check
from quotas.serialize import bound_json, instant, refusal_details

RECENT = 10


def explain(*, account_id: int, metric: str, units: int, at: datetime) -> dict[str, Any]:
    """What a consumption of `units` would be told now, and all that this rests on.

    `entitlements` lists every limit in force, also those that a stronger source overrides (`counts` false), and
    those announced for later.
    """
    decision = usage_check(account_id=account_id, metric=metric, units=units)
    return {
        "account": account_id,
        "metric": metric,
        "units": units,
        "allowed": decision.allowed,
        "refusal": decision.refusal,
        "deciding": bound_json(decision.deciding) if decision.deciding else None,
        "bounds": [bound_json(bound) for bound in decision.bounds],
        "remedies": [] if decision.allowed else refusal_details(decision)["remedies"],
        "entitlements": _entitlements(account_id, metric, at),
        "latest_records": _latest_records(account_id, metric),
    }


def explain_request(request_id: str) -> list[dict[str, Any]]:
    """What was refused in a request, with every limit as it stood then and what can be done now; [] where nothing was.

    A refusal that had no room among the account's of its minute is in the log only.
    """
    rows = RefusedCall.objects.filter(request_id=request_id).exclude(request_id="").order_by("id")
    return [refused_json(row) for row in rows]


def refused_json(row: RefusedCall) -> dict[str, Any]:
    """A refusal as it was told, with the ways on there are now."""
    now_says = usage_check(account_id=row.account_id, metric=row.metric, units=row.units)
    return {
        "account": row.account_id,
        "credential_id": row.credential_id,
        "metric": row.metric,
        "units": row.units,
        "refusal": row.refusal,
        "at": instant(row.occurred_at),
        "bounds": row.bounds,
        "deciding": next((bound for bound in row.bounds if not bound["allows"]), None),
        "credits": {"spendable": row.credits_spendable, "needed": row.credits_needed},
        "unwritten_before": row.unwritten,
        "request_id": row.request_id,
        "would_pass_now": now_says.allowed,
        "remedies": [] if now_says.allowed else refusal_details(now_says)["remedies"],
    }


def _entitlements(account_id: int, metric: str, at: datetime) -> list[dict[str, Any]]:
    counting = {
        (b.window, b.source, b.source_ref) for b in quota_status(account_id=account_id, metric=metric)
    }
    rows = Entitlement.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=at), account_id=account_id, metric__code=metric
    ).order_by("window", "-source_rank", "valid_from")
    return [
        {
            "window": row.window,
            "limit": row.limit_units,
            "mode": row.mode,
            "source": row.source,
            "source_ref": row.source_ref,
            "reason": row.reason,
            "valid_from": instant(row.valid_from),
            "valid_until": instant(row.valid_until),
            "counts": row.valid_from <= at and (row.window, row.source, row.source_ref) in counting,
        }
        for row in rows
    ]


def _latest_records(account_id: int, metric: str) -> list[dict[str, Any]]:
    rows = UsageRecord.objects.filter(account_id=account_id, metric__code=metric).order_by(
        "-occurred_at", "-id"
    )
    return [
        {
            "record_id": str(row.id),
            "at": instant(row.occurred_at),
            "kind": row.kind,
            "units": row.units,
            "credential_id": row.credential_id,
            "subject": row.subject,
            "request_id": row.request_id,
        }
        for row in rows[:RECENT]
    ]
