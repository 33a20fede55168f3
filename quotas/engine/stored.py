"""Decisions as they are kept under a caller's key, so that a repetition hears the very same."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from quotas.values import Bound, Decision, Refusal, Split

INSTANTS = ("starts_at", "reset_at")


def decision_to_json(decision: Decision) -> dict[str, Any]:
    """What is kept of a decision."""
    expires_at = decision.reservation_expires_at
    return {
        "metric": decision.metric,
        "units": decision.units,
        "allowed": decision.allowed,
        "refusal": decision.refusal,
        "decided_at": decision.decided_at.isoformat(),
        "split": asdict(decision.split),
        "record_id": decision.record_id,
        "credits": [decision.credits_spendable, decision.credits_needed],
        "reservation_id": str(decision.reservation_id) if decision.reservation_id else None,
        "reservation_expires_at": expires_at.isoformat() if expires_at else None,
        "bounds": [_bound_to_json(bound) for bound in decision.bounds],
    }


def decision_from_json(data: dict[str, Any], *, account_id: int) -> Decision:
    """The decision as it was given the first time, marked as replayed."""
    reservation_id, expires_at = data["reservation_id"], data["reservation_expires_at"]
    spendable, needed = data["credits"]
    return Decision(
        account_id=account_id,
        metric=data["metric"],
        units=data["units"],
        allowed=data["allowed"],
        refusal=Refusal(data["refusal"]) if data["refusal"] else None,
        decided_at=datetime.fromisoformat(data["decided_at"]),
        split=Split(**data["split"]),
        record_id=data["record_id"],
        reservation_id=UUID(reservation_id) if reservation_id else None,
        reservation_expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
        replayed=True,
        credits_spendable=spendable,
        credits_needed=needed,
        lazy_bounds=tuple(_bound_from_json(bound) for bound in data["bounds"]),
    )


def _bound_to_json(bound: Bound) -> dict[str, Any]:
    data = asdict(bound)
    for name in INSTANTS:
        data[name] = data[name].isoformat() if data[name] else None
    return data


def _bound_from_json(data: dict[str, Any]) -> Bound:
    instants = {name: datetime.fromisoformat(data[name]) if data[name] else None for name in INSTANTS}
    return Bound(**(data | instants))
