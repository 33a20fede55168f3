"""Collecting overage before the period's end, once what is open passes the declared threshold.

The invoice is an intent like everything that is charged: a row, then Stripe under a key made from it, then the outcome.
"""

from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from billing.enums import ChargeStatus, CollectionStatus
from billing.errors import PaymentActionRequired, PaymentFailed, ProviderRefused
from billing.gateways.stripe import gateway
from billing.locks import lock_account
from billing.models import OverageCharge, OverageCollection
from common import outbox
from common.clock import database_now

log = structlog.get_logger(__name__)

COLLECT = "billing.tasks.overage_collect"
OPEN = (CollectionStatus.PENDING, CollectionStatus.UNPAID)


def open_minor(charge: OverageCharge) -> int:
    """What waits for the next invoice of the charge's subscription, as far as we know."""
    waiting = OverageCharge.objects.filter(
        account_id=charge.account_id,
        subscription_id=charge.subscription_id,
        period_start=charge.period_start,
        status=ChargeStatus.ACCEPTED,
        stripe_invoice_id="",
    )
    return waiting.aggregate(sum=Sum("amount_minor"))["sum"] or 0


def collection_promise(charge: OverageCharge) -> None:
    """In the transaction that accepts a charge: the invoice is promised when the open sum passes the threshold."""
    if open_minor(charge) < settings.OVERAGE_COLLECT_AT_MINOR:
        return
    if OverageCollection.objects.filter(account_id=charge.account_id, status__in=OPEN).exists():
        return
    moment = database_now()
    collection = OverageCollection.objects.create(
        account_id=charge.account_id, subscription_id=charge.subscription_id, requested_at=moment
    )
    outbox.promise(COLLECT, {"collection_id": str(collection.pk)}, now=moment)


def overage_collect(*, collection_id: UUID) -> OverageCollection:
    """Makes the invoice and has it paid; called again, it goes on where it was.

    Raises PaymentProviderUnavailable while Stripe does not answer. A refused card leaves the invoice open, and no
    further overage is charged until it is paid.
    """
    collection = OverageCollection.objects.select_related("account", "subscription").get(pk=collection_id)
    if collection.status not in OPEN:
        return collection
    invoice_id = collection.stripe_invoice_id or _invoice_of(collection)
    if not invoice_id:
        return _close(collection, CollectionStatus.NOT_NEEDED)
    try:
        invoice = gateway.overage_invoice_pay(
            invoice_id=invoice_id, key=f"overage_collection:{collection.pk}"
        )
    except (PaymentFailed, PaymentActionRequired):
        return _close(collection, CollectionStatus.UNPAID)
    paid = invoice.status == "paid"
    return _close(collection, CollectionStatus.PAID if paid else CollectionStatus.UNPAID)


def _invoice_of(collection: OverageCollection) -> str:
    """The draft made for this collection, now or by an earlier try; empty when nothing waits any more."""
    customer_id = str(collection.account.stripe_customer_id)
    found = gateway.overage_invoice_find(
        customer_id=customer_id,
        since=collection.requested_at - timedelta(minutes=5),
        collection_ref=str(collection.pk),
    )
    if found is None:
        _note_invoices(collection)
        last = OverageCharge.objects.filter(account=collection.account).order_by("-requested_at").first()
        if last is None or open_minor(last) < settings.OVERAGE_COLLECT_AT_MINOR:
            return ""
        try:
            found = gateway.overage_invoice_create(
                customer_id=customer_id,
                subscription_id=str(collection.subscription.stripe_subscription_id),
                collection_ref=str(collection.pk),
                key=f"overage_collection:{collection.pk}:invoice",
            )
        except ProviderRefused:
            _note_invoices(collection)  # an invoice of the subscription's own took the items in the meantime
            if open_minor(last):
                raise
            return ""
    _note_invoices(
        collection
    )  # before the invoice is known here: who finds it known has nothing more to note
    OverageCollection.objects.filter(pk=collection.pk).update(stripe_invoice_id=found)
    collection.stripe_invoice_id = found
    return found


def _note_invoices(collection: OverageCollection) -> None:
    """Writes down on which invoice each of the account's charges has come to be."""
    waiting = OverageCharge.objects.filter(
        account=collection.account, status=ChargeStatus.ACCEPTED, stripe_invoice_id=""
    )
    first = waiting.order_by("requested_at").first()
    if first is None:
        return
    items = gateway.invoice_items(
        customer_id=str(collection.account.stripe_customer_id),
        since=first.requested_at - timedelta(minutes=5),
    )
    for item in items:
        if item.invoice_id and item.charge_ref:
            waiting.filter(pk=item.charge_ref).update(stripe_invoice_id=item.invoice_id)


@transaction.atomic
def _close(collection: OverageCollection, status: CollectionStatus) -> OverageCollection:
    lock_account(collection.account_id)
    collection.status, collection.settled_at = status, database_now()
    collection.save(update_fields=["status", "settled_at"])
    log.info("overage_collected", collection=str(collection.pk), account=collection.account_id, status=status)
    return collection
