"""Invoice lines: of a subscription's period, of its prorations, of invoice items."""

from typing import Any

from sandbox.stripe import rules
from sandbox.stripe.store import Object, Tx


def unit_amount(price: Object) -> int:
    amount: int = price["unit_amount"] or 0
    return amount


def item_amount(tx: Tx, item: Object) -> int:
    """What a subscription item costs for one full period, in minor units."""
    return unit_amount(tx.get("price", item["price"])) * int(item["quantity"])


def product_name(tx: Tx, price: Object) -> str:
    product = tx.peek("product", price["product"])
    return str(product["name"]) if product else str(price["product"])


def counted_name(tx: Tx, item: Object) -> str:
    """`Basic`, or `3 × Basic`."""
    name = product_name(tx, tx.get("price", item["price"]))
    return name if item["quantity"] == 1 else f"{item['quantity']} × {name}"


def period_description(tx: Tx, item: Object, *, trial: bool) -> str:
    price = tx.get("price", item["price"])
    name = product_name(tx, price)
    if trial:
        return f"Trial period for {name}"
    recurring = price["recurring"]
    every = rules.interval_text(recurring["interval"], recurring["interval_count"])
    return f"{item['quantity']} × {name} (at {rules.money_text(unit_amount(price), price['currency'])} / {every})"


def pricing(price: Object | None) -> Object | None:
    if price is None:
        return None
    return {
        "type": "price_details",
        "price_details": {"price": price["id"], "product": price["product"]},
        "unit_amount_decimal": str(unit_amount(price)),
    }


def new_line(
    tx: Tx, *, amount: int, currency: str, period: tuple[int, int], parent: Object, **fields: Any
) -> Object:
    return {
        "id": tx.ids.new("il_tmp" if tx.preview else "il"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": None,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": parent,
        "period": {"start": period[0], "end": period[1]},
        "pretax_credit_amounts": [],
        "pricing": None,
        "quantity": 1,
        "quantity_decimal": "1",
        "subscription": None,
        "subtotal": amount,
        "taxes": [],
    } | fields


def item_parent(subscription_id: str, item_id: str, invoice_item: Object | None = None) -> Object:
    details: Object = {
        "invoice_item": invoice_item["id"] if invoice_item else None,
        "proration": bool(invoice_item and invoice_item["proration"]),
        "proration_details": {"credited_items": invoice_item["_credited"] if invoice_item else None},
        "subscription": subscription_id,
        "subscription_item": item_id,
    }
    return {
        "type": "subscription_item_details",
        "subscription_item_details": details,
        "invoice_item_details": None,
    }


def period_line(tx: Tx, sub: Object, item: Object, *, amount: int, trial: bool) -> Object:
    """The line of one item for the period it has now begun."""
    price = tx.get("price", item["price"])
    return new_line(
        tx,
        amount=amount,
        currency=sub["currency"],
        period=(item["current_period_start"], item["current_period_end"]),
        parent=item_parent(sub["id"], item["id"]),
        description=period_description(tx, item, trial=trial),
        metadata=dict(sub["metadata"]),
        pricing=pricing(price) if not trial else (pricing(price) or {}) | {"unit_amount_decimal": "0"},
        quantity=item["quantity"],
        quantity_decimal=str(item["quantity"]),
        subscription=sub["id"],
        _item=item["id"],
        _tax_rates=list(item["tax_rates"]),
    )


def invoice_item_line(tx: Tx, item: Object) -> Object:
    """The line that an invoice item becomes."""
    parent = item["parent"]["subscription_details"] if item["parent"] else None
    return new_line(
        tx,
        amount=item["amount"],
        currency=item["currency"],
        period=(item["period"]["start"], item["period"]["end"]),
        parent=_invoice_item_parent(item, parent),
        description=item["description"],
        discountable=item["discountable"],
        metadata=dict(item["metadata"] or {}),
        pricing=item["pricing"],
        quantity=item["quantity"],
        quantity_decimal=str(item["quantity"]),
        subscription=parent["subscription"] if parent else None,
        _invoice_item=item["id"],
        _tax_rates=list(item["tax_rates"]),
        _item=parent["subscription_item"] if parent else None,
    )


def _invoice_item_parent(item: Object, parent: Object | None) -> Object:
    if parent and parent["subscription_item"]:
        return item_parent(parent["subscription"], parent["subscription_item"], item)
    details = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": item["_credited"]},
        "subscription": parent["subscription"] if parent else None,
    }
    return {
        "type": "invoice_item_details",
        "invoice_item_details": details,
        "subscription_item_details": None,
    }


def new_invoice_item(
    tx: Tx, *, customer: str, amount: int, currency: str, period: tuple[int, int], **fields: Any
) -> Object:
    """An invoice item that waits for the next invoice."""
    item: Object = {
        "id": tx.ids.new("ii"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "date": tx.now,
        "description": None,
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": amount,
        "parent": None,
        "period": {"start": period[0], "end": period[1]},
        "pricing": None,
        "proration": False,
        "proration_details": None,
        "quantity": 1,
        "quantity_decimal": "1",
        "tax_rates": [],
        "test_clock": tx.get("customer", customer)["test_clock"],
        "_credited": None,
    }
    tx.add(item | fields)
    return tx.get("invoiceitem", item["id"])
