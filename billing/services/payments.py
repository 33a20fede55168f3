"""Paying an open invoice now: the intent is committed, Stripe is asked, the outcome is recorded and limits follow.

Any number of equal requests make one charge: one payment of an invoice is in flight at a time (the database says
so), and Stripe is given a key made from it. What stays unknown is pending until Stripe, asked again, shows it.
"""

import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Account, User
from billing import metrics
from billing.enums import PaymentStatus
from billing.errors import (
    PaymentActionRequired,
    PaymentFailed,
    PaymentProviderUnavailable,
    confirm_remedies,
)
from billing.gateways.client import LONGEST_CALL_S
from billing.gateways.effects import effects_watched
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceState
from billing.locks import lock_account
from billing.models import InvoicePayment
from billing.services.attempts import worded
from billing.services.card_choices import card_choice_open, card_choices_promptly
from billing.services.converge import subscription_refresh
from billing.services.customers import payment_method_use
from billing.services.invoices import invoice_get
from billing.services.patience import Patience
from billing.services.recorded import attempt_refused, attempts_refresh
from billing.services.waiving import invoice_is_waived, subscription_has_ended
from common import audit
from common.clock import database_now
from common.errors import DomainError, IdempotencyKeyReused, ValidationError

log = structlog.get_logger(__name__)

JOIN_WAIT_S = 20.0
POLL_S = 0.1
LOOK_AFTER = timedelta(seconds=5)
SETTLE_AFTER = timedelta(seconds=2 * LONGEST_CALL_S)
"""After this no call of a payment can be under way any more."""
BATCH = 100


def invoice_pay(
    *,
    account: Account,
    user: User | None,
    invoice_id: str,
    payment_method: str | None = None,
    idempotency_key: str | None = None,
    request_id: str,
    now: datetime,
) -> InvoiceState:
    """Pays the account's open invoice with the given card, or the one on file. The invoice afterwards.

    Paid already: nothing is charged. The same key again: the outcome there was. Raises NotFound for another's invoice, ValidationError for one that is not to
    be paid, PaymentFailed, PaymentActionRequired with `details.client_secret`, and PaymentProviderUnavailable with
    `details.status` = pending while the outcome is not known.
    """
    invoice = invoice_get(account=account, invoice_id=invoice_id)
    key = f"{user.pk if user else 0}:{idempotency_key}" if idempotency_key else None
    if (earlier := _with_key(account, key, invoice_id, payment_method)) is not None:
        return _answer(account, _await(earlier.pk))
    if invoice.status == "paid":
        _follow(invoice)
        return invoice
    if invoice.status != "open":
        raise ValidationError.of("invoice", "not_open", _("This invoice is not to be paid."))
    has_ended = subscription_has_ended(invoice.subscription_id)
    if has_ended and invoice_is_waived(invoice):
        raise _ended()
    method_id = payment_method_use(account=account, payment_method_id=payment_method)
    payment, is_new = _open(
        invoice,
        account=account,
        user=user,
        payment_method_id=method_id or "",
        request_id=request_id,
        idempotency_key=key,
        requested_at=now,
        has_ended=has_ended,
    )
    log.info("invoice_payment_requested", **_log(payment), joined=not is_new)
    if is_new:
        _run(payment)
    else:
        payment = _await(payment.pk)
    return _answer(account, payment)


@transaction.atomic
def _open(invoice: InvoiceState, *, has_ended: bool, **wanted: Any) -> tuple[InvoicePayment, bool]:
    """The intent; the one in flight where there is one. Refused when the subscription has ended since it was looked at."""
    lock_account(wanted["account"].pk)
    if not has_ended and subscription_has_ended(invoice.subscription_id):
        raise _ended()
    pending = InvoicePayment.objects.filter(
        stripe_invoice_id=invoice.id, status=PaymentStatus.PENDING
    ).first()
    if pending is not None:
        return pending, False
    payment = InvoicePayment.objects.create(
        **wanted,
        stripe_invoice_id=invoice.id,
        amount_minor=invoice.amount_remaining_minor,
        currency=invoice.currency,
        status=PaymentStatus.PENDING,
    )
    return payment, True


def _ended() -> ValidationError:
    return ValidationError.of(
        "invoice",
        "not_open",
        _("The subscription has ended. Nothing is to be paid for it any more, and nothing was charged."),
    )


def _with_key(
    account: Account, key: str | None, invoice_id: str, payment_method: str | None
) -> InvoicePayment | None:
    """The payment made under that key before. IdempotencyKeyReused when it was another one."""
    payment = InvoicePayment.objects.filter(account=account, idempotency_key=key).first() if key else None
    if payment is not None and (
        payment.stripe_invoice_id != invoice_id or payment.payment_method_id != (payment_method or "")
    ):
        raise IdempotencyKeyReused
    return payment


def _run(payment: InvoicePayment) -> None:
    """Asks Stripe and records what it says. An outcome that is not known leaves the intent open."""
    try:
        with effects_watched() as effects:
            invoice = gateway.invoice_pay(
                invoice_id=payment.stripe_invoice_id,
                payment_method_id=payment.payment_method_id or None,
                key=f"invoice_payment:{payment.pk}:pay",
            )
    except (PaymentFailed, PaymentActionRequired) as error:
        attempt_refused(
            account_id=payment.account_id,
            error=error,
            invoice_id=payment.stripe_invoice_id,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            request_id=payment.request_id,
        )
        _refused(payment.pk, error)
    except PaymentProviderUnavailable as error:
        _look(payment, error, has_no_effect=error.outcome_known or not effects.possible)
    else:
        _settle(payment.pk, invoice)


def _look(payment: InvoicePayment, error: PaymentProviderUnavailable, *, has_no_effect: bool) -> None:
    """What happened is asked of Stripe once, at once; when that is of no help either, the sweeper goes on asking, unless
    this payment has certainly not been made.
    """
    try:
        invoice = gateway.invoice_get(payment.stripe_invoice_id)
    except PaymentProviderUnavailable:
        invoice = None
    if invoice is not None and invoice.status == "paid":
        _settle(payment.pk, invoice)
    elif has_no_effect:
        _refused(payment.pk, error)


def _settle(payment_id: UUID, invoice: InvoiceState) -> None:
    """Paid: recorded, the card that paid is charged from now on, and the subscription made what Stripe shows, so that
    limits are back at once.
    """
    if invoice.status == "paid":
        payment = _record(payment_id, PaymentStatus.PAID)
        card_choices_promptly(account_id=payment.account_id)
    _follow(invoice)


def _follow(invoice: InvoiceState) -> None:
    """Access follows payment in this very request; where Stripe does not answer now, the event or the sweep does it."""
    try:
        if invoice.subscription_id is not None:
            subscription_refresh(stripe_subscription_id=invoice.subscription_id)
        attempts_refresh(invoice_id=invoice.id)
    except PaymentProviderUnavailable:
        log.warning("paid_and_not_followed_yet", stripe_invoice=invoice.id)


def _refused(payment_id: UUID, error: DomainError) -> None:
    asks = isinstance(error, PaymentActionRequired)
    _record(payment_id, PaymentStatus.ACTION_REQUIRED if asks else PaymentStatus.FAILED, error)


@transaction.atomic
def _record(payment_id: UUID, status: PaymentStatus, error: DomainError | None = None) -> InvoicePayment:
    """Writes an outcome. What is paid stays paid; what is settled changes only to paid."""
    account_id = InvoicePayment.objects.values_list("account_id", flat=True).get(pk=payment_id)
    lock_account(account_id)
    payment = InvoicePayment.objects.select_for_update(no_key=True).get(pk=payment_id)
    if payment.status == PaymentStatus.PAID or (
        payment.status != PaymentStatus.PENDING and status != PaymentStatus.PAID
    ):
        return payment
    payment.status, payment.settled_at = status, database_now()
    payment.error_code = error.code if error else ""
    payment.error_details = (
        {name: value for name, value in error.details.items() if name != "remedies"} if error else {}
    )
    payment.save()
    if status == PaymentStatus.PAID and payment.payment_method_id:
        card_choice_open(
            account_id=account_id,
            payment_method_id=payment.payment_method_id,
            cause=f"payment:{payment.pk}",
            now=payment.settled_at,
        )
    audit.record(
        actor=payment.user,
        account_id=account_id,
        action=f"invoice_payment.{status.value}",
        subject=payment.stripe_invoice_id,
        reason=payment.error_code,
        data={"amount_minor": payment.amount_minor, "currency": payment.currency},
        now=payment.settled_at,
    )
    metrics.invoice_payments_total.labels(status.value).inc()
    return payment


def _await(payment_id: UUID) -> InvoicePayment:
    """The outcome of the payment under way; still pending when that takes too long."""
    deadline = time.monotonic() + JOIN_WAIT_S
    while True:
        payment = InvoicePayment.objects.get(pk=payment_id)
        if payment.status != PaymentStatus.PENDING or time.monotonic() > deadline:
            return payment
        time.sleep(POLL_S)


def _answer(account: Account, payment: InvoicePayment) -> InvoiceState:
    """The recorded outcome as the caller hears it."""
    payment = InvoicePayment.objects.get(pk=payment.pk)
    if payment.status == PaymentStatus.PAID:
        return invoice_get(account=account, invoice_id=payment.stripe_invoice_id)
    if payment.status == PaymentStatus.FAILED:
        if payment.error_code == PaymentFailed.code:
            raise worded(PaymentFailed(details=payment.error_details))
        raise PaymentProviderUnavailable(details={"status": payment.status})
    if payment.status == PaymentStatus.ACTION_REQUIRED:
        raise _action_wanted(payment)
    raise PaymentProviderUnavailable(
        _(
            "The payment service did not answer. We are finding out whether the invoice was paid; look again in a minute."
        ),
        details={"payment": str(payment.pk), "status": payment.status},
    )


def _action_wanted(payment: InvoicePayment) -> PaymentActionRequired:
    """With the secret by which the browser asks the payer, and the page of Stripe's where it works without script."""
    invoice = gateway.invoice_get_to_confirm(payment.stripe_invoice_id)
    return PaymentActionRequired(
        _(
            "Your bank wants you to confirm this payment. Nothing was charged yet; confirm it and all is well."
        ),
        details={
            "client_secret": invoice.client_secret if invoice else None,
            "confirm_url": invoice.hosted_url if invoice else None,
            "invoice": payment.stripe_invoice_id,
            "remedies": confirm_remedies(
                reverse("invoice_confirm", kwargs={"invoice_id": payment.stripe_invoice_id})
            ),
        },
    )


# What was left open -------------------------------------------------------------------------------------------------


def invoice_payments_sweep(*, now: datetime, settle_after: timedelta = SETTLE_AFTER) -> list[str]:
    """Finds out what became of payments whose request died or never heard from Stripe. Ids of those settled.

    Stripe not showing the invoice paid counts as "did not happen" only when no call can be under way any more.
    """
    settled = []
    waiting = InvoicePayment.objects.filter(status=PaymentStatus.PENDING, requested_at__lt=now - LOOK_AFTER)
    patience = Patience()
    for payment in patience.rows(waiting.order_by("requested_at")[:BATCH]):
        try:
            invoice = gateway.invoice_get(payment.stripe_invoice_id)
        except PaymentProviderUnavailable as error:
            patience.heard(error)
            continue
        if invoice is not None and invoice.status == "paid":
            _settle(payment.pk, invoice)
        elif payment.requested_at < now - settle_after:
            unpaid = PaymentProviderUnavailable(details={"resolved": "not_paid_at_provider"})
            _record(payment.pk, PaymentStatus.FAILED, unpaid)
        else:
            continue
        settled.append(str(payment.pk))
    return settled


def invoice_payments_follow(invoice: InvoiceState) -> None:
    """An invoice that is paid, by whatever way: what waited for that is settled."""
    if invoice.status != "paid":
        return
    waiting = InvoicePayment.objects.filter(
        stripe_invoice_id=invoice.id, status__in=[PaymentStatus.PENDING, PaymentStatus.ACTION_REQUIRED]
    ).order_by("-requested_at")
    for payment in waiting[:1]:
        _record(payment.pk, PaymentStatus.PAID)


def _log(payment: InvoicePayment) -> dict[str, object]:
    return {
        "payment": str(payment.pk),
        "account": payment.account_id,
        "stripe_invoice": payment.stripe_invoice_id,
        "amount_minor": payment.amount_minor,
        "payment_request_id": payment.request_id,
    }
