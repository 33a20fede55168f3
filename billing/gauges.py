"""Figures of billing for operators."""

from django.db.models import Min, Sum

from billing.models import Drift
from common.clock import database_now
from common.metrics import gauge


@gauge("billing_drift", "Differences from Stripe that the last comparison of all accounts left unmended")
def drift() -> float:
    return float(Drift.objects.aggregate(sum=Sum("count"))["sum"] or 0)


@gauge("billing_drift_age_seconds", "How long ago all accounts were last compared with Stripe; -1: never")
def drift_age() -> float:
    checked_at = Drift.objects.aggregate(first=Min("checked_at"))["first"]
    return -1.0 if checked_at is None else max(0.0, (database_now() - checked_at).total_seconds())
