"""Invoice items: what the next invoice will also ask for."""

from sandbox.stripe.engine import invoicing, lines, taxes
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.params import Params
from sandbox.stripe.render import renders
from sandbox.stripe.resources import catalogue
from sandbox.stripe.resources.common import assign, deleted
from sandbox.stripe.resources.customers import live_customer
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.store import Object, Tx


@renders("invoiceitem")
def _invoice_item(tx: Tx, item: Object) -> Object:
    return item | {"tax_rates": taxes.shown(tx, item["tax_rates"])}


@route("POST", "/v1/invoiceitems", "InvoiceItemCreateParams")
def create(tx: Tx, params: Params) -> Object:
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
        tax_rates=taxes.checked(tx, params.get("tax_rates"), "tax_rates"),
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
def retrieve(tx: Tx, params: Params, item_id: str) -> Object:
    return tx.get("invoiceitem", item_id)


@route("GET", "/v1/invoiceitems", "InvoiceItemListParams")
def list_(tx: Tx, params: Params) -> Object:
    equals = {"customer": params["customer"]} if "customer" in params else {}
    rows = tx.scan("invoiceitem", **equals)
    if "pending" in params:
        rows = [row for row in rows if (row["invoice"] is None) == params["pending"]]
    return page(tx, params, matching(rows, params, skip={"pending"}), "/v1/invoiceitems")


@route("POST", "/v1/invoiceitems/<item_id>", "InvoiceItemUpdateParams")
def update(tx: Tx, params: Params, item_id: str) -> Object:
    item = _pending_item(tx, item_id)
    assign(item, params, "description", "discountable")
    if "tax_rates" in params:
        item["tax_rates"] = taxes.checked(tx, params["tax_rates"], "tax_rates")
    if "amount" in params:
        item |= {
            "amount": params["amount"],
            "net_amount": params["amount"],
            "pricing": _unit_pricing(params["amount"]),
        }
    emit_updated(tx, "invoiceitem.updated", item)
    return item


@route("DELETE", "/v1/invoiceitems/<item_id>", "InvoiceItemDeleteParams")
def delete(tx: Tx, params: Params, item_id: str) -> Object:
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
