"""Invoices: made from lines, totalled, finalised, paid, voided. Previews are made by the same functions."""

from typing import Any

from sandbox.stripe import rules
from sandbox.stripe.engine import discounts, lines, payments
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated, on
from sandbox.stripe.rules import DAY_S
from sandbox.stripe.store import Object, Tx

INTENT_DESCRIPTIONS = {
    "subscription_create": "Subscription creation",
    "subscription_update": "Subscription update",
    "subscription_cycle": "Subscription update",
}


def new_invoice(
    tx: Tx,
    *,
    customer: Object,
    reason: str,
    sub: Object | None = None,
    period: tuple[int, int] | None = None,
    **fields: Any,
) -> Object:
    """An empty draft."""
    start, end = period or (tx.now, tx.now)
    preview_prefix = "upcoming_in" if tx.preview else "in"
    invoice: Object = {
        "id": tx.ids.new(preview_prefix),
        "object": "invoice",
        "account_country": "FR",
        "account_name": "Palier (sandbox)",
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": reason == "subscription_cycle",
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": sub["collection_method"] if sub else "charge_automatically",
        "created": tx.now,
        "currency": sub["currency"] if sub else customer["currency"] or "eur",
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": sub["description"] if sub else None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": _parent(sub),
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": end,
        "period_start": start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": customer["balance"],
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "test_clock": None,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
        "_payment_intent": None,
        "_token": tx.ids.token(40),
        "_retries": 0,
    }
    tx.add(invoice | fields)
    return tx.get("invoice", invoice["id"])


def _parent(sub: Object | None) -> Object | None:
    if sub is None:
        return None
    details = {"metadata": dict(sub["metadata"]), "subscription": sub["id"]}
    return {"type": "subscription_details", "subscription_details": details, "quote_details": None}


def subscription_id(invoice: Object) -> str | None:
    parent = invoice["parent"]
    return parent["subscription_details"]["subscription"] if parent else None


def lines_of(tx: Tx, invoice: Object) -> list[Object]:
    return tx.find("line_item", invoice=invoice["id"])


def add_line(tx: Tx, invoice: Object, line: Object) -> None:
    line["invoice"] = invoice["id"]
    tx.add(line)


def pending_items(tx: Tx, customer_id: str, currency: str, sub: Object | None) -> list[Object]:
    """The invoice items that the next invoice takes: those of this subscription, and those of none."""
    wanted: tuple[str | None, ...] = (None, sub["id"]) if sub else (None,)
    return [
        item
        for item in tx.find("invoiceitem", customer=customer_id)
        if item["invoice"] is None and item["currency"] == currency and _item_subscription(item) in wanted
    ]


def _item_subscription(item: Object) -> str | None:
    return item["parent"]["subscription_details"]["subscription"] if item["parent"] else None


def take_pending(tx: Tx, invoice: Object, sub: Object | None) -> None:
    for item in pending_items(tx, invoice["customer"], invoice["currency"], sub):
        add_invoice_item(tx, invoice, item)


def add_invoice_item(tx: Tx, invoice: Object, item: Object) -> None:
    item["invoice"] = invoice["id"]
    add_line(tx, invoice, lines.invoice_item_line(tx, item))


# Totals --------------------------------------------------------------------------------------------------------------


def total_up(tx: Tx, invoice: Object) -> None:
    """Sums the lines, takes discounts off, and meets the total with the customer's balance."""
    customer = tx.get("customer", invoice["customer"])
    rows = lines_of(tx, invoice)
    subtotal = sum(line["amount"] for line in rows)
    discounts.apply(tx, invoice, rows)
    total = subtotal - sum(row["amount"] for row in invoice["total_discount_amounts"])
    settled = rules.settle(total=total, balance=customer["balance"], currency=invoice["currency"])
    invoice |= {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": total,
        "starting_balance": customer["balance"],
        "amount_due": settled.amount_due,
        "amount_remaining": settled.amount_due,
        "_ending_balance": settled.ending_balance,
    }


def open_draft(tx: Tx, invoice: Object) -> None:
    """Announces a draft whose lines are complete."""
    total_up(tx, invoice)
    tx.made_invoices.append(invoice["id"])
    emit(tx, "invoice.created", invoice)


# Finalising ----------------------------------------------------------------------------------------------------------


def finalize(tx: Tx, invoice: Object) -> None:
    """Fixes the amounts, takes the balance, gives the number, and makes the payment intent when something is due."""
    if invoice["status"] != "draft":
        raise invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    total_up(tx, invoice)
    if tx.preview:
        return
    _take_balance(tx, invoice)
    base = f"{tx.base_url}/i/{invoice['_token']}"
    invoice |= {
        "status": "open",
        "number": _next_number(tx, invoice),
        "effective_at": tx.now,
        "hosted_invoice_url": base,
        "invoice_pdf": f"{base}/pdf",
        "automatically_finalizes_at": None,
    }
    invoice["status_transitions"]["finalized_at"] = tx.now
    if invoice["amount_due"] > 0:
        _expect_payment(tx, invoice)
    emit(tx, "invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        mark_paid(tx, invoice)


def _take_balance(tx: Tx, invoice: Object) -> None:
    customer = tx.get("customer", invoice["customer"])
    ending = invoice["_ending_balance"]
    invoice["ending_balance"] = ending
    change = ending - customer["balance"]
    if change:
        kind = "applied_to_invoice"
        if invoice["total"] < 0:
            kind = "invoice_too_large"
        elif change > 0 and invoice["total"] > 0:
            kind = "invoice_too_small"
        customer["balance"] = ending
        add_balance_transaction(
            tx, customer, change, kind, invoice=invoice["id"], currency=invoice["currency"]
        )
        emit_updated(tx, "customer.updated", customer)


def add_balance_transaction(tx: Tx, customer: Object, amount: int, kind: str, **fields: Any) -> Object:
    """The record of a change already made to the customer's balance."""
    return tx.add(
        {
            "id": tx.ids.new("cbtxn"),
            "object": "customer_balance_transaction",
            "amount": amount,
            "checkout_session": None,
            "created": tx.now,
            "credit_note": None,
            "currency": customer["currency"],
            "customer": customer["id"],
            "customer_account": None,
            "description": None,
            "ending_balance": customer["balance"],
            "invoice": None,
            "livemode": False,
            "metadata": {},
            "type": kind,
        }
        | fields
    )


def _next_number(tx: Tx, invoice: Object) -> str:
    customer = tx.get("customer", invoice["customer"])
    sequence = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = sequence + 1
    return f"{customer['invoice_prefix']}-{sequence:04d}"


def _expect_payment(tx: Tx, invoice: Object) -> None:
    if invoice["collection_method"] == "send_invoice":
        sub = tx.maybe("subscription", subscription_id(invoice))
        days = invoice.get("_days_until_due") if sub is None else sub["days_until_due"]
        invoice["due_date"] = tx.now + (days or 30) * DAY_S
    intent = payments.new_intent(
        tx,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=INTENT_DESCRIPTIONS.get(
            invoice["billing_reason"], f"Payment for Invoice {invoice['number']}"
        ),
        setup_future_usage="off_session" if subscription_id(invoice) else None,
        _invoice=invoice["id"],
    )
    invoice["_payment_intent"] = intent["id"]
    tx.add(
        {
            "id": tx.ids.new("inpay"),
            "object": "invoice_payment",
            "amount_paid": None,
            "amount_requested": invoice["amount_due"],
            "created": tx.now,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "livemode": False,
            "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        }
    )


# Collecting ----------------------------------------------------------------------------------------------------------


def default_of(tx: Tx, customer: Object) -> Object | None:
    """The customer's own default."""
    method = tx.maybe("payment_method", customer["invoice_settings"]["default_payment_method"])
    return method if method is not None and method["customer"] == customer["id"] else None


def default_method(tx: Tx, invoice: Object) -> Object | None:
    """The payment method that an automatic attempt uses."""
    sub = tx.maybe("subscription", subscription_id(invoice))
    for choice in (invoice["default_payment_method"], sub["default_payment_method"] if sub else None):
        method = tx.maybe("payment_method", choice)
        if method is not None and method["customer"] == invoice["customer"]:
            return method
    return default_of(tx, tx.get("customer", invoice["customer"]))


def collect(tx: Tx, invoice: Object, method: Object | None = None, *, off_session: bool = True) -> str:
    """One attempt to collect an open invoice. Answers the payment intent's status."""
    intent = tx.get("payment_intent", invoice["_payment_intent"])
    method = method or default_method(tx, invoice)
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    if method is None:
        result = "requires_payment_method"
        intent["last_payment_error"] = {
            "type": "invalid_request_error",
            "code": "resource_missing",
            "message": "This customer has no attached payment source or default payment method.",
        }
    else:
        result = payments.confirm(tx, intent, method, off_session=off_session)
    if result == "succeeded":
        return result
    _set_delinquent(tx, invoice, delinquent=True)
    plan_retry(tx, invoice)
    emit(tx, "invoice.payment_failed", invoice)
    if result == "requires_action":
        emit(tx, "invoice.payment_action_required", invoice)
    return result


def _set_delinquent(tx: Tx, invoice: Object, *, delinquent: bool) -> None:
    customer = tx.get("customer", invoice["customer"])
    customer["delinquent"] = delinquent
    emit_updated(tx, "customer.updated", customer)


def plan_retry(tx: Tx, invoice: Object) -> None:
    days = tx.settings.retry_days
    if not invoice["auto_advance"] or invoice["_retries"] >= len(days):
        invoice["next_payment_attempt"] = None
        return
    invoice["next_payment_attempt"] = tx.now + days[invoice["_retries"]] * DAY_S
    invoice["_retries"] += 1


@on("payment_intent.succeeded")
def _intent_succeeded(tx: Tx, intent: Object) -> None:
    invoice = tx.maybe("invoice", intent["_invoice"])
    if invoice is not None and invoice["status"] in ("open", "uncollectible"):
        invoice["attempted"] = True
        mark_paid(tx, invoice, amount=intent["amount"])


def mark_paid(tx: Tx, invoice: Object, *, amount: int = 0) -> None:
    invoice |= {
        "status": "paid",
        "attempted": True,
        "auto_advance": False,
        "amount_paid": amount,
        "amount_remaining": invoice["amount_due"] - amount,
        "next_payment_attempt": None,
    }
    invoice["status_transitions"]["paid_at"] = tx.now
    for payment in tx.find("invoice_payment", invoice=invoice["id"]):
        if payment["status"] == "open":
            payment |= {"status": "paid", "amount_paid": amount}
            payment["status_transitions"]["paid_at"] = tx.now
            emit(tx, "invoice_payment.paid", payment)
    _set_delinquent(tx, invoice, delinquent=False)
    emit_updated(tx, "invoice.updated", invoice)
    emit(tx, "invoice.paid", invoice)
    if amount or invoice["amount_due"] == 0:
        emit(tx, "invoice.payment_succeeded", invoice)


def close_unpaid(tx: Tx, invoice: Object, status: str) -> None:
    """To `void` or `uncollectible`."""
    allowed = {"void": ("open", "uncollectible"), "uncollectible": ("open",)}[status]
    if invoice["status"] not in allowed:
        word = "void" if status == "void" else "mark as uncollectible"
        raise invalid(
            f"You can only {word} an invoice that is {' or '.join(allowed)}.", code="invoice_not_editable"
        )
    moment = "voided_at" if status == "void" else "marked_uncollectible_at"
    invoice |= {"status": status, "auto_advance": False, "next_payment_attempt": None}
    invoice["status_transitions"][moment] = tx.now
    if status == "void":
        invoice["amount_remaining"] = invoice["amount_due"]
        _release_payment(tx, invoice)
        _give_back_balance(tx, invoice)
    emit(tx, "invoice.voided" if status == "void" else "invoice.marked_uncollectible", invoice)


def _release_payment(tx: Tx, invoice: Object) -> None:
    for payment in tx.find("invoice_payment", invoice=invoice["id"]):
        if payment["status"] == "open":
            payment["status"] = "canceled"
            payment["status_transitions"]["canceled_at"] = tx.now
    intent = tx.maybe("payment_intent", invoice["_payment_intent"])
    if intent is not None and intent["status"] in payments.OPEN:
        payments.cancel(tx, intent, "void_invoice")


def _give_back_balance(tx: Tx, invoice: Object) -> None:
    """What a voided invoice took from the customer's balance returns to it."""
    change = invoice["starting_balance"] - invoice["ending_balance"]
    if change:
        customer = tx.get("customer", invoice["customer"])
        customer["balance"] += change
        add_balance_transaction(
            tx,
            customer,
            change,
            "unapplied_from_invoice",
            invoice=invoice["id"],
            currency=invoice["currency"],
        )
        emit_updated(tx, "customer.updated", customer)
