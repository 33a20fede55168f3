"""Money given back: refunds of charges, and credit notes that correct an invoice."""

from typing import Any

from sandbox.stripe.engine import invoicing, payments, taxes
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.store import Object, Tx


def refund(tx: Tx, charge: Object, amount: int | None, **fields: Any) -> Object:
    """Gives back part of a charge, or with None all that is left of it."""
    if charge["disputed"]:
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    left = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = left if amount is None else amount
    if not 0 < amount <= left:
        raise invalid(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", "amount"
        )
    made = _new_refund(tx, charge, amount, fields)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    emit(tx, "refund.created", made)
    emit_updated(tx, "charge.refunded", charge)
    return made


def _new_refund(tx: Tx, charge: Object, amount: int, fields: Object) -> Object:
    made: Object = {
        "id": tx.ids.new("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": tx.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {
            "card": {
                "reference": None,
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
    made |= fields
    made["balance_transaction"] = payments.balance_transaction(tx, made, kind="refund")["id"]
    return tx.add(made)


def charge_of(tx: Tx, invoice: Object) -> Object:
    """The charge that paid an invoice."""
    intent = tx.maybe("payment_intent", invoice["_payment_intent"])
    charge = tx.maybe("charge", intent["latest_charge"]) if intent else None
    if charge is None or charge["status"] != "succeeded":
        raise invalid("The invoice was not paid by a charge that could be refunded.", "refund_amount")
    return charge


# Credit notes --------------------------------------------------------------------------------------------------------


def note_lines(tx: Tx, invoice: Object, given: list[Object]) -> list[Object]:
    """The lines of a credit note, from what a request says of them."""
    return [_note_line(tx, invoice, row, f"lines[{index}]") for index, row in enumerate(given)]


def _note_line(tx: Tx, invoice: Object, row: Object, path: str) -> Object:
    source = None
    if row["type"] == "invoice_line_item":
        source = tx.get("line_item", row.get("invoice_line_item", ""), param=f"{path}[invoice_line_item]")
        if source["invoice"] != invoice["id"]:
            raise invalid("The line is not of this invoice.", f"{path}[invoice_line_item]")
    given_rates = taxes.checked(tx, row.get("tax_rates"), f"{path}[tax_rates]")
    rate_ids = given_rates or (taxes.rates_of(invoice, source) if source else [])
    quantity: int = row["quantity"] if "quantity" in row else source["quantity"] if source else 1
    amount = _note_amount(row, source, quantity, path)
    return {
        "id": tx.ids.new("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": row.get("description") or (source["description"] if source else None),
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": source["id"] if source else None,
        "livemode": False,
        "metadata": row.get("metadata") or {},
        "pretax_credit_amounts": [],
        "quantity": quantity,
        "tax_rates": taxes.shown(tx, rate_ids),
        "taxes": taxes.of_amount(tx, amount, rate_ids, invoice["customer_tax_exempt"] or "none"),
        "type": row["type"],
        "unit_amount": None if source else row.get("unit_amount"),
        "unit_amount_decimal": None if source else row.get("unit_amount_decimal"),
    }


def _note_amount(row: Object, source: Object | None, quantity: int, path: str) -> int:
    if "amount" in row:
        return int(row["amount"])
    if "unit_amount" in row:
        return int(row["unit_amount"]) * quantity
    if source is None:
        raise invalid("A custom line needs a unit_amount.", f"{path}[unit_amount]", "parameter_missing")
    net = source["amount"] - sum(part["amount"] for part in source["discount_amounts"])
    return int(net) * quantity // int(source["quantity"] or 1)


def whole_line(tx: Tx, invoice: Object, amount: int) -> Object:
    """One line for a credit note that only names an amount."""
    row = {"type": "custom_line_item", "description": "Credit", "unit_amount": amount, "quantity": 1}
    return _note_line(tx, invoice, row, "lines[0]")


def apply_note(tx: Tx, invoice: Object, note: Object, wanted: Object) -> None:
    """Before payment it lowers what is due; after payment it is refunded, credited, or settled elsewhere."""
    if invoice["status"] == "open":
        _lower(tx, invoice, note)
        return
    if invoice["status"] != "paid":
        raise invalid("You can only credit an invoice that is open or paid.", "invoice")
    already = invoice["post_payment_credit_notes_amount"]
    if note["total"] + already > invoice["amount_paid"] + max(0, invoice["starting_balance"] * -1):
        raise invalid("The credit note is larger than what was paid.", "amount")
    parts = [wanted.get(name, 0) for name in ("refund_amount", "credit_amount", "out_of_band_amount")]
    if sum(parts) != note["total"]:
        raise invalid(
            "The sum of credit_amount, refund_amount and out_of_band_amount must equal the credit note's total.",
            "amount",
        )
    note |= {
        "type": "post_payment",
        "post_payment_amount": note["total"],
        "out_of_band_amount": parts[2] or None,
    }
    invoice["post_payment_credit_notes_amount"] += note["total"]
    if parts[0]:
        _refund(tx, invoice, note, parts[0])
    if parts[1]:
        _credit(tx, invoice, note, parts[1])


def _lower(tx: Tx, invoice: Object, note: Object) -> None:
    if note["total"] > invoice["amount_remaining"]:
        raise invalid("The credit note is larger than what remains due.", "amount")
    note |= {"type": "pre_payment", "pre_payment_amount": note["total"]}
    invoice["pre_payment_credit_notes_amount"] += note["total"]
    change_due(tx, invoice, -note["total"])
    if invoice["amount_remaining"] == 0:
        invoicing.mark_paid(tx, invoice)


def change_due(tx: Tx, invoice: Object, amount: int) -> None:
    """Moves what an open invoice asks for, and its payment intent with it."""
    invoice["amount_due"] += amount
    invoice["amount_remaining"] += amount
    intent = tx.maybe("payment_intent", invoice["_payment_intent"])
    if intent is not None and intent["status"] in payments.OPEN:
        if invoice["amount_due"] > 0:
            intent["amount"] = invoice["amount_due"]
        else:
            payments.cancel(tx, intent, "void_invoice")
    for payment in tx.find("invoice_payment", invoice=invoice["id"]):
        if payment["status"] == "open":
            payment["amount_requested"] = invoice["amount_due"]


def _refund(tx: Tx, invoice: Object, note: Object, amount: int) -> None:
    made = refund(tx, charge_of(tx, invoice), amount)
    entry = {"amount_refunded": amount, "payment_record_refund": None, "refund": made["id"], "type": "refund"}
    note["refunds"].append(entry)


def _credit(tx: Tx, invoice: Object, note: Object, amount: int) -> None:
    customer = tx.get("customer", invoice["customer"])
    customer["balance"] -= amount
    row = invoicing.add_balance_transaction(
        tx, customer, -amount, "credit_note", credit_note=note["id"], invoice=invoice["id"]
    )
    note["customer_balance_transaction"] = row["id"]
    emit_updated(tx, "customer.updated", customer)
