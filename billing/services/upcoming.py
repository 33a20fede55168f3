"""What an account is charged next, as Stripe would bill it."""

from datetime import datetime

from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceState
from billing.models import Subscription


def next_invoice(*, subscription: Subscription, now: datetime) -> InvoiceState | None:
    """The next invoice with what is scheduled, credit and discounts counted in; None when there is none to come.

    Raises PaymentProviderUnavailable. The invoice's moment is the end of the running period.
    """
    if subscription.stripe_subscription_id is None or subscription.ended_at is not None:
        return None
    ends_at, period_end = subscription.cancel_at, subscription.current_period_end
    if period_end is None or period_end <= now or (ends_at is not None and ends_at <= period_end):
        return None
    return gateway.preview_next(
        subscription_id=subscription.stripe_subscription_id, schedule_id=subscription.stripe_schedule_id
    )
