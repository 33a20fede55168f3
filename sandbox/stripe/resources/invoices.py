"""Invoices, invoice items and invoice payments. The preview runs the real thing and keeps nothing."""

from sandbox.stripe.engine import discounts, due, invoicing, lines, payments, subscriptions
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.params import Params, names
from sandbox.stripe.render import as_list, includes, render, renders
from sandbox.stripe.resources import catalogue, customers, payment_methods
from sandbox.stripe.resources import subscriptions as subscription_calls
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
    rows = tx.find("invoice", **equals)
    if "subscription" in params:
        rows = [row for row in rows if invoicing.subscription_id(row) == params["subscription"]]
    return page(tx, params, matching(rows, params, skip={"subscription"}), "/v1/invoices")


@route("GET", "/v1/invoices/<invoice_id>/lines", "InvoiceLineItemListParams")
def list_lines(tx: Tx, params: Params, invoice_id: str) -> Object:
    rows = invoicing.lines_of(tx, tx.get("invoice", invoice_id))
    return page(tx, params, rows, f"/v1/invoices/{invoice_id}/lines", newest_first=False)


@route("GET", "/v1/invoice_payments", "InvoicePaymentListParams")
def list_payments(tx: Tx, params: Params) -> Object:
    rows = tx.find("invoice_payment")
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
    invoice = invoicing.new_invoice(
        tx, customer=customer, reason="subscription" if sub else "manual", sub=sub
    )
    invoice["currency"] = params.get("currency", invoice["currency"])
    invoice["auto_advance"] = params.get("auto_advance", False)
    invoice["_days_until_due"] = params.get("days_until_due")
    assign(
        invoice, params, "description", "footer", "collection_method", "custom_fields", "statement_descriptor"
    )
    _set_default_method(tx, invoice, params)
    if "discounts" in params:
        invoice["discounts"] = discounts.redeem(tx, params["discounts"] or [], customer=customer["id"])
    if sub or params.get("pending_invoice_items_behavior") == "include":
        invoicing.take_pending(tx, invoice, sub)
    if sub:
        sub["latest_invoice"] = invoice["id"]
    if invoice["auto_advance"]:
        invoice["automatically_finalizes_at"] = tx.now + 3600
    invoicing.open_draft(tx, invoice)
    return invoice


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
    if method is None and invoicing.default_method(tx, invoice) is None:
        raise invalid(
            "There is no `default_payment_method` set on this Customer or Invoice. Please create a Payment Method or set "
            "a default to pay this invoice.",
            code="missing",
        )
    result = invoicing.collect(tx, invoice, method, off_session=off_session)
    if result == "succeeded":
        return invoice
    intent = tx.get("payment_intent", invoice["_payment_intent"])
    if result == "requires_action":
        error = payments.card_error(
            {
                "type": "card_error",
                "code": "invoice_payment_intent_requires_action",
                "message": "This payment requires additional user action before it can be completed successfully.",
            }
        )
    else:
        error = payments.card_error(intent["last_payment_error"])
    error.body["payment_intent"] = intent
    raise error


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


# Previewing ----------------------------------------------------------------------------------------------------------


@route("POST", "/v1/invoices/create_preview", "InvoiceCreatePreviewParams")
def create_preview(tx: Tx, params: Params) -> Object:
    """Does what the described request would do, in a unit of work that is thrown away, and answers the invoice that
    comes of it: the one made at once, or else the next one that time brings."""
    tx.preview = tx.discard = True
    sub = _previewed(tx, params)
    for item in params.get("invoice_items") or []:
        _preview_item(tx, sub, item)
    if not tx.made_invoices:
        _bring_next(tx, sub)
    invoice = tx.get("invoice", tx.made_invoices[-1])
    if params.get("currency", invoice["currency"]) != invoice["currency"]:
        raise invalid(f"The currency must be {invoice['currency']}.", "currency")
    invoicing.finalize(tx, invoice)
    return invoice | {"billing_reason": "upcoming"}


def _previewed(tx: Tx, params: Params) -> Object:
    details = params.get("subscription_details") or {}
    if schedule_id := params.get("schedule"):
        schedule = tx.get("subscription_schedule", schedule_id, param="schedule")
        return _with_schedule(tx, tx.get("subscription", schedule["subscription"]), params)
    if "subscription" in params:
        sub = tx.get("subscription", params["subscription"], param="subscription")
        if sub["status"] in ("canceled", "incomplete_expired"):
            raise _none_upcoming(sub["customer"])
        if "schedule_details" in params:
            return _with_schedule(tx, sub, params)
        return _with_details(tx, sub, details, _discounts(params))
    if not details.get("items"):
        return _any_of_customer(tx, params)
    _refuse_others(details, PREVIEW_CREATE)
    created = details | {"customer": _for_whom(tx, params), "payment_behavior": "default_incomplete"}
    return subscription_calls.create(tx, created | _discounts(params))


def _refuse_others(details: Object, known: set[str]) -> None:
    for name in sorted(set(details) - known):
        raise invalid(f"{name} is not spoken by this stand-in.", f"subscription_details[{name}]")


PREVIEW_CREATE = {
    "items",
    "trial_end",
    "billing_cycle_anchor",
    "proration_behavior",
    "billing_mode",
    "cancel_at",
}
PREVIEW_UPDATE = {
    "items",
    "trial_end",
    "billing_cycle_anchor",
    "proration_behavior",
    "proration_date",
    "cancel_at",
    "cancel_at_period_end",
}


def _for_whom(tx: Tx, params: Params) -> str:
    """The customer; without one, a stranger who is forgotten with the preview."""
    if "customer" in params:
        return str(params["customer"])
    details = {
        name: value for name, value in (params.get("customer_details") or {}).items() if name == "address"
    }
    return str(customers.create(tx, details)["id"])


def _discounts(params: Params) -> Params:
    return {"discounts": params["discounts"]} if "discounts" in params else {}


def _any_of_customer(tx: Tx, params: Params) -> Object:
    if "customer" not in params:
        raise invalid(
            "You must pass one of customer, subscription, schedule or subscription_details.", "customer"
        )
    customer_id = live_customer(tx, params["customer"])["id"]
    live = [
        sub for sub in tx.find("subscription", customer=customer_id) if sub["status"] in subscriptions.LIVE
    ]
    if not live:
        raise _none_upcoming(customer_id)
    return min(live, key=lambda sub: subscriptions.period(sub)[1])


def _with_details(tx: Tx, sub: Object, details: Object, discounts_wanted: Params) -> Object:
    _refuse_others(details, PREVIEW_UPDATE | {"cancel_now"})
    change = details | discounts_wanted
    if details.get("cancel_now"):
        subscription_calls.cancel(tx, {"invoice_now": True, "prorate": True}, sub["id"])
    elif change:
        subscription_calls.update(tx, change, sub["id"])
    return sub


def _with_schedule(tx: Tx, sub: Object, params: Params) -> Object:
    from sandbox.stripe.resources.schedules import create as create_schedule
    from sandbox.stripe.resources.schedules import update as update_schedule

    details = params.get("schedule_details") or {}
    schedule = tx.maybe("subscription_schedule", sub["schedule"])
    if schedule is None:
        schedule = create_schedule(tx, {"from_subscription": sub["id"]})
    change = {
        name: details[name] for name in ("phases", "end_behavior", "proration_behavior") if name in details
    }
    if change:
        update_schedule(tx, change, schedule["id"])
    return sub


def _preview_item(tx: Tx, sub: Object, given: Object) -> None:
    params = {name: value for name, value in given.items() if name not in ("invoiceitem", "discounts")}
    create_item(tx, params | {"customer": sub["customer"], "subscription": sub["id"]})
    if tx.made_invoices:
        invoice = tx.get("invoice", tx.made_invoices[-1])
        invoicing.take_pending(tx, invoice, sub)


def _bring_next(tx: Tx, sub: Object) -> None:
    """Lets time pass for this subscription, in this unit of work only, until it makes an invoice."""
    while not tx.made_invoices:
        item = due.first_of(tx, sub)
        if item is None:
            raise _none_upcoming(sub["customer"])
        tx.now = max(tx.now, item.at)
        due.perform(tx, item)
        if sub["schedule"] is None and sub["status"] == "canceled":
            raise _none_upcoming(sub["customer"])


def _none_upcoming(customer_id: str) -> Exception:
    return invalid(f"No upcoming invoices for customer: {customer_id}", code="invoice_upcoming_none")


# Invoice items -------------------------------------------------------------------------------------------------------


@route("POST", "/v1/invoiceitems", "InvoiceItemCreateParams")
def create_item(tx: Tx, params: Params) -> Object:
    customer = live_customer(tx, params["customer"])
    sub = (
        tx.get("subscription", params["subscription"], param="subscription")
        if "subscription" in params
        else None
    )
    price = _item_price(tx, params)
    quantity = params.get("quantity", 1)
    unit = lines.unit_amount(price) if price else params.get("unit_amount")
    amount = params.get("amount") if unit is None else unit * quantity
    if amount is None:
        raise invalid("You must pass one of amount, price, or unit_amount.", "amount", "parameter_missing")
    currency = _item_currency(customer, sub, price, params)
    span = params.get("period") or {"start": tx.now, "end": tx.now}
    item = lines.new_invoice_item(
        tx,
        customer=customer["id"],
        amount=amount,
        currency=currency,
        period=(span["start"], span["end"]),
        description=params.get("description"),
        discountable=params.get("discountable", amount >= 0),
        metadata=params.get("metadata") or {},
        quantity=quantity,
        quantity_decimal=str(quantity),
        pricing=lines.pricing(price) or _unit_pricing(amount if unit is None else unit),
        parent=_item_parent(sub),
    )
    emit(tx, "invoiceitem.created", item)
    if "invoice" in params:
        _add_to_draft(tx, item, params["invoice"])
    return item


def _item_price(tx: Tx, params: Params) -> Object | None:
    if price_id := (params.get("pricing") or {}).get("price") or params.get("price"):
        return tx.get("price", price_id, param="pricing[price]")
    if "price_data" in params:
        return catalogue.price_from_data(tx, params["price_data"])
    return None


def _unit_pricing(unit: int) -> Object:
    return {"type": "price_details", "price_details": None, "unit_amount_decimal": str(unit)}


def _item_parent(sub: Object | None) -> Object | None:
    if sub is None:
        return None
    details = {"subscription": sub["id"], "subscription_item": None}
    return {"type": "subscription_details", "subscription_details": details}


def _item_currency(customer: Object, sub: Object | None, price: Object | None, params: Params) -> str:
    known = price["currency"] if price else sub["currency"] if sub else customer["currency"]
    currency = str(params.get("currency") or known or "eur").lower()
    if known and currency != known:
        raise invalid(f"The currency must be {known}.", "currency")
    customer["currency"] = customer["currency"] or currency
    return currency


def _add_to_draft(tx: Tx, item: Object, invoice_id: str) -> None:
    invoice = tx.get("invoice", invoice_id, param="invoice")
    if invoice["status"] != "draft":
        raise invalid("The invoice is no longer editable.", "invoice", "invoice_not_editable")
    invoicing.add_invoice_item(tx, invoice, item)
    invoicing.total_up(tx, invoice)
    emit_updated(tx, "invoice.updated", invoice)


@route("GET", "/v1/invoiceitems/<item_id>", "InvoiceItemRetrieveParams")
def retrieve_item(tx: Tx, params: Params, item_id: str) -> Object:
    return tx.get("invoiceitem", item_id)


@route("GET", "/v1/invoiceitems", "InvoiceItemListParams")
def list_items(tx: Tx, params: Params) -> Object:
    equals = {"customer": params["customer"]} if "customer" in params else {}
    rows = tx.find("invoiceitem", **equals)
    if "pending" in params:
        rows = [row for row in rows if (row["invoice"] is None) == params["pending"]]
    return page(tx, params, matching(rows, params, skip={"pending"}), "/v1/invoiceitems")


@route("POST", "/v1/invoiceitems/<item_id>", "InvoiceItemUpdateParams")
def update_item(tx: Tx, params: Params, item_id: str) -> Object:
    item = _pending_item(tx, item_id)
    assign(item, params, "description", "discountable")
    if "amount" in params:
        item |= {
            "amount": params["amount"],
            "net_amount": params["amount"],
            "pricing": _unit_pricing(params["amount"]),
        }
    emit_updated(tx, "invoiceitem.updated", item)
    return item


@route("DELETE", "/v1/invoiceitems/<item_id>", "InvoiceItemDeleteParams")
def delete_item(tx: Tx, params: Params, item_id: str) -> Object:
    item = _pending_item(tx, item_id)
    emit(tx, "invoiceitem.deleted", item)
    tx.remove("invoiceitem", item_id)
    return deleted(item)


def _pending_item(tx: Tx, item_id: str) -> Object:
    item = tx.get("invoiceitem", item_id)
    if item["invoice"] is not None:
        raise invalid(
            "This invoice item is on an invoice and can no longer be changed.", code="invoice_not_editable"
        )
    return item
