"""Invoices, invoice items and invoice payments. The preview runs the real thing and keeps nothing."""

from sandbox.stripe.engine import collecting, discounts, invoicing, taxes
from sandbox.stripe.engine.refusals import card_error
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.params import Params, names
from sandbox.stripe.render import as_list, includes, render, renders
from sandbox.stripe.resources import payment_methods
from sandbox.stripe.resources.common import assign, deleted
from sandbox.stripe.resources.customers import live_customer
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.store import Object, Tx

EMBEDDED = 10


@renders("invoice")
def _invoice(tx: Tx, invoice: Object) -> Object:
    """The first lines are embedded; more are to be listed. A preview has all."""
    rows = invoicing.lines_of(tx, invoice)
    shown = rows if invoice["id"].startswith("upcoming") else rows[:EMBEDDED]
    listed = as_list([render(tx, line) for line in shown], f"/v1/invoices/{invoice['id']}/lines")
    invoice["default_tax_rates"] = taxes.shown(tx, invoice["default_tax_rates"])
    invoice["lines"] = listed | {"has_more": len(rows) > len(shown)}
    return invoice


@includes("invoice", "payments")
def _payments(tx: Tx, invoice: Object) -> Object:
    rows = tx.find("invoice_payment", invoice=invoice["id"])
    return render(tx, as_list(rows, f"/v1/invoice_payments?invoice={invoice['id']}"))


@includes("invoice", "confirmation_secret")
def _confirmation_secret(tx: Tx, invoice: Object) -> Object | None:
    stored = tx.peek("invoice", invoice["id"])
    intent = tx.peek("payment_intent", str(stored["_payment_intent"])) if stored else None
    if intent is None or invoice["status"] != "open":
        return None
    return {"client_secret": intent["client_secret"], "type": "payment_intent"}


# Reading -------------------------------------------------------------------------------------------------------------


@route("GET", "/v1/invoices/<invoice_id>", "InvoiceRetrieveParams")
def retrieve(tx: Tx, params: Params, invoice_id: str) -> Object:
    return tx.get("invoice", invoice_id)


@route("GET", "/v1/invoices", "InvoiceListParams")
def list_(tx: Tx, params: Params) -> Object:
    equals = {"customer": params["customer"]} if "customer" in params else {}
    rows = tx.scan("invoice", **equals)
    if "subscription" in params:
        rows = [row for row in rows if invoicing.subscription_id(row) == params["subscription"]]
    return page(tx, params, matching(rows, params, skip={"subscription"}), "/v1/invoices")


@route("GET", "/v1/invoices/<invoice_id>/lines", "InvoiceLineItemListParams")
def list_lines(tx: Tx, params: Params, invoice_id: str) -> Object:
    rows = invoicing.lines_of(tx, tx.get("invoice", invoice_id))
    return page(tx, params, rows, f"/v1/invoices/{invoice_id}/lines", newest_first=False)


@route("GET", "/v1/invoice_payments", "InvoicePaymentListParams")
def list_payments(tx: Tx, params: Params) -> Object:
    rows = tx.scan("invoice_payment")
    if "payment" in params:
        wanted = params["payment"]
        rows = [row for row in rows if all(row["payment"].get(name) == wanted[name] for name in wanted)]
    return page(tx, params, matching(rows, params, skip={"payment"}), "/v1/invoice_payments")


@route("GET", "/v1/invoice_payments/<payment_id>", "InvoicePaymentRetrieveParams")
def retrieve_payment(tx: Tx, params: Params, payment_id: str) -> Object:
    return tx.get("invoice_payment", payment_id)


# Making and changing -------------------------------------------------------------------------------------------------


@route("POST", "/v1/invoices", "InvoiceCreateParams")
def create(tx: Tx, params: Params) -> Object:
    if "customer" not in params:
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    customer = live_customer(tx, params["customer"])
    sub = (
        tx.get("subscription", params["subscription"], param="subscription")
        if "subscription" in params
        else None
    )
    customer["currency"] = customer["currency"] or params.get("currency", "eur")
    invoice = invoicing.new_invoice(tx, customer=customer, reason="manual", sub=sub)
    invoice["currency"] = params.get("currency", invoice["currency"])
    invoice["auto_advance"] = params.get("auto_advance", False)
    invoice["_days_until_due"] = params.get("days_until_due")
    assign(
        invoice, params, "description", "footer", "collection_method", "custom_fields", "statement_descriptor"
    )
    _set_default_method(tx, invoice, params)
    _set_tax_rates(tx, invoice, params)
    if "discounts" in params:
        invoice["discounts"] = discounts.redeem(tx, params["discounts"] or [], customer=customer["id"])
    wanted = params.get("pending_invoice_items_behavior", "include" if sub else "exclude")
    if wanted == "include":
        invoicing.take_pending(tx, invoice, sub, only_its_own=sub is not None)
    if invoice["auto_advance"]:
        invoice["automatically_finalizes_at"] = tx.now + 3600
    invoicing.open_draft(tx, invoice)
    return invoice


def _set_tax_rates(tx: Tx, invoice: Object, params: Params) -> None:
    if "default_tax_rates" in params:
        given = params["default_tax_rates"]
        invoice["default_tax_rates"] = taxes.checked(tx, given, "default_tax_rates")


def _set_default_method(tx: Tx, invoice: Object, params: Params) -> None:
    if params.get("default_payment_method"):
        given = params["default_payment_method"]
        method = payment_methods.of_customer(tx, given, invoice["customer"], "default_payment_method")
        invoice["default_payment_method"] = method["id"]


@route("POST", "/v1/invoices/<invoice_id>", "InvoiceUpdateParams")
def update(tx: Tx, params: Params, invoice_id: str) -> Object:
    invoice = tx.get("invoice", invoice_id)
    draft_only = names(params) - {"metadata", "auto_advance", "default_payment_method", "description"}
    if invoice["status"] != "draft" and draft_only:
        raise invalid(
            "Finalized invoices can't be updated in this way", min(draft_only), "invoice_not_editable"
        )
    assign(invoice, params, "auto_advance", "description", "footer", "collection_method", "custom_fields")
    _set_default_method(tx, invoice, params)
    _set_tax_rates(tx, invoice, params)
    if invoice["status"] == "draft":
        invoicing.total_up(tx, invoice)
    elif invoice["status"] == "open" and "auto_advance" in params:
        collecting.follow_auto_advance(tx, invoice)
    emit_updated(tx, "invoice.updated", invoice)
    return invoice


@route("DELETE", "/v1/invoices/<invoice_id>", "InvoiceDeleteParams")
def delete(tx: Tx, params: Params, invoice_id: str) -> Object:
    invoice = tx.get("invoice", invoice_id)
    if invoice["status"] != "draft" or invoice["parent"]:
        raise invalid(
            "You can only delete draft invoices that are not of a subscription.", code="invoice_not_editable"
        )
    emit(tx, "invoice.deleted", invoice)
    for line in invoicing.lines_of(tx, invoice):
        tx.remove("line_item", line["id"])
    for item in tx.find("invoiceitem", invoice=invoice_id):
        item["invoice"] = None
    tx.remove("invoice", invoice_id)
    return deleted(invoice)


@route("POST", "/v1/invoices/<invoice_id>/finalize", "InvoiceFinalizeInvoiceParams")
def finalize(tx: Tx, params: Params, invoice_id: str) -> Object:
    invoice = tx.get("invoice", invoice_id)
    assign(invoice, params, "auto_advance")
    invoicing.finalize(tx, invoice)
    return invoice


@route("POST", "/v1/invoices/<invoice_id>/pay", "InvoicePayParams")
def pay(tx: Tx, params: Params, invoice_id: str) -> Object:
    invoice = tx.get("invoice", invoice_id)
    if invoice["status"] == "draft":
        invoicing.finalize(tx, invoice)
        if invoice["status"] == "paid":
            return invoice
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(f"This invoice is {invoice['status']} and cannot be paid.", code="invoice_not_editable")
    if params.get("paid_out_of_band"):
        invoicing.mark_paid(tx, invoice)
        return invoice
    method = None
    if "payment_method" in params:
        method = payment_methods.of_customer(
            tx, params["payment_method"], invoice["customer"], "payment_method"
        )
    return _pay_now(tx, invoice, method, off_session=params.get("off_session", True))


def _pay_now(tx: Tx, invoice: Object, method: Object | None, *, off_session: bool) -> Object:
    if method is None and collecting.default_method(tx, invoice) is None:
        raise invalid(
            "There is no `default_payment_method` set on this Customer or Invoice. Please create a Payment Method or set "
            "a default to pay this invoice.",
            code="missing",
        )
    result = collecting.collect(tx, invoice, method, off_session=off_session)
    if result == "succeeded":
        return invoice
    intent = tx.get("payment_intent", invoice["_payment_intent"])
    if result == "requires_action":
        error = card_error(
            {
                "type": "card_error",
                "code": "invoice_payment_intent_requires_action",
                "message": "This payment requires additional user action before it can be completed successfully.",
            }
        )
    else:
        error = card_error(intent["last_payment_error"])
    error.body["payment_intent"] = intent
    raise error


@route("POST", "/v1/invoices/<invoice_id>/send", "InvoiceSendInvoiceParams")
def send(tx: Tx, params: Params, invoice_id: str) -> Object:
    """The mail itself is not written: the event tells of it."""
    invoice = tx.get("invoice", invoice_id)
    if invoice["collection_method"] != "send_invoice":
        raise invalid("You can only manually send an invoice if its collection method is 'send_invoice'.")
    if invoice["status"] == "draft":
        invoicing.finalize(tx, invoice)
    elif invoice["status"] not in ("open", "uncollectible"):
        raise invalid(f"This invoice is {invoice['status']} and cannot be sent.", code="invoice_not_editable")
    emit(tx, "invoice.sent", invoice)
    return invoice


@route("POST", "/v1/invoices/<invoice_id>/void", "InvoiceVoidInvoiceParams")
def void(tx: Tx, params: Params, invoice_id: str) -> Object:
    invoice = tx.get("invoice", invoice_id)
    invoicing.close_unpaid(tx, invoice, "void")
    return invoice


@route("POST", "/v1/invoices/<invoice_id>/mark_uncollectible", "InvoiceMarkUncollectibleParams")
def mark_uncollectible(tx: Tx, params: Params, invoice_id: str) -> Object:
    invoice = tx.get("invoice", invoice_id)
    invoicing.close_unpaid(tx, invoice, "uncollectible")
    return invoice
