"""Refunds and credit notes."""

from sandbox.stripe.engine import refunds, taxes
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.params import Params
from sandbox.stripe.render import as_list, render, renders
from sandbox.stripe.resources.common import assign
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.store import Object, Tx


@route("POST", "/v1/refunds", "RefundCreateParams")
def create(tx: Tx, params: Params) -> Object:
    if "charge" in params:
        charge = tx.get("charge", params["charge"], param="charge")
    elif "payment_intent" in params:
        intent = tx.get("payment_intent", params["payment_intent"], param="payment_intent")
        if intent["latest_charge"] is None or intent["status"] != "succeeded":
            raise invalid("This PaymentIntent does not have a successful charge to refund.", "payment_intent")
        charge = tx.get("charge", intent["latest_charge"])
    else:
        raise invalid("One of the following params should be provided: payment_intent or charge.", "charge")
    return refunds.refund(
        tx, charge, params.get("amount"), reason=params.get("reason"), metadata=params.get("metadata") or {}
    )


@route("GET", "/v1/refunds/<refund_id>", "RefundRetrieveParams")
def retrieve(tx: Tx, params: Params, refund_id: str) -> Object:
    return tx.get("refund", refund_id)


@route("POST", "/v1/refunds/<refund_id>", "RefundUpdateParams")
def update(tx: Tx, params: Params, refund_id: str) -> Object:
    refund = tx.get("refund", refund_id)
    assign(refund, params)
    emit_updated(tx, "refund.updated", refund)
    return refund


@route("GET", "/v1/refunds", "RefundListParams")
def list_(tx: Tx, params: Params) -> Object:
    return page(tx, params, matching(tx.scan("refund"), params), "/v1/refunds")


# Credit notes --------------------------------------------------------------------------------------------------------


@renders("credit_note")
def _credit_note(tx: Tx, note: Object) -> Object:
    url = f"/v1/credit_notes/{note['id']}/lines"
    rows = tx.find("credit_note_line_item", _note=note["id"])
    note["lines"] = as_list([render(tx, row) for row in rows], url)
    return note


@route("POST", "/v1/credit_notes", "CreditNoteCreateParams")
def create_note(tx: Tx, params: Params) -> Object:
    invoice = tx.get("invoice", params["invoice"], param="invoice")
    if params.get("refunds") or params.get("shipping_cost"):
        raise invalid(
            "refunds and shipping_cost are not spoken by this stand-in; use refund_amount.", "refunds"
        )
    note = _new_note(tx, invoice, params)
    rows = _rows(tx, invoice, params)
    subtotal = sum(row["amount"] for row in rows)
    total_taxes = taxes.summed([tax for row in rows for tax in row["taxes"]])
    total = subtotal + taxes.on_top(total_taxes)
    if total <= 0:
        raise invalid("A credit note must be for more than nothing.", "amount")
    for row in rows:
        tx.add(row | {"_note": note["id"]})
    without = total - sum(tax["amount"] for tax in total_taxes)
    note |= {"amount": total, "total": total, "total_taxes": total_taxes, "total_excluding_tax": without}
    note |= {"subtotal": subtotal, "subtotal_excluding_tax": without}
    tx.add(note)
    refunds.apply_note(tx, invoice, note, _settlement(invoice, params, total))
    emit(tx, "credit_note.created", note)
    emit_updated(tx, "invoice.updated", invoice)
    return note


def _rows(tx: Tx, invoice: Object, params: Params) -> list[Object]:
    if "lines" in params:
        return refunds.note_lines(tx, invoice, params["lines"])
    parts = [
        params[name] for name in ("refund_amount", "credit_amount", "out_of_band_amount") if name in params
    ]
    amount = params.get("amount", sum(parts) if parts else None)
    if amount is None:
        raise invalid("You must pass one of amount or lines.", "amount", "parameter_missing")
    return [refunds.whole_line(tx, invoice, amount)]


def _settlement(invoice: Object, params: Params, total: int) -> Object:
    """What was not divided goes back the way it came: to the customer's balance."""
    names = ("refund_amount", "credit_amount", "out_of_band_amount")
    given = {name: params[name] for name in names if name in params}
    if invoice["status"] == "paid" and not given:
        return {"credit_amount": total}
    return given


def _new_note(tx: Tx, invoice: Object, params: Params) -> Object:
    count = len(tx.find("credit_note", invoice=invoice["id"])) + 1
    note_id = tx.ids.new("cn")
    return {
        "id": note_id,
        "object": "credit_note",
        "amount": 0,
        "amount_shipping": 0,
        "created": tx.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": params.get("effective_at", tx.now),
        "invoice": invoice["id"],
        "livemode": False,
        "memo": params.get("memo"),
        "metadata": params.get("metadata") or {},
        "number": f"{invoice['number']}-CN-{count:02d}",
        "out_of_band_amount": None,
        "pdf": f"{tx.base_url}/credit_notes/{note_id}/pdf",
        "post_payment_amount": 0,
        "pre_payment_amount": 0,
        "pretax_credit_amounts": [],
        "reason": params.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "total": 0,
        "total_excluding_tax": 0,
        "total_taxes": [],
        "type": "post_payment",
        "voided_at": None,
    }


@route("POST", "/v1/credit_notes/<note_id>/void", "CreditNoteVoidCreditNoteParams")
def void_note(tx: Tx, params: Params, note_id: str) -> Object:
    note = tx.get("credit_note", note_id)
    invoice = tx.get("invoice", note["invoice"])
    if note["status"] != "issued" or note["type"] != "pre_payment" or invoice["status"] != "open":
        raise invalid("You can only void a credit note that is issued for an open invoice.")
    note |= {"status": "void", "voided_at": tx.now}
    invoice["pre_payment_credit_notes_amount"] -= note["total"]
    refunds.change_due(tx, invoice, note["total"])
    emit(tx, "credit_note.voided", note)
    emit_updated(tx, "invoice.updated", invoice)
    return note


@route("GET", "/v1/credit_notes/preview", "CreditNotePreviewParams")
def preview_note(tx: Tx, params: Params) -> Object:
    tx.preview = tx.discard = True
    return create_note(tx, params)


@route("GET", "/v1/credit_notes/preview/lines", "CreditNotePreviewLinesListParams")
def preview_note_lines(tx: Tx, params: Params) -> Object:
    paging = ("limit", "starting_after", "ending_before")
    note = preview_note(tx, {name: value for name, value in params.items() if name not in paging})
    rows = tx.scan("credit_note_line_item", _note=note["id"])
    return page(tx, params, rows, "/v1/credit_notes/preview/lines", newest_first=False)


@route("GET", "/v1/credit_notes/<note_id>", "CreditNoteRetrieveParams")
def retrieve_note(tx: Tx, params: Params, note_id: str) -> Object:
    return tx.get("credit_note", note_id)


@route("POST", "/v1/credit_notes/<note_id>", "CreditNoteUpdateParams")
def update_note(tx: Tx, params: Params, note_id: str) -> Object:
    note = tx.get("credit_note", note_id)
    assign(note, params, "memo")
    emit_updated(tx, "credit_note.updated", note)
    return note


@route("GET", "/v1/credit_notes", "CreditNoteListParams")
def list_notes(tx: Tx, params: Params) -> Object:
    return page(tx, params, matching(tx.scan("credit_note"), params), "/v1/credit_notes")


@route("GET", "/v1/credit_notes/<note_id>/lines", "CreditNoteLineItemListParams")
def list_note_lines(tx: Tx, params: Params, note_id: str) -> Object:
    rows = tx.scan("credit_note_line_item", _note=tx.get("credit_note", note_id)["id"])
    return page(tx, params, rows, f"/v1/credit_notes/{note_id}/lines", newest_first=False)
