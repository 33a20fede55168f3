"""Collecting overage before the period's end, once what is open passes the declared threshold.

The invoice is an intent like everything that is charged: a row, then Stripe under a key made from it, then the outcome.
"""

from datetime import datetime, timedelta
from itertools import accumulate
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Greatest

from billing.enums import ChargeStatus, CollectionStatus
from billing.errors import PaymentActionRequired, PaymentFailed, ProviderRefused
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceState
from billing.locks import lock_account
from billing.models import OverageCharge, OverageCollection, Subscription
from billing.selectors.credits import overage_waiting_minor
from billing.selectors.overdue import overdue_policy
from billing.services.overage_told import overage_unpaid_tell
from common import outbox
from common.clock import database_now

log = structlog.get_logger(__name__)

COLLECT = "billing.tasks.overage_collect"
OPEN = (CollectionStatus.PENDING, CollectionStatus.UNPAID)
LOOK_BACK = timedelta(days=30)
BATCH = 100


def collection_promise(charge: OverageCharge) -> None:
    """In the transaction that accepts a charge: the invoice is promised when the open sum passes the threshold."""
    if overage_waiting_minor(charge.subscription, charge.period_start) < settings.OVERAGE_COLLECT_AT_MINOR:
        return
    if OverageCollection.objects.filter(account_id=charge.account_id, status__in=OPEN).exists():
        return
    moment = database_now()
    collection = OverageCollection.objects.create(
        account_id=charge.account_id, subscription_id=charge.subscription_id, requested_at=moment
    )
    outbox.promise(COLLECT, {"collection_id": str(collection.pk)}, now=moment)


def overage_collect_before_end(subscription: Subscription) -> OverageCollection | None:
    """Before a subscription is ended at once: what waits for its next invoice, which will not come, is asked for now,
    however little it is. None where nothing waits. Refused, its invoice stays due.

    Raises PaymentProviderUnavailable while Stripe does not answer: then nothing should be ended yet.
    """
    if not overage_waiting_minor(subscription, subscription.current_period_start):
        return None
    collection = _collection_of(subscription)
    return overage_collect(collection_id=collection.pk, least_minor=1)


def overage_left_by_ends(*, now: datetime) -> list[OverageCollection]:
    """Opens a collection for each ended subscription of which overage waits for an invoice that will not come: it was
    ended elsewhere, or the charge was accepted while it ended. One that is open for the account already goes first.
    """
    asked = OverageCollection.objects.filter(
        subscription=OuterRef("subscription"),
        requested_at__gte=Greatest(OuterRef("settled_at"), OuterRef("subscription__ended_at")),
    )
    left = OverageCharge.objects.filter(
        ~Exists(asked),
        account=OuterRef("account"),
        subscription=OuterRef("pk"),
        status=ChargeStatus.ACCEPTED,
        stripe_invoice_id="",
        reversal_requested_at__isnull=True,
    )
    ended = Subscription.objects.filter(
        Exists(left), ended_at__gte=now - LOOK_BACK, account__stripe_customer_id__isnull=False
    )
    found = [_collection_of(one) for one in ended.order_by("ended_at")[:BATCH]]
    return [one for one in found if one.status == CollectionStatus.PENDING]


@transaction.atomic
def _collection_of(subscription: Subscription) -> OverageCollection:
    """The one that is open, or a new one."""
    lock_account(subscription.account_id)
    found = OverageCollection.objects.filter(account_id=subscription.account_id, status__in=OPEN).first()
    return found or OverageCollection.objects.create(
        account_id=subscription.account_id, subscription=subscription, requested_at=database_now()
    )


def overage_collect(*, collection_id: UUID, least_minor: int | None = None) -> OverageCollection:
    """Makes the invoice and has it paid; called again, it goes on where it was. Less than `least_minor` is left waiting
    (None: less than the declared threshold, and nothing once the subscription has ended).

    Raises PaymentProviderUnavailable while Stripe does not answer. A refused card leaves the invoice open, and no
    further overage is charged until it is paid: by the payer, or by another try. There is one at each declared day of
    the retries, and one when another card is charged from then on; in between the invoice is only looked at.
    """
    collection = OverageCollection.objects.select_related("account", "subscription").get(pk=collection_id)
    if collection.status not in OPEN:
        return collection
    if collection.status == CollectionStatus.UNPAID and not _is_tried_now(collection, database_now()):
        invoice = gateway.invoice_get(collection.stripe_invoice_id)
        return overage_collection_follow(collection, invoice) if invoice is not None else collection
    if least_minor is None:
        least_minor = settings.OVERAGE_COLLECT_AT_MINOR if collection.subscription.is_live else 1
    invoice_id = collection.stripe_invoice_id or _invoice_of(collection, least_minor)
    if not invoice_id:
        return _close(collection, CollectionStatus.NOT_NEEDED)
    try:
        invoice = gateway.overage_invoice_pay(
            invoice_id=invoice_id, key=f"overage_collection:{collection.pk}"
        )
    except (PaymentFailed, PaymentActionRequired):
        return _unpaid(collection, gateway.invoice_get(invoice_id))
    return (
        _close(collection, CollectionStatus.PAID)
        if invoice.status == "paid"
        else _unpaid(collection, invoice)
    )


@transaction.atomic
def _unpaid(collection: OverageCollection, invoice: InvoiceState | None) -> OverageCollection:
    """Written down, and told once: until it is paid, what needs more than the credits is refused."""
    closed = _close(collection, CollectionStatus.UNPAID)
    if closed.status == CollectionStatus.UNPAID and invoice is not None:
        overage_unpaid_tell(closed, invoice, now=database_now())
    return closed


def _is_tried_now(collection: OverageCollection, now: datetime) -> bool:
    """Whether a day of the retries has come since the last try, or (no time of one) there is another card."""
    if collection.settled_at is None:
        return True
    days = accumulate(overdue_policy().retry_days)
    return any(
        collection.settled_at < collection.requested_at + timedelta(days=count) <= now for count in days
    )


def overage_collection_follow(collection: OverageCollection, invoice: InvoiceState) -> OverageCollection:
    """An invoice that was paid some other way, or that was taken back, is waited for no more."""
    outcomes = {"paid": CollectionStatus.PAID, "void": CollectionStatus.NOT_NEEDED}
    return _close(collection, outcomes[invoice.status]) if invoice.status in outcomes else collection


def overage_collections_follow(invoice: InvoiceState) -> None:
    """The same for whoever waits for this invoice."""
    for collection in OverageCollection.objects.filter(status__in=OPEN, stripe_invoice_id=invoice.id):
        overage_collection_follow(collection, invoice)


def _invoice_of(collection: OverageCollection, least_minor: int) -> str:
    """The draft made for this collection, now or by an earlier try; empty when nothing waits any more."""
    if collection.account.stripe_customer_id is None:  # deleted at Stripe, with all that waited
        return ""
    customer_id = collection.account.stripe_customer_id
    found = gateway.overage_invoice_find(
        customer_id=customer_id,
        since=collection.requested_at - timedelta(minutes=5),
        collection_ref=str(collection.pk),
    )
    if found is None:
        _note_invoices(collection)
        if _waiting_minor(collection) < least_minor:
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
            if _waiting_minor(collection):
                raise
            return ""
    _note_invoices(
        collection
    )  # before the invoice is known here: who finds it known has nothing more to note
    OverageCollection.objects.filter(pk=collection.pk).update(stripe_invoice_id=found)
    collection.stripe_invoice_id = found
    return found


def _waiting_minor(collection: OverageCollection) -> int:
    """What its invoice would ask for. After an end that is whatever is on none yet."""
    if not collection.subscription.is_live:
        return overage_waiting_minor(collection.subscription, None)
    last = OverageCharge.objects.filter(account=collection.account).order_by("-requested_at").first()
    return overage_waiting_minor(last.subscription, last.period_start) if last is not None else 0


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
    """Writes an outcome; what was settled meanwhile stays."""
    lock_account(collection.account_id)
    waiting = OverageCollection.objects.filter(pk=collection.pk, status__in=OPEN)
    if not waiting.update(status=status, settled_at=database_now()):
        return OverageCollection.objects.get(pk=collection.pk)
    collection.refresh_from_db(fields=["status", "settled_at"])
    log.info("overage_collected", collection=str(collection.pk), account=collection.account_id, status=status)
    return collection
