"""Invoices: made from lines, totalled, finalised, paid, voided. Previews are made by the same functions."""

from typing import Any

from sandbox.stripe import rules
from sandbox.stripe.engine import discounts, lines, payments, taxes, templates
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.rules import DAY_S
from sandbox.stripe.store import Object, Tx, copied

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
        **copied(templates.INVOICE),
        "id": tx.ids.new(preview_prefix),
        "auto_advance": reason == "subscription_cycle",
        "billing_reason": reason,
        "collection_method": sub["collection_method"] if sub else "charge_automatically",
        "created": tx.now,
        "currency": sub["currency"] if sub else customer["currency"] or "eur",
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_ids": [_tax_id(row) for row in tx.find("tax_id", customer=customer["id"])],
        "customer_tax_exempt": customer["tax_exempt"],
        "default_tax_rates": list(sub["default_tax_rates"]) if sub else [],
        "description": sub["description"] if sub else None,
        "parent": _parent(sub),
        "period_end": end,
        "period_start": start,
        "starting_balance": customer["balance"],
        "test_clock": customer["test_clock"],
        "_token": tx.ids.token(40),
    }
    tx.add(invoice | fields)
    return tx.get("invoice", invoice["id"])


def _tax_id(row: Object) -> Object:
    return {"type": row["type"], "value": row["value"]}


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


def take_pending(tx: Tx, invoice: Object, sub: Object | None, *, only_its_own: bool = False) -> None:
    for item in pending_items(tx, invoice["customer"], invoice["currency"], sub):
        if only_its_own and item["parent"] is None:
            continue
        add_invoice_item(tx, invoice, item)


def add_invoice_item(tx: Tx, invoice: Object, item: Object) -> None:
    item["invoice"] = invoice["id"]
    add_line(tx, invoice, lines.invoice_item_line(tx, item))


# Totals --------------------------------------------------------------------------------------------------------------


def total_up(tx: Tx, invoice: Object) -> None:
    """Sums the lines, takes discounts off, adds taxes, and meets the total with the customer's balance."""
    customer = tx.get("customer", invoice["customer"])
    rows = lines_of(tx, invoice)
    subtotal = sum(line["amount"] for line in rows)
    discounts.apply(tx, invoice, rows)
    taxes.apply(tx, invoice, rows)
    net = subtotal - sum(row["amount"] for row in invoice["total_discount_amounts"])
    total = net + taxes.on_top(invoice["total_taxes"])
    settled = rules.settle(total=total, balance=customer["balance"], currency=invoice["currency"])
    invoice |= {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - taxes.within(tx, invoice, rows),
        "total": total,
        "total_excluding_tax": total - sum(tax["amount"] for tax in invoice["total_taxes"]),
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


# Settling -----------------------------------------------------------------------------------------------------------


def set_delinquent(tx: Tx, invoice: Object, *, delinquent: bool) -> None:
    customer = tx.get("customer", invoice["customer"])
    customer["delinquent"] = delinquent
    emit_updated(tx, "customer.updated", customer)


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
    set_delinquent(tx, invoice, delinquent=False)
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
