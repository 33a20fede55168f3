"""What only the demo asks of Stripe."""

from collections.abc import Sequence

import requests
from django.conf import settings

from billing.gateways.client import api, gateway_call


@gateway_call
def period_begin_now(subscription_id: str) -> None:
    """Ends the running period and charges the next one. A charge that is refused leaves the subscription past due, and is
    tried again by the schedule, as that of any renewal.
    """
    begun = api().subscriptions.update(
        subscription_id,
        {
            "billing_cycle_anchor": "now",
            "proration_behavior": "none",
            "payment_behavior": "allow_incomplete",
            "expand": ["latest_invoice"],
        },
    )
    if begun.latest_invoice.status == "open":
        api().invoices.update(begun.latest_invoice.id, {"auto_advance": True})


def retries_publish(*, days: Sequence[int], after_last: str) -> None:
    """Tells the stand-in how often payment is tried again, as one would set it in Stripe's dashboard."""
    wanted = {"retry_days": list(days), "after_retries": after_last}
    answer = requests.post(f"{settings.SANDBOX_URL}/_sandbox/settings", json=wanted, timeout=20)
    answer.raise_for_status()
