"""Changes that go on only when their payer does something: confirm for the bank, give a card, pay on Stripe's page.

Nothing is changed and nothing charged meanwhile. The row stays pending; the browser, a webhook or the sweep finds out
what the payer did, and another wish of the same account takes the place of one that waits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from billing.enums import ChangeStatus
from billing.errors import (
    PaymentActionRequired,
    PaymentProviderUnavailable,
    PlanChangeNotAllowed,
    ProviderRefused,
    confirm_remedies,
)
from billing.gateways.stripe import gateway
from billing.gateways.values import SubscriptionState
from billing.locks import lock_account, lock_plan_change
from billing.models import PlanChange
from billing.services.attempts import unknown_outcome
from billing.services.outcomes import change_fail, change_log, change_settle
from billing.services.readings import Reading, Shown, change_read, waits_until
from common.money import Money
from quotas.serialize import instant

log = structlog.get_logger(__name__)

NOT_CONFIRMED, REPLACED = "not_confirmed", "replaced"
MOST_TRIES = 5
Opened = TypeVar("Opened")


class WaitsInTheWay(Exception):
    """What was asked for is possible once this attempt, which waits for its payer, is out of the way."""

    def __init__(self, change: PlanChange) -> None:
        self.change = change
        super().__init__(str(change.pk))


@dataclass(frozen=True, slots=True)
class PaymentAction:
    """What a payer can do. `status` is the payment's at Stripe; `client_secret` None: it cannot be paid any more.

    `client_secret` opens this one payment to who holds it, together with the publishable key; it is told to the payer
    and written nowhere.
    """

    status: str
    client_secret: str | None
    hosted_url: str | None
    payment_method_id: str | None
    amount: Money | None
    expires_at: datetime | None


@transaction.atomic
def change_await_payer(
    *,
    change_id: UUID,
    since: datetime,
    until: datetime,
    state: SubscriptionState | None = None,
    checkout_session_id: str = "",
) -> PlanChange:
    """Records that Stripe waits for the payer. Recorded before, or settled: nothing."""
    account_id = PlanChange.objects.values_list("account_id", flat=True).get(pk=change_id)
    lock_account(account_id)
    change = lock_plan_change(change_id)
    if change.status != ChangeStatus.PENDING or change.awaiting_since is not None:
        return change
    change.awaiting_since, change.awaiting_until = since, max(until, since)
    change.checkout_session_id = checkout_session_id
    if state is not None:
        change.stripe_subscription_id = state.id
        change.stripe_invoice_id = state.latest_invoice_id or ""
    change.save()
    transaction.on_commit(lambda: log.info("plan_change_awaits_payer", **change_log(change)), robust=True)
    return change


def state_await_payer(*, change: PlanChange, state: SubscriptionState, read_at: datetime) -> PlanChange:
    """The same, for a subscription that shows it."""
    return change_await_payer(change_id=change.pk, since=read_at, until=waits_until(state), state=state)


def action_of(change: PlanChange) -> PaymentAction:
    """What the payer of a waiting change can do now, as Stripe shows it. Raises PaymentProviderUnavailable."""
    if change.checkout_session_id:
        session = gateway.checkout_get(change.checkout_session_id)
        status = "requires_payment_method" if session.status == "open" else session.status
        return PaymentAction(status, None, session.url, None, None, session.expires_at)
    invoice = gateway.invoice_to_pay(change.stripe_invoice_id)
    amount = Money(invoice.amount_due_minor, invoice.currency)
    if invoice.client_secret is None:
        return PaymentAction(invoice.status or "", None, None, None, amount, change.awaiting_until)
    intent = gateway.payer_intent_get(invoice.client_secret.partition("_secret_")[0])
    return PaymentAction(
        status=intent.status,
        client_secret=invoice.client_secret,
        hosted_url=invoice.hosted_url,
        payment_method_id=intent.payment_method_id,
        amount=amount,
        expires_at=change.awaiting_until,
    )


def action_json(change: PlanChange, action: PaymentAction) -> dict[str, object]:
    """In the API's form: what a program needs to let the payer go on."""
    return {
        "plan_change": str(change.pk),
        "status": action.status,
        "client_secret": action.client_secret,
        "publishable_key": settings.STRIPE_PUBLISHABLE_KEY,
        "confirm_url": settings.BASE_URL + reverse("plan_pay", kwargs={"change_id": change.pk}),
        "hosted_url": action.hosted_url,
        "amount": action.amount.as_json() if action.amount else None,
        "expires_at": instant(action.expires_at),
    }


def action_required(change: PlanChange) -> PaymentActionRequired | PaymentProviderUnavailable:
    """What is told to who asked for a change that now waits for its payer."""
    try:
        action = action_of(change)
        details = action_json(change, action)
        if action.client_secret is not None or action.hosted_url is not None:
            details["remedies"] = confirm_remedies(reverse("plan_pay", kwargs={"change_id": change.pk}))
        return PaymentActionRequired(details=details)
    except PaymentProviderUnavailable:
        return unknown_outcome(change)


# Finding out ---------------------------------------------------------------------------------------------------------


def change_follow(change: PlanChange) -> tuple[PlanChange, Reading]:
    """Asks Stripe for an open change and records what it shows. What Stripe does not know stays open.

    Call it as often as you like, outside of transactions. Raises PaymentProviderUnavailable.
    """
    reading = change_read(change)
    if reading.shown is Shown.DONE and reading.state is not None:
        return change_settle(change_id=change.pk, state=reading.state, read_at=reading.read_at), reading
    if reading.shown is Shown.OVER:
        return change_lapse(change, NOT_CONFIRMED), reading
    if reading.shown is Shown.WAITS and reading.state is not None:
        return state_await_payer(change=change, state=reading.state, read_at=reading.read_at), reading
    return change, reading


def change_lapse(change: PlanChange, reason: str) -> PlanChange:
    """The payer can no longer pay: nothing was changed or charged."""
    return change_fail(change_id=change.pk, error=PaymentActionRequired(details={"reason": reason}))


def change_replace(change: PlanChange) -> PlanChange:
    """Takes an attempt that waits for its payer out of another one's way, so that nobody can pay for it any more.

    Paid at the same moment, it is settled instead. PlanChangeNotAllowed when the bank is still at it.
    """
    try:
        if change.checkout_session_id and not change.stripe_subscription_id:
            gateway.checkout_expire(
                session_id=change.checkout_session_id, key=f"plan_change:{change.pk}:expire"
            )
        else:
            gateway.invoice_void(invoice_id=change.stripe_invoice_id, key=f"plan_change:{change.pk}:void")
    except ProviderRefused as error:  # paid, or closed, since we looked: Stripe says which
        log.info("attempt_was_closed", provider_code=error.provider_code, **change_log(change))
    reading = change_read(change)
    if reading.shown is Shown.DONE and reading.state is not None:
        return change_settle(change_id=change.pk, state=reading.state, read_at=reading.read_at)
    if reading.shown is Shown.WAITS:
        raise PlanChangeNotAllowed(
            _("A payment is being confirmed by the bank. Wait until that is done, then choose again."),
            details={"reason": "change_in_progress", "plan_change": str(change.pk)},
        )
    return change_lapse(change, REPLACED)


def way_made(opening: Callable[[], Opened]) -> Opened:
    """What `opening` gives, once attempts that wait for their payer are out of its way. They come from other tabs, so
    there may be a new one each time; whoever meets too many is told to wait.
    """
    for _attempt in range(MOST_TRIES):
        try:
            return opening()
        except WaitsInTheWay as found:
            in_the_way = found.change
            change_replace(in_the_way)
    raise PlanChangeNotAllowed(
        _("Another change is being carried out. Wait until it is done, then choose again."),
        details={"reason": "change_in_progress", "plan_change": str(in_the_way.pk)},
    )
