"""The durable receipt of a withdrawal."""

from functools import partial
from typing import Any
from uuid import UUID

import structlog

from billing.models import Withdrawal
from billing.rules.withdrawal import deadline
from common.mail import mail_send

log = structlog.get_logger(__name__)


def receipt_send(*, withdrawal_id: UUID) -> None:
    """Mails what was bought, when, when it was withdrawn from, and what is given back.

    Not to somebody who was erased meanwhile: their address is gone.
    """
    withdrawal = Withdrawal.objects.select_related(
        "account", "user", "subscription__price", "subscription__plan_version__plan"
    ).get(pk=withdrawal_id)
    user = withdrawal.user
    address = user.email if user else withdrawal.account.billing_email
    if not address or (user and not user.is_active):
        log.warning("receipt_without_address", withdrawal=str(withdrawal.pk))
        return
    mail_send(
        to=address,
        template="withdrawal",
        context=partial(receipt_context, withdrawal),
        language=user.language if user else "fr",
        zone=user.timezone if user else "Europe/Paris",
        message_id=f"withdrawal-{withdrawal.pk}",
    )


def receipt_context(withdrawal: Withdrawal) -> dict[str, Any]:
    """What the receipt says, by mail and on its page."""
    subscription = withdrawal.subscription
    return {
        "reference": str(withdrawal.pk),
        "name": withdrawal.account.name,
        "plan": subscription.plan.name,
        "interval": subscription.price.interval,
        "price": {"amount_minor": subscription.price.amount_minor, "currency": subscription.price.currency},
        "started_at": subscription.started_at,
        "deadline": deadline(subscription.started_at),
        "withdrawn_at": withdrawal.requested_at,
        "paid": {"amount_minor": withdrawal.paid_minor, "currency": withdrawal.currency},
        "refund": {"amount_minor": withdrawal.refund_minor, "currency": withdrawal.currency},
        "completed": withdrawal.completed_at is not None,
    }
