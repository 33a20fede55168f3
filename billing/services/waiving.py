"""What an ended subscription leaves unpaid: time that nobody will have is not asked for; what was used is.

One place for every end, by whoever and for whatever: `after_the_end` promises it in the transaction of the end, the
outbox carries it out, for as long as Stripe does not answer.
"""

from datetime import datetime

import structlog
from django.db import transaction

from billing import metrics
from billing.enums import ENDED
from billing.errors import ProviderRefused
from billing.gateways.client import MISSING_OBJECT
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceState
from billing.models import Subscription
from common import audit, outbox
from common.clock import database_now

log = structlog.get_logger(__name__)

WAIVE = "billing.tasks.unpaid_waive"
CREDIT_REASON = "order_change"  # one of Stripe's


def unpaid_waive_promise(subscription: Subscription, *, now: datetime) -> None:
    """In the transaction that ends it."""
    if subscription.stripe_subscription_id is not None:
        outbox.promise(WAIVE, {"stripe_subscription_id": subscription.stripe_subscription_id}, now=now)


def unpaid_waive(*, stripe_subscription_id: str, used_too: bool = False) -> list[str]:
    """Takes back what the ended subscription's open invoices ask for its time; ids of those touched.

    `used_too`: also what was used past the plan. Call it outside of transactions, as often as you like; still running,
    nothing happens. Raises PaymentProviderUnavailable while Stripe does not answer.
    """
    subscription = _ended(stripe_subscription_id)
    if subscription is None or not _has_ended_there(stripe_subscription_id):
        return []
    touched = []
    for invoice in gateway.invoices_open(subscription_id=stripe_subscription_id):
        minor = invoice.amount_remaining_minor if used_too else _time_minor(invoice)
        if minor > 0 and _take_back(subscription, invoice, minor):
            touched.append(invoice.id)
    return touched


def invoice_is_waived(invoice: InvoiceState) -> bool:
    """Whether it is one that must not be paid any more: for a subscription that has ended, not for use.

    Asks Stripe for the lines of an open invoice whose subscription has ended, and for nothing otherwise.
    """
    ended = _ended(invoice.subscription_id) if invoice.subscription_id else None
    return ended is not None and invoice.status == "open" and _time_minor(invoice) > 0


def subscription_has_ended(stripe_subscription_id: str | None) -> bool:
    return stripe_subscription_id is not None and _ended(stripe_subscription_id) is not None


def _ended(stripe_subscription_id: str) -> Subscription | None:
    return Subscription.objects.filter(
        stripe_subscription_id=stripe_subscription_id, ended_at__isnull=False
    ).first()


def _has_ended_there(stripe_subscription_id: str) -> bool:
    """What runs at Stripe is paid for, whatever we believe; and what it does not know, nothing is to be paid for."""
    try:
        state = gateway.subscription_get(stripe_subscription_id)
    except ProviderRefused as error:
        if error.provider_code != MISSING_OBJECT:
            raise
        return False
    if state.status not in ENDED:
        log.warning("not_waived_as_it_runs", stripe_subscription=stripe_subscription_id, status=state.status)
    return state.status in ENDED


def _time_minor(invoice: InvoiceState) -> int:
    """What is still asked for but use: in minor units, tax and discounts in it, credit notes taken off."""
    used = gateway.overage_on_invoice(invoice.id)
    time = invoice.total_minor - used - invoice.credited_minor
    return max(0, min(time, invoice.amount_remaining_minor))


def _take_back(subscription: Subscription, invoice: InvoiceState, minor: int) -> bool:
    """The whole invoice is voided; of one that also asks for use, its other part is credited."""
    key = f"subscription:{subscription.pk}:waive:{invoice.id}"
    try:
        if minor == invoice.amount_remaining_minor:
            gateway.invoice_void(invoice_id=invoice.id, key=f"{key}:void")
        else:
            gateway.credit_note_open(
                invoice_id=invoice.id, amount_minor=minor, reason=CREDIT_REASON, key=f"{key}:{minor}"
            )
    except ProviderRefused:
        if _is_closed(subscription, invoice):
            return False
        raise
    _record(subscription, invoice, minor)
    return True


def _is_closed(subscription: Subscription, invoice: InvoiceState) -> bool:
    """Whether it was paid or closed since it was read. What was paid at that very moment is for a person to give back."""
    now = gateway.invoice_get(invoice.id)
    if now is not None and now.amount_paid_minor > invoice.amount_paid_minor:
        metrics.coherence_errors_total.labels("ended_though_paid").inc()
        log.error("ended_though_paid", subscription=str(subscription.pk), stripe_invoice=invoice.id)
    return now is None or now.status != "open"


@transaction.atomic
def _record(subscription: Subscription, invoice: InvoiceState, minor: int) -> None:
    audit.record(
        actor=None,
        account_id=subscription.account_id,
        action="invoice.waived",
        subject=invoice.id,
        reason="subscription_ended",
        data={"subscription": str(subscription.pk), "amount_minor": minor, "currency": invoice.currency},
        now=database_now(),
    )
    log.info(
        "invoice_waived",
        account=subscription.account_id,
        subscription=str(subscription.pk),
        stripe_invoice=invoice.id,
        amount_minor=minor,
    )
