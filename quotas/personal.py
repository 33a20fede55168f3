"""What the meter keeps about a person's account: counts, which stay, since invoices and books rest on them."""

from datetime import datetime
from typing import Any

from accounts.personal import Holder, Person, register
from quotas.models import UsageDay


def export(who: Person) -> dict[str, Any]:
    if who.account is None:
        return {"days": []}
    days = (
        UsageDay.objects.filter(account_id=who.account.pk).select_related("metric").order_by("day", "metric")
    )
    return {
        "days": [
            {
                "day": day.day,
                "metric": day.metric.code,
                "units": day.units,
                "overage_units": day.overage_units,
            }
            for day in days
        ]
    }


def erase(who: Person, now: datetime) -> None:
    """Nothing: counts name nobody, and what a record says it was about is a thing's number."""


register(Holder("usage", export, erase))
