"""Accounts by what stands on invoices and in Stripe's dashboard."""

import re
from collections.abc import Iterable

from django.db.models import F
from djstripe.models import Invoice, WebhookEventTrigger

from accounts.admin.story import Finder, Found, register
from accounts.models import Account
from billing.models import (
    InvoicePayment,
    OverageCharge,
    PaymentAttempt,
    PlanChange,
    Refund,
    Subscription,
    UnpaidInvoice,
)
from billing.services.deliveries import KEY
from common.models import OutboxMessage

MOST = 50


def by_stripe_id(text: str) -> Iterable[Found]:
    found: set[tuple[int, str]] = set()
    if text.startswith("sub_"):
        found |= _accounts(Subscription.objects.filter(stripe_subscription_id=text), "Stripe subscription")
        found |= _accounts(PlanChange.objects.filter(stripe_subscription_id=text), "Stripe subscription")
    elif text.startswith("in_"):
        for model in (PaymentAttempt, PlanChange, InvoicePayment, Refund, OverageCharge):
            found |= _accounts(model.objects.filter(stripe_invoice_id=text), "Stripe invoice")
        found |= _of_customers(Invoice.objects.filter(id=text), "Stripe invoice")
    elif text.startswith(("ch_", "py_", "pi_")):
        found |= _accounts(PaymentAttempt.objects.filter(stripe_id=text), "payment")
        found |= _accounts(PaymentAttempt.objects.filter(stripe_intent_id=text), "payment")
    elif text.startswith("cn_"):
        found |= _accounts(Refund.objects.filter(stripe_credit_note_id=text), "credit note")
    elif text.startswith("evt_"):
        found |= _of_event(text)
    return (Found(account_id, by) for account_id, by in sorted(found))


def by_invoice_number(text: str) -> Iterable[Found]:
    if not re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)+", text):
        return []
    found = _of_customers(Invoice.objects.filter(stripe_data__number=text.upper()), "invoice number")
    unpaid = UnpaidInvoice.objects.filter(number=text.upper()).values_list(
        "subscription__account_id", flat=True
    )
    return (Found(one, by) for one, by in sorted(found | {(one, "invoice number") for one in unpaid}))


def by_card(text: str) -> Iterable[Found]:
    if not re.fullmatch(r"[0-9]{4}", text):
        return []
    rows = PaymentAttempt.objects.filter(card_last4=text).order_by("-attempted_at")
    return (
        Found(one, "card ends in it")
        for one in dict.fromkeys(rows.values_list("account_id", flat=True)[:1000])
    )


def _accounts(rows: object, by: str) -> set[tuple[int, str]]:
    return {(one, by) for one in rows.values_list("account_id", flat=True)[:MOST]}  # type: ignore[attr-defined]


def _of_customers(invoices: object, by: str) -> set[tuple[int, str]]:
    customers = invoices.annotate(of=F("stripe_data__customer")).values_list("of", flat=True)[:MOST]  # type: ignore[attr-defined]
    known = Account.objects.filter(stripe_customer_id__in=list(customers))
    return {(one, by) for one in known.values_list("pk", flat=True)}


def _of_event(event_id: str) -> set[tuple[int, str]]:
    promise = OutboxMessage.objects.filter(dedupe_key=f"{KEY}{event_id[:150]}").first()
    trigger = (
        WebhookEventTrigger.objects.filter(pk=promise.payload["trigger_id"]).first() if promise else None
    )
    if trigger is None:
        return set()
    thing = trigger.json_body["data"]["object"]
    customer = thing.get("id") if thing.get("object") == "customer" else thing.get("customer")
    known = (
        Account.objects.filter(stripe_customer_id=customer)
        if isinstance(customer, str)
        else Account.objects.none()
    )
    return {(one, "event from Stripe") for one in known.values_list("pk", flat=True)}


register(
    Finder("stripe", "billing.view_planchange", by_stripe_id),
    Finder("invoice", "billing.view_paymentattempt", by_invoice_number),
    Finder("card", "billing.view_paymentattempt", by_card),
)
