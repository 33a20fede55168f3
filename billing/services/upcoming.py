"""What an account is charged next, as Stripe would bill it."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from django.core.cache import cache

from billing.errors import PaymentProviderUnavailable, ProviderRefused
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceState
from billing.models import Subscription
from common.breaker import Breaker
from common.money import Money

KNOWN_FOR_S = 60
"""How long what Stripe said counts. A subscription that was read anew since is asked about anew."""
AWAY_FOR_S = 30.0
"""How long pages that only mention the next charge do without it once Stripe did not answer."""

log = structlog.get_logger(__name__)
breaker = Breaker(AWAY_FOR_S)


@dataclass(frozen=True, slots=True)
class NextCharge:
    """`amount` None: not known at the moment."""

    at: datetime
    amount: Money | None


def next_invoice(*, subscription: Subscription, now: datetime) -> InvoiceState | None:
    """The next invoice with what is scheduled, credit and discounts counted in; None when there is none to come.

    Raises PaymentProviderUnavailable. Its moment is `next_charge_at`.
    """
    if subscription.stripe_subscription_id is None or next_charge_at(subscription, now=now) is None:
        return None
    return gateway.preview_next(
        subscription_id=subscription.stripe_subscription_id, schedule_id=subscription.stripe_schedule_id
    )


def next_charge_at(subscription: Subscription, *, now: datetime) -> datetime | None:
    """When the next invoice is made, the end of the running period; None when none is to come."""
    if subscription.stripe_subscription_id is None or subscription.ended_at is not None:
        return None
    ends_at, period_end = subscription.cancel_at, subscription.current_period_end
    if period_end is None or period_end <= now or (ends_at is not None and ends_at <= period_end):
        return None
    return period_end


def next_charge(*, subscription: Subscription, now: datetime) -> NextCharge | None:
    """The next invoice in short, for pages that mention it: asked for once a minute at most, and left out for a while
    when Stripe does not answer. None when there is none to come.
    """
    at = next_charge_at(subscription, now=now)
    if at is None:
        return None
    known: NextCharge | None = cache.get(_key(subscription))
    if known is not None:
        return known
    if breaker.is_open:
        return NextCharge(at, None)
    try:
        invoice = next_invoice(subscription=subscription, now=now)
    except PaymentProviderUnavailable as error:
        log.warning("next_charge_unknown", subscription=str(subscription.pk))
        if not isinstance(error, ProviderRefused):
            breaker.trip()
        return NextCharge(at, None)
    if invoice is None:
        return None
    found = NextCharge(at, Money(invoice.amount_due_minor, invoice.currency))
    cache.set(_key(subscription), found, KNOWN_FOR_S)
    return found


def _key(subscription: Subscription) -> str:
    read_at = subscription.stripe_read_at
    version = f"{subscription.revision}:{read_at.timestamp() if read_at else 0}"
    return f"next_charge:{subscription.pk}:{version}:{subscription.stripe_schedule_id or ''}"
