"""Taking a charge back, with all that was used for it: for work that could not be done.

Asked for first, in a row; then done in the meter and at Stripe, each once; what is left open the sweep repeats.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from billing.enums import ChargeStatus
from billing.errors import PaymentProviderUnavailable
from billing.gateways.stripe import gateway
from billing.locks import lock_account
from billing.models import OverageCharge
from billing.services.overage import Spend, hold_keys
from billing.services.overage_charges import charge_log, overage_item_find
from common.clock import database_now
from quotas.models import Reservation
from quotas.services import reservations_found, usage_release, usage_reverse

log = structlog.get_logger(__name__)


def spend_reverse(*, account_id: int, spend: Spend, reason: str, now: datetime) -> bool:
    """Undoes all that a spend took; whether it is all done. False: Stripe's part is under way and will be."""
    if spend.charge is not None:
        return overage_charge_reverse(charge_id=str(spend.charge.pk), reason=reason, now=now)
    _undo_use(account_id, spend.reservation_id, spend.record_id, reason, now)
    return True


def spend_cancel(*, account_id: int, key: str, reason: str, now: datetime) -> bool:
    """Undoes whatever `usage_spend` took under this `key`, however far it came; whether it is all done.

    For work whose spend nobody heard the end of. Only when no such call can be under way any more.
    """
    charge = OverageCharge.objects.filter(account_id=account_id, work_ref=key).first()
    if charge is not None:
        return overage_charge_reverse(charge_id=str(charge.pk), reason=reason, now=now)
    for held in reservations_found(account_id=account_id, keys=hold_keys(key)).values():
        _undo_use(account_id, str(held.pk), held.record_id, reason, now)
    return True


@transaction.atomic
def _ask(charge_id: str, reason: str, now: datetime) -> OverageCharge:
    account_id = OverageCharge.objects.values_list("account_id", flat=True).get(pk=charge_id)
    lock_account(account_id)
    charge = OverageCharge.objects.select_related("account").get(pk=charge_id)
    if charge.reversal_requested_at is None and charge.status in (
        ChargeStatus.PENDING,
        ChargeStatus.ACCEPTED,
    ):
        charge.reversal_requested_at, charge.reversal_reason = now, reason[:200]
        charge.save(update_fields=["reversal_requested_at", "reversal_reason"])
    return charge


def overage_charge_reverse(*, charge_id: str, reason: str, now: datetime) -> bool:
    """Takes the charge back at Stripe and its use back in the meter, once; whether both are done."""
    charge = _ask(charge_id, reason, now)
    if charge.status in (ChargeStatus.REVERSED, ChargeStatus.FAILED):
        return True
    _undo_use(charge.account_id, str(charge.reservation_id), charge.record_id, reason, now)
    try:
        return _undo_charge(charge)
    except PaymentProviderUnavailable:
        log.warning("overage_reversal_waits", **charge_log(charge))
        return False


def _undo_use(
    account_id: int, reservation_id: str, record_id: int | None, reason: str, now: datetime
) -> None:
    held = Reservation.objects.filter(pk=reservation_id, account_id=account_id).first()
    recorded = record_id or (held.record_id if held else None)
    if recorded is None and held is not None:
        usage_release(account_id=account_id, reservation_id=held.pk)
        held.refresh_from_db()
        recorded = held.record_id  # settled by a rival meanwhile
    if recorded is not None:
        usage_reverse(account_id=account_id, record_id=recorded, reason=reason, now=now)


def _undo_charge(charge: OverageCharge) -> bool:
    """Off the next invoice while it waits there; off, or back from, the invoice that it is on already."""
    item = (
        gateway.invoice_item_get(charge.stripe_item_id)
        if charge.stripe_item_id
        else overage_item_find(charge)
    )
    if item is None and charge.status == ChargeStatus.PENDING:
        return False  # the call may still be under way: the sweep decides when it cannot be any more
    note = ""
    if item is not None and item.invoice_id is None and not gateway.invoice_item_delete(item.id):
        item = gateway.invoice_item_get(item.id)  # invoiced at this very moment
    if item is not None and item.invoice_id is not None:
        invoice = gateway.invoice_get(item.invoice_id)
        if invoice is None or invoice.status == "draft":
            return False  # it is about to be finalized; then it is credited
        if invoice.status in ("open", "paid"):
            to_card = invoice.status == "paid" and invoice.amount_paid_minor >= charge.amount_minor
            note = gateway.overage_credit_note(
                invoice_id=invoice.id,
                amount_minor=charge.amount_minor,
                to_card=to_card,
                charge_ref=str(charge.pk),
                key=f"overage_charge:{charge.pk}:credit",
            )
    _reversed(charge, item.id if item else charge.stripe_item_id, note)
    return True


@transaction.atomic
def _reversed(charge: OverageCharge, item_id: str | None, note: str) -> None:
    lock_account(charge.account_id)
    moment = database_now()
    open_charges = OverageCharge.objects.filter(
        pk=charge.pk, status__in=[ChargeStatus.PENDING, ChargeStatus.ACCEPTED]
    )
    open_charges.update(
        status=ChargeStatus.REVERSED,
        stripe_item_id=item_id,
        stripe_credit_note_id=note,
        reversed_at=moment,
        settled_at=charge.settled_at or moment,
    )
    log.info("overage_reversed", credit_note=note, **charge_log(charge))


REVERSAL_PATIENCE = timedelta(seconds=5)
"""So long after a reversal was asked for the sweep leaves it to whoever asked."""
