"""The record of every attempt to collect money, made what Stripe shows when asked.

A charge is one attempt. An intent that waits for the payer, or that failed without a charge, is one too, as long as
it says so. What Stripe refuses and forgets at once is recorded from its refusal.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q

from accounts.models import Account
from billing.enums import AttemptOutcome
from billing.errors import PaymentActionRequired, Refused
from billing.gateways.client import MISSING_METHOD
from billing.gateways.stripe import gateway
from billing.gateways.values import ChargeState, IntentState
from billing.locks import lock_account
from billing.models import InvoicePayment, PaymentAttempt, PlanChange
from common.clock import database_now
from common.locks import locked

log = structlog.get_logger(__name__)

OUTCOMES = {
    "succeeded": AttemptOutcome.SUCCEEDED,
    "pending": AttemptOutcome.PENDING,
    "failed": AttemptOutcome.FAILED,
}
# Stripe counts whole seconds: what it dates into the second of our request was caused by it.
TOLERANCE = timedelta(seconds=1)


def attempts_refresh(*, intent_id: str | None = None, invoice_id: str | None = None) -> int:
    """Records every attempt of a payment intent, or of all intents of an invoice; how many there are.

    Call it outside of transactions, as often and in any order as you like: what is written is what Stripe shows.
    """
    intents = (intent_id,) if intent_id else gateway.intents_of_invoice(str(invoice_id))
    return sum(_refresh(one, invoice_id) for one in intents)


def _refresh(intent_id: str, invoice_id: str | None) -> int:
    # One reader after the other, so that what was read earlier is never written later.
    with locked(f"payment_attempts:{intent_id}"):
        intent = gateway.payment_intent_get(intent_id)
        if intent is None or intent.customer_id is None:
            return 0
        account = Account.objects.filter(stripe_customer_id=intent.customer_id).first()
        if account is None:
            return 0
        charges = gateway.charges_of(intent_id)
        invoice = invoice_id or gateway.invoice_of_intent(intent_id) or ""
        return _write(account, intent, charges, invoice)


@transaction.atomic
def _write(account: Account, intent: IntentState, charges: tuple[ChargeState, ...], invoice_id: str) -> int:
    lock_account(account.pk)
    shared = {"account": account, "stripe_intent_id": intent.id, "stripe_invoice_id": invoice_id}
    for charge in charges:
        values = {
            **shared,
            "amount_minor": charge.amount_minor,
            "refunded_minor": charge.refunded_minor,
            "currency": charge.currency,
            "card_brand": charge.card_brand,
            "card_last4": charge.card_last4,
            "outcome": OUTCOMES[charge.status],
            "reason_code": charge.reason_code,
            "attempted_at": charge.created_at,
        }
        _keep(charge.id, values)
    held_up = _held_up(intent)
    if held_up is None:
        PaymentAttempt.objects.filter(stripe_id=intent.id).delete()
    else:
        outcome, reason = held_up
        values = {
            **shared,
            "amount_minor": intent.amount_minor,
            "currency": intent.currency,
            "card_brand": intent.card_brand,
            "card_last4": intent.card_last4,
            "outcome": outcome,
            "reason_code": reason,
            "attempted_at": intent.created_at,
        }
        _keep(intent.id, values)
    return len(charges) + (held_up is not None)


def _held_up(intent: IntentState) -> tuple[AttemptOutcome, str] | None:
    """What the intent itself says of an attempt that made no charge."""
    if intent.status == "requires_action":
        return AttemptOutcome.ACTION_REQUIRED, ""
    if intent.status == "requires_payment_method" and intent.reason_code and not intent.has_charge_error:
        return AttemptOutcome.FAILED, intent.reason_code
    return None


def _keep(stripe_id: str, values: dict[str, object]) -> None:
    row, _ = PaymentAttempt.objects.update_or_create(stripe_id=stripe_id, defaults=values)
    if not row.request_id and (request_id := _request_of(row)):
        PaymentAttempt.objects.filter(pk=row.pk).update(request_id=request_id)


def _request_of(row: PaymentAttempt) -> str:
    """The request of ours within which it was made; empty for what Stripe tried by itself."""
    if not row.stripe_invoice_id:
        return ""
    within = Q(requested_at__lte=row.attempted_at + TOLERANCE) & (
        Q(settled_at__isnull=True) | Q(settled_at__gte=row.attempted_at - TOLERANCE)
    )
    for model in (InvoicePayment, PlanChange):
        asked = model._default_manager.filter(
            within, account_id=row.account_id, stripe_invoice_id=row.stripe_invoice_id
        )
        found = asked.order_by("-requested_at").values_list("request_id", flat=True).first()
        if found:
            return str(found)
    return ""


def attempts_claim(*, invoice_id: str, request_id: str, since: datetime, until: datetime) -> None:
    """Says which request of ours led to an invoice's attempts, where those were recorded before that was known."""
    PaymentAttempt.objects.filter(
        stripe_invoice_id=invoice_id,
        request_id="",
        attempted_at__gte=since - TOLERANCE,
        attempted_at__lte=until + TOLERANCE,
    ).update(request_id=request_id)


def attempt_refused(
    *, account_id: int, error: Refused, invoice_id: str, amount_minor: int, currency: str, request_id: str
) -> None:
    """Records a refusal as Stripe told it in its answer: of a change that must be paid at once no trace remains there."""
    charge = error.charge
    stripe_id = charge.charge_id or charge.intent_id
    if not stripe_id or error.details.get("decline_code") == MISSING_METHOD:
        return  # nothing was attempted
    asks = isinstance(error, PaymentActionRequired)
    PaymentAttempt.objects.get_or_create(
        stripe_id=stripe_id,
        defaults={
            "account_id": account_id,
            "stripe_intent_id": charge.intent_id,
            "stripe_invoice_id": invoice_id,
            "amount_minor": amount_minor,
            "currency": currency,
            "card_brand": charge.card_brand,
            "card_last4": charge.card_last4,
            "outcome": AttemptOutcome.ACTION_REQUIRED if asks else AttemptOutcome.FAILED,
            "reason_code": "" if asks else charge.reason_code,
            "request_id": request_id,
            "attempted_at": database_now(),
        },
    )
