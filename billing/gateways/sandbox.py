"""What only the demo asks of Stripe."""

from billing.gateways.client import api, gateway_call


@gateway_call
def period_begin_now(subscription_id: str) -> None:
    """Ends the running period and charges the next one; a charge that is refused leaves the subscription past due."""
    api().subscriptions.update(
        subscription_id,
        {
            "billing_cycle_anchor": "now",
            "proration_behavior": "none",
            "payment_behavior": "allow_incomplete",
        },
    )
