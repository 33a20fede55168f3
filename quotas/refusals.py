"""From a decision that says no to the error that says it to the caller."""

from __future__ import annotations

from common.errors import NotFound
from common.request_id import current_request_id
from quotas import errors
from quotas.serialize import quota_headers, refusal_details
from quotas.values import Decision, Refusal

ERRORS: dict[Refusal, type[errors.MeteringRefused]] = {
    Refusal.QUOTA_EXCEEDED: errors.QuotaExceeded,
    Refusal.NO_ACTIVE_SUBSCRIPTION: errors.NoActiveSubscription,
    Refusal.FEATURE_NOT_IN_PLAN: errors.FeatureNotInPlan,
    Refusal.INSUFFICIENT_CREDITS: errors.InsufficientCredits,
    Refusal.INVALID_QUOTA_STATE: errors.InvalidQuotaState,
    Refusal.UNKNOWN_METRIC: errors.UnknownMetric,
    Refusal.RESERVATION_CLOSED: errors.ReservationClosed,
}


def raise_for_refusal(decision: Decision) -> Decision:
    """The decision itself when it allows; else the error with everything the caller can act on."""
    if decision.allowed:
        return decision
    assert decision.refusal is not None, "a refusal has a reason"
    if decision.refusal == Refusal.RESERVATION_UNKNOWN:
        raise NotFound
    details = refusal_details(decision) | {"request_id": current_request_id()}
    error = ERRORS[decision.refusal](details=details, decision=decision)
    error.quota_headers = quota_headers(decision.deciding)
    raise error
