"""What follows from an event of Stripe's: it says that something changed; the object is read and ours made the same."""

from typing import Any

import structlog

from billing.enums import CollectionStatus, PaymentStatus
from billing.errors import ProviderRefused
from billing.gateways.client import MISSING_OBJECT
from billing.gateways.stripe import gateway
from billing.models import InvoicePayment, OverageCollection
from billing.services import plan_credits_after, subscription_refresh
from billing.services.collecting import overage_collections_follow
from billing.services.customers import customer_follow
from billing.services.disputes import dispute_refresh
from billing.services.payments import invoice_payments_follow
from billing.services.recorded import attempts_refresh
from billing.webhooks import id_of, subscription_of, thing_of
from common import clock

log = structlog.get_logger(__name__)


def event_follow(event: dict[str, Any]) -> None:
    """Makes ours what Stripe shows now of what the event is about. May run any number of times, in any order."""
    thing = thing_of(event)
    kind, own_id = thing.get("object"), id_of(thing.get("id"))
    if (subscription_id := subscription_of(event)) is not None:
        _subscription(subscription_id)
    if own_id is None:
        return
    if kind == "customer":
        customer_follow(customer_id=own_id)
    elif kind == "payment_intent":
        attempts_refresh(intent_id=own_id)
    elif kind in ("charge", "refund") and (intent_id := id_of(thing.get("payment_intent"))) is not None:
        attempts_refresh(intent_id=intent_id)
    elif kind == "dispute":
        dispute_refresh(stripe_dispute_id=own_id)
    elif kind == "invoice":
        _invoice(own_id)


def _subscription(subscription_id: str) -> None:
    try:
        subscription_refresh(stripe_subscription_id=subscription_id)
    except ProviderRefused as error:
        if error.provider_code != MISSING_OBJECT:
            raise
        log.warning("event_of_unknown_subscription", stripe_subscription=subscription_id)
    plan_credits_after(stripe_subscription_id=subscription_id, now=clock.now())


def _invoice(invoice_id: str) -> None:
    """Settles the payments that wait for it; without any there is nothing of ours that an invoice by itself changes."""
    waits = InvoicePayment.objects.filter(
        stripe_invoice_id=invoice_id, status__in=[PaymentStatus.PENDING, PaymentStatus.ACTION_REQUIRED]
    )
    collected = OverageCollection.objects.filter(stripe_invoice_id=invoice_id, status=CollectionStatus.UNPAID)
    if (waits.exists() or collected.exists()) and (invoice := gateway.invoice_get(invoice_id)) is not None:
        invoice_payments_follow(invoice)
        overage_collections_follow(invoice)
