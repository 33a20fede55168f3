"""What the meter keeps about a person's account: counts, which stay, since invoices and books rest on them."""

from datetime import datetime
from typing import Any

from accounts.personal import Holder, Person, register
from quotas.models import Entitlement, LedgerEntry, UsageDay


def export(who: Person) -> dict[str, Any]:
    if who.account is None:
        return {"days": [], "limits": [], "credits": []}
    account_id = who.account.pk
    days = UsageDay.objects.filter(account_id=account_id).select_related("metric").order_by("day", "metric")
    limits = Entitlement.objects.filter(account_id=account_id).order_by("valid_from", "id")
    return {
        "days": [
            {
                "day": day.day,
                "metric": day.metric.code,
                "units": day.units,
                "overage_units": day.overage_units,
                "by_hour": day.hour_units,
            }
            for day in days
        ],
        "limits": list(
            limits.values(
                "metric__code", "window", "limit_units", "source", "valid_from", "valid_until", "reason"
            )
        ),
        "credits": list(
            LedgerEntry.objects.filter(account_id=account_id)
            .order_by("id")
            .values("kind", "units", "balance_units", "reason", "occurred_at")
        ),
    }


def erase(who: Person, now: datetime) -> None:
    """Nothing: counts and credits name nobody, and what a record says it was about is a thing's number."""


register(Holder("usage", export, erase))
