"""What tests of overdue payments do over and over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from accounts.models import Account
from billing.gateways.client import api
from billing.gateways.values import InvoiceState
from billing.models import InvoicePayment, PaymentAttempt, Subscription, UnpaidInvoice
from billing.services import invoice_pay, payment_method_add, payment_method_make_default
from billing.services.converge import subscription_refresh
from billing.tests.conftest import Travel, person
from billing.tests.helpers import ask, messages_limit, state, subscription
from common.clock import database_now

GOOD, REFUSED, ASKS = "pm_card_visa", "pm_card_chargeCustomerFail", "pm_card_authenticationRequired"
# `standing` of an overdue_person, unpaid and paid
GRACE, CURED = ("basic", "past_due", "grace", 50, 1), ("basic", "active", "full", 50, 0)


def new_card(account: Account, card: str) -> str:
    """Put on file and charged from now on; its id."""
    method = payment_method_add(account=account, payment_method_id=card)
    payment_method_make_default(account=account, payment_method_id=method.id)
    return method.id


def overdue_person(travel: Travel, plan: str = "basic", card: str = REFUSED) -> tuple[Account, datetime]:
    """Somebody whose renewal has just been refused; and when it was."""
    account = person()
    ask(account, plan)
    new_card(account, card)
    failed_at = subscription(account).current_period_end
    assert failed_at is not None
    travel.to(failed_at, sweep=False)
    refresh(account)
    return account, failed_at


def refresh(account: Account) -> None:
    subscription_refresh(stripe_subscription_id=str(stripe_id(account)))


def stripe_id(account: Account) -> str | None:
    rows = Subscription.objects.filter(account=account, stripe_subscription_id__isnull=False)
    return rows.order_by("-started_at").values_list("stripe_subscription_id", flat=True).first()


def open_invoice(account: Account) -> str:
    return UnpaidInvoice.objects.get(subscription__account=account).stripe_invoice_id


def pay_elsewhere(invoice_id: str, **params: Any) -> None:
    """As the portal, the hosted page or support in Stripe's dashboard do."""
    api().invoices.pay(invoice_id, params)


def pay(account: Account, invoice_id: str | None = None, **more: Any) -> InvoiceState:
    """Now, by our own button."""
    return invoice_pay(
        account=account,
        user=account.personal_owner,
        invoice_id=invoice_id or open_invoice(account),
        request_id="req-pay-now",
        now=database_now(),
        **more,
    )


def payment(account: Account) -> InvoicePayment:
    """The newest of ours."""
    return InvoicePayment.objects.filter(account=account).latest("requested_at")


def charged(travel: Travel) -> list[int]:
    """What was taken from cards, oldest first."""
    rows = [one for one in state(travel.stand_in)["charges"].values() if one["status"] == "succeeded"]
    return [one["amount"] for one in sorted(rows, key=lambda one: one["created"])]


def standing(account: Account) -> tuple[str, str, str, int | None, int]:
    """Plan, status, access as written, messages a day, unpaid invoices."""
    ours = subscription(account)
    unpaid = UnpaidInvoice.objects.filter(subscription=ours).count()
    return ours.plan.code, ours.status, ours.access, messages_limit(account), unpaid


def outcomes(account: Account) -> list[str]:
    rows = PaymentAttempt.objects.filter(account=account).order_by("attempted_at", "stripe_id")
    return [one.outcome for one in rows]


def in_days(count: float) -> datetime:
    return database_now() + timedelta(days=count)
