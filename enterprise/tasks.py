"""What Celery does for organisations. The rules are in services."""

from __future__ import annotations

import structlog
from celery import shared_task

from common import clock
from common.outbox import outbox_task
from enterprise.services.closing import CLOSE, closing_carry_out
from enterprise.services.invitations import MAIL, invitation_mail_send
from enterprise.services.key_reminders import keys_remind as remind_of_keys
from enterprise.services.period_invoices import period_invoices_carry_out, periods_close

log = structlog.get_logger(__name__)


@shared_task(name="enterprise.tasks.contract_periods_invoice")
def contract_periods_invoice() -> None:
    """Beat: closes the periods that are over, and brings their invoices to their end."""
    now = clock.now()
    closed = periods_close(now=now)
    report = period_invoices_carry_out(now=now)
    if closed or any(report.values()):
        log.info("contract_periods_invoiced", closed=closed, **report)


@outbox_task(MAIL, atomic=False)
def invitation_mail(*, invitation_id: int) -> None:
    """An invitation, by e-mail. Sent again after a crash it carries the same Message-ID and the same link."""
    invitation_mail_send(invitation_id=invitation_id, now=clock.now())


@outbox_task(CLOSE, atomic=False)
def organisation_close(*, account_id: int, user_id: int, request_id: str) -> None:
    """Finish what a request began; until Stripe has answered it is tried again."""
    closing_carry_out(account_id=account_id, user_id=user_id, request_id=request_id, now=clock.now())


@shared_task(name="enterprise.tasks.keys_remind")
def keys_remind() -> None:
    """Beat: tells of API keys whose time is near."""
    if told := remind_of_keys(now=clock.now()):
        log.info("keys_reminded", told=told)
