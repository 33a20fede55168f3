"""Giving money back for a paid invoice: an intent, a credit note at Stripe with the refund to the card, the outcome.

An intent is never given up for want of an answer: the money is owed. The sweep looks for its credit note by our
reference, and where there is none and no call can be under way any more, asks again.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Account, User
from billing.enums import RefundKind, RefundStatus
from billing.errors import PaymentProviderUnavailable, ProviderRefused, RefundNotAllowed
from billing.gateways.client import LONGEST_CALL_S
from billing.gateways.stripe import gateway
from billing.gateways.values import CreditNoteState, InvoiceState
from billing.locks import lock_account
from billing.models import Refund
from billing.services.invoices import invoice_get
from billing.services.patience import Patience
from common import audit
from common.clock import database_now
from common.errors import IdempotencyKeyReused, ValidationError

log = structlog.get_logger(__name__)

PROVIDER_REASONS = {RefundKind.WITHDRAWAL: "order_change", RefundKind.SUPPORT: "product_unsatisfactory"}
LOOK_AFTER = timedelta(seconds=5)
ASK_AGAIN_AFTER = timedelta(seconds=LONGEST_CALL_S)
BATCH = 100


def invoice_refund(
    *,
    account: Account,
    invoice_id: str,
    amount_minor: int | None,
    reason: str,
    actor: User | None,
    idempotency_key: str | None,
    request_id: str,
    now: datetime,
) -> Refund:
    """Refunds a paid invoice to the card, whole (None: all that is left of it) or in part. For support.

    `reason` is required and audited. Raises NotFound, ValidationError, RefundNotAllowed; PaymentProviderUnavailable
    when Stripe's answer is missing: the refund is then pending and will be carried out.
    """
    if not reason.strip():
        raise ValidationError.of("reason", "required", _("Say why it is refunded."))
    if amount_minor is not None and amount_minor <= 0:
        raise ValidationError.of("amount_minor", "min_value", _("The amount must be more than 0."))
    invoice = invoice_get(account=account, invoice_id=invoice_id)
    refund = _open(
        account=account,
        invoice=invoice,
        amount_minor=amount_minor,
        idempotency_key=idempotency_key,
        fields={
            "user": actor,
            "reason": reason.strip()[:500],
            "request_id": request_id,
            "requested_at": now,
            "last_tried_at": now,
        },
    )
    return refund_run(refund)


@transaction.atomic
def _open(
    *,
    account: Account,
    invoice: InvoiceState,
    amount_minor: int | None,
    idempotency_key: str | None,
    fields: dict[str, object],
) -> Refund:
    lock_account(account.pk)
    if idempotency_key is not None:
        known = Refund.objects.filter(account=account, idempotency_key=idempotency_key).first()
        if known is not None:
            if known.stripe_invoice_id != invoice.id or amount_minor not in (None, known.amount_minor):
                raise IdempotencyKeyReused
            return known
    if Refund.objects.filter(stripe_invoice_id=invoice.id, status=RefundStatus.PENDING).exists():
        raise RefundNotAllowed(
            _("A refund of this invoice is on its way. Wait until it is done."),
            details={"reason": "refund_in_progress"},
        )
    left = refundable(invoice)
    if left == 0:
        raise RefundNotAllowed(
            _("Nothing of this invoice was paid, or all of it was refunded."), details={"reason": "not_paid"}
        )
    if amount_minor is not None and amount_minor > left:
        raise RefundNotAllowed(
            _("That is more than is left to refund."),
            details={"reason": "too_much", "refundable_minor": left},
        )
    refund = Refund.objects.create(
        account=account,
        kind=RefundKind.SUPPORT,
        stripe_invoice_id=invoice.id,
        amount_minor=amount_minor or left,
        currency=invoice.currency,
        idempotency_key=idempotency_key,
        **fields,
    )
    _record(refund, "requested", refund.requested_at)
    return refund


def refundable(invoice: InvoiceState) -> int:
    """What was paid for it in money and not given back yet, in minor units."""
    if invoice.status != "paid":
        return 0
    return max(invoice.amount_paid_minor - invoice.credited_minor, 0)


def refund_run(refund: Refund) -> Refund:
    """Carries an open refund out; settled before: nothing. Call it outside of transactions.

    The key is the intent's, so two at once make one credit note.
    """
    if refund.status != RefundStatus.PENDING:
        return refund
    try:
        note = gateway.credit_note_create(
            invoice_id=refund.stripe_invoice_id,
            amount_minor=refund.amount_minor,
            reason=PROVIDER_REASONS[RefundKind(refund.kind)],
            refund_ref=str(refund.pk),
            key=f"refund:{refund.pk}:credit_note",
        )
    except ProviderRefused as error:
        # Was it done before under a key that Stripe has forgotten, it refuses to give back more than was paid.
        found = _find(refund)
        return refund_settle(refund.pk, found) if found else _fail(refund.pk, error)
    return refund_settle(refund.pk, note)


def _find(refund: Refund) -> CreditNoteState | None:
    notes = gateway.credit_notes(invoice_id=refund.stripe_invoice_id)
    return next((note for note in notes if note.refund_ref == str(refund.pk)), None)


@transaction.atomic
def refund_settle(refund_id: UUID, note: CreditNoteState) -> Refund:
    """Records the credit note. Done before: nothing."""
    refund = _locked(refund_id)
    if refund.status == RefundStatus.DONE:
        return refund
    refund.status, refund.stripe_credit_note_id = RefundStatus.DONE, note.id
    refund.error_code = ""
    refund.settled_at = moment = database_now()
    refund.save()
    _record(refund, "done", moment)
    return refund


@transaction.atomic
def _fail(refund_id: UUID, error: ProviderRefused) -> Refund:
    refund = _locked(refund_id)
    if refund.status != RefundStatus.PENDING:
        return refund
    refund.status, refund.error_code = RefundStatus.FAILED, error.provider_code[:40] or error.code
    refund.settled_at = moment = database_now()
    refund.save()
    _record(refund, "failed", moment)
    log.error("refund_refused", refund=str(refund.pk), provider_code=error.provider_code)
    return refund


def _locked(refund_id: UUID) -> Refund:
    account_id = Refund.objects.values_list("account_id", flat=True).get(pk=refund_id)
    lock_account(account_id)
    return Refund.objects.select_for_update(no_key=True).get(pk=refund_id)


def _record(refund: Refund, what: str, moment: datetime) -> None:
    audit.record(
        actor=refund.user,
        account_id=refund.account_id,
        action=f"refund.{what}",
        subject=str(refund.pk),
        reason=refund.reason,
        data={
            "kind": refund.kind,
            "amount_minor": refund.amount_minor,
            "currency": refund.currency,
            "stripe_invoice": refund.stripe_invoice_id,
            "stripe_credit_note": refund.stripe_credit_note_id,
            "error_code": refund.error_code,
        },
        now=moment,
    )
    log.info(
        "refund_recorded",
        what=what,
        refund=str(refund.pk),
        account=refund.account_id,
        amount=refund.amount_minor,
    )


# Sweeping -----------------------------------------------------------------------------------------------------------


@dataclass
class RefundSweep:
    """Ids of open refunds, by what came of them."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    still_open: list[str] = field(default_factory=list)


def refunds_sweep(*, now: datetime, ask_again_after: timedelta = ASK_AGAIN_AFTER) -> RefundSweep:
    """Resolves refunds whose request died or never heard from Stripe; those of a withdrawal follow with it."""
    report, patience = RefundSweep(), Patience()
    waiting = Refund.objects.filter(
        status=RefundStatus.PENDING, withdrawal=None, last_tried_at__lt=now - LOOK_AFTER
    )
    for refund in patience.rows(waiting.order_by("last_tried_at")[:BATCH]):
        try:
            settled = refund_resolve(refund, now=now, ask_again_after=ask_again_after)
        except PaymentProviderUnavailable as error:
            patience.heard(error)
            settled = refund
        bucket = {RefundStatus.DONE.value: report.done, RefundStatus.FAILED.value: report.failed}
        bucket.get(settled.status, report.still_open).append(str(refund.pk))
    return report


def refund_resolve(refund: Refund, *, now: datetime, ask_again_after: timedelta = ASK_AGAIN_AFTER) -> Refund:
    """Finds out what became of a refund that was asked for, and asks again where it certainly did not happen."""
    note = _find(refund)
    if note is not None:
        return refund_settle(refund.pk, note)
    if refund.last_tried_at > now - ask_again_after:
        return refund
    Refund.objects.filter(pk=refund.pk).update(last_tried_at=now)
    return refund_run(refund)
