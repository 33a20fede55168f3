"""Carrying out an overage charge that is written down: Stripe is called, and what came of it recorded.

Recording may fail after an accepted charge: the request goes on, and the sweep records.
"""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction

from billing import metrics
from billing.enums import ChargeStatus
from billing.errors import OverageChargeFailed, PaymentProviderUnavailable
from billing.gateways.invoice_items import InvoiceItemState
from billing.gateways.stripe import gateway
from billing.locks import lock_account
from billing.models import OverageCharge
from billing.selectors.credits import spent_minor
from billing.services.collecting import collection_promise
from billing.services.overage_told import overage_tell
from common.clock import database_now
from common.errors import DomainError
from quotas.errors import MeterUnavailable
from quotas.refusals import raise_for_refusal
from quotas.services import usage_consume, usage_release, usage_reverse, usage_settle
from quotas.values import Decision, Refusal

log = structlog.get_logger(__name__)

SUBJECT_LENGTH = 200


def overage_charge_run(charge: OverageCharge) -> OverageCharge:
    """Calls Stripe for an open intent and records what came of it. Unknown: it stays pending, for the sweep.

    Raises OverageChargeFailed when Stripe has certainly not taken it; the units are given back.
    """
    try:
        item = gateway.invoice_item_create(
            customer_id=str(charge.account.stripe_customer_id),
            subscription_id=str(charge.subscription.stripe_subscription_id),
            amount_minor=charge.amount_minor,
            currency=charge.currency,
            description=_description(charge),
            charge_ref=str(charge.pk),
            key=f"overage_charge:{charge.pk}:item",
        )
    except PaymentProviderUnavailable as error:
        if error.outcome_known:
            overage_charge_fail(charge, error.code)
            raise OverageChargeFailed(details={"overage_charge": str(charge.pk)}) from error
        found = _found(charge)
        if found is None:
            log.error("overage_outcome_unknown", **charge_log(charge))
            return charge
        item = found
    except DomainError as error:
        overage_charge_fail(charge, error.code)
        raise OverageChargeFailed(details={"overage_charge": str(charge.pk), "reason": error.code}) from error
    return overage_charge_accept(charge, item)


def _found(charge: OverageCharge) -> InvoiceItemState | None:
    """What Stripe shows of it now; None while it does not answer, or shows nothing yet."""
    try:
        return overage_item_find(charge)
    except PaymentProviderUnavailable:
        return None


def overage_item_find(charge: OverageCharge) -> InvoiceItemState | None:
    """The item at Stripe that carries this charge's id."""
    since = charge.requested_at - timedelta(minutes=5)
    items = gateway.invoice_items(customer_id=str(charge.account.stripe_customer_id), since=since)
    return next((item for item in items if item.charge_ref == str(charge.pk)), None)


def _description(charge: OverageCharge) -> str:
    return f"Overage: {charge.units} {charge.metric}"


def overage_charge_accept(charge: OverageCharge, item: InvoiceItemState) -> OverageCharge:
    """Stripe has taken it: says so, and records the use. Neither may fail the request that is paid: the sweep repeats.

    Raises OverageChargeFailed when it was given up meanwhile, or somebody has asked to take it back: nothing may be
    delivered for it.
    """
    charge.status, charge.stripe_item_id = ChargeStatus.ACCEPTED, item.id
    charge.stripe_invoice_id, charge.settled_at = item.invoice_id or "", database_now()
    try:
        _accepted(charge)
        if charge.status == ChargeStatus.ACCEPTED and charge.reversal_requested_at is None:
            overage_charge_record(charge)
    except (DatabaseError, MeterUnavailable) as error:
        metrics.coherence_errors_total.labels("overage_not_recorded").inc()
        log.exception("overage_not_recorded", error_type=type(error).__name__, **charge_log(charge))
    if charge.status != ChargeStatus.ACCEPTED:
        _take_off(charge, item)
    if charge.status != ChargeStatus.ACCEPTED or charge.reversal_requested_at is not None:
        raise OverageChargeFailed(details={"overage_charge": str(charge.pk), "status": charge.status})
    log.info("overage_charged", **charge_log(charge))
    return charge


@transaction.atomic
def _accepted(charge: OverageCharge) -> None:
    """Says that it is charged, unless somebody else has come to an end with it; `charge` shows what holds now."""
    lock_account(charge.account_id)
    taken = OverageCharge.objects.filter(pk=charge.pk, status=ChargeStatus.PENDING).update(
        status=charge.status,
        stripe_item_id=charge.stripe_item_id,
        stripe_invoice_id=charge.stripe_invoice_id,
        settled_at=charge.settled_at,
    )
    charge.refresh_from_db()
    if taken and charge.settled_at is not None:
        collection_promise(charge)
        overage_tell(charge, spent=spent_minor(charge.subscription), now=charge.settled_at)


def _take_off(charge: OverageCharge, item: InvoiceItemState) -> None:
    """Stripe's answer came when nobody waited for it any more and the units were given back: the item goes, too."""
    metrics.coherence_errors_total.labels("overage_answered_late").inc()
    log.error("overage_answered_late", late_item=item.id, **charge_log(charge))
    with suppress(PaymentProviderUnavailable):  # said above: what stays is for a person
        gateway.invoice_item_delete(item.id)


def overage_charge_record(charge: OverageCharge) -> None:
    """Count the units as used; where their reservation has given way meanwhile, count them anew, once."""
    decision = usage_settle(
        account_id=charge.account_id,
        reservation_id=charge.reservation_id,
        metric=charge.metric,
        key=f"spend:{charge.work_ref}",
    )
    late = decision.refusal == Refusal.RESERVATION_CLOSED
    record_id = raise_for_refusal(_count_late(charge) if late else decision).record_id
    OverageCharge.objects.filter(pk=charge.pk).update(record_id=record_id)
    charge.record_id = record_id
    if late:
        _undo_if_taken_back(charge)


def _count_late(charge: OverageCharge) -> Decision:
    return usage_consume(
        account_id=charge.account_id,
        metric=charge.metric,
        units=charge.total_units,
        key=f"late:{charge.pk}",
        credential_id=charge.credential_id,
        subject=charge.work_ref[:SUBJECT_LENGTH],
        request_id=charge.request_id,
        overage_units=charge.total_units,
        charged_units=charge.units,
    )


def _undo_if_taken_back(charge: OverageCharge) -> None:
    """It may have been a reversal that closed the reservation, and that has not seen what was counted just now."""
    charge.refresh_from_db()
    if charge.reversal_requested_at is not None and charge.record_id is not None:
        usage_reverse(
            account_id=charge.account_id,
            record_id=charge.record_id,
            reason=charge.reversal_reason,
            now=database_now(),
        )


def overage_charge_fail(charge: OverageCharge, code: str) -> OverageCharge:
    """Stripe has certainly not taken it: says so and gives the units back."""
    moment = database_now()
    OverageCharge.objects.filter(pk=charge.pk, status=ChargeStatus.PENDING).update(
        status=ChargeStatus.FAILED, settled_at=moment, error_code=code
    )
    charge.refresh_from_db()
    reservation_release(charge.account_id, charge.reservation_id, charge.metric)
    log.warning("overage_not_charged", **charge_log(charge))
    return charge


def reservation_release(account_id: int, reservation_id: UUID | None, metric: str) -> None:
    assert reservation_id is not None, "what is held has a reservation"
    usage_release(account_id=account_id, reservation_id=reservation_id, metric=metric)


def charge_log(charge: OverageCharge) -> dict[str, object]:
    """What a log line says of a charge."""
    return {
        "overage_charge": str(charge.pk),
        "account": charge.account_id,
        "status": charge.status,
        "amount_minor": charge.amount_minor,
        "work_ref": charge.work_ref,
        "stripe_item": charge.stripe_item_id,
        "charge_request_id": charge.request_id,
    }
