"""Disputes, recorded as Stripe shows them. They change neither the subscription nor access: a bank that asks has not
decided, and people decide what follows when it has.
"""

from datetime import datetime

import structlog
from django.db import transaction

from accounts.models import Account
from billing.gateways.stripe import gateway
from billing.gateways.values import DisputeState
from billing.locks import lock_account
from billing.models import Dispute
from common import audit
from common.clock import database_now
from common.locks import locked

log = structlog.get_logger(__name__)


def dispute_refresh(*, stripe_dispute_id: str) -> Dispute | None:
    """Makes our row what Stripe shows; None for a dispute of no account's payment.

    Call it outside of transactions, as often and in any order as you like.
    """
    # One reader after the other, so that what was read earlier is never written later.
    with locked(f"dispute:{stripe_dispute_id}"):
        read_at = database_now()
        state = gateway.dispute_get(stripe_dispute_id)
        if state is None:
            return None
        account = dispute_account(state)
        if account is None:
            log.warning("dispute_of_nobody", stripe_dispute=stripe_dispute_id)
            return None
        invoice_id = gateway.invoice_of_intent(state.intent_id) if state.intent_id else None
        return _write(account, state, invoice_id or "", read_at)


def dispute_account(state: DisputeState) -> Account | None:
    """Whose payment it was: the charge names its customer."""
    charge = gateway.charge_get(state.charge_id)
    if charge is None or charge.customer_id is None:
        return None
    return Account.objects.filter(stripe_customer_id=charge.customer_id).first()


@transaction.atomic
def _write(account: Account, state: DisputeState, invoice_id: str, read_at: datetime) -> Dispute:
    lock_account(account.pk)
    before = Dispute.objects.filter(stripe_id=state.id).values_list("status", flat=True).first()
    row, _is_new = Dispute.objects.update_or_create(
        stripe_id=state.id,
        defaults={
            "account": account,
            "stripe_charge_id": state.charge_id,
            "stripe_intent_id": state.intent_id or "",
            "stripe_invoice_id": invoice_id,
            "amount_minor": state.amount_minor,
            "currency": state.currency,
            "reason": state.reason,
            "status": state.status,
            "answer_by": state.answer_by,
            "opened_at": state.created_at,
            "stripe_read_at": read_at,
        },
    )
    if before != row.status:
        _record(row, before)
    return row


def _record(row: Dispute, before: str | None) -> None:
    data = {
        "from": before,
        "to": row.status,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "stripe_charge": row.stripe_charge_id,
    }
    audit.record(
        actor=None,
        account_id=row.account_id,
        action="dispute.opened" if before is None else "dispute.status_changed",
        subject=row.stripe_id,
        reason=row.reason,
        data=data,
        now=database_now(),
    )
    log.warning("dispute_changed", account=row.account_id, stripe_dispute=row.stripe_id, **data)
