"""Subscription items: made, changed and removed by a request's `items`."""

from typing import Any

from sandbox.stripe.engine import taxes
from sandbox.stripe.errors import invalid
from sandbox.stripe.store import Object, Tx, copied

MAX_ITEMS = 20


def new_item(tx: Tx, sub_id: str, price: Object, given: Object) -> Object:
    return {
        "id": tx.ids.new("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": tx.now,
        "current_period_end": 0,
        "current_period_start": 0,
        "discounts": [],
        "metadata": given.get("metadata") or {},
        "price": price["id"],
        "quantity": given.get("quantity", 1),
        "subscription": sub_id,
        "tax_rates": taxes.checked(tx, given.get("tax_rates"), "items[tax_rates]"),
    }


def price_for(tx: Tx, given: Object, path: str, make_price: Any) -> Object:
    """The recurring, active price that an item names, or that its `price_data` describes."""
    if "price_data" in given:
        price: Object = make_price(tx, given["price_data"])
    elif price_id := given.get("price") or given.get("plan"):
        price = tx.get("price", price_id, param=f"{path}[price]")
    else:
        raise invalid(f"Missing required param: {path}[price].", f"{path}[price]", "parameter_missing")
    if not price["active"]:
        raise invalid(
            "The price specified is inactive. This field only accepts active prices.", f"{path}[price]"
        )
    if price["recurring"] is None:
        raise invalid(
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
            f"{path}[price]",
        )
    return price


def check_together(tx: Tx, data: list[Object], currency: str | None) -> None:
    """Stripe's rules for the items of one subscription. Mixed intervals are not spoken here."""
    if not data:
        raise invalid("A subscription must have at least one active plan.", "items")
    if len(data) > MAX_ITEMS:
        raise invalid(f"A subscription may have up to {MAX_ITEMS} items.", "items")
    prices = [tx.get("price", item["price"]) for item in data]
    cycles = {(p["recurring"]["interval"], p["recurring"]["interval_count"]) for p in prices}
    currencies = {p["currency"] for p in prices} | ({currency} if currency else set())
    if len(cycles) > 1 or len(currencies) > 1:
        raise invalid(
            "Currency and interval fields must match across all plans on this subscription.", "items"
        )
    if len({p["id"] for p in prices}) < len(prices):
        raise invalid("Cannot add multiple subscription items with the same plan.", "items")


def changed(tx: Tx, sub: Object, given: list[Object], make_price: Any) -> list[Object]:
    """The items after `items` of an update: those with an id are changed or deleted, those without are added."""
    data: list[Object] = [copied(item) for item in sub["items"]["data"]]
    by_id = {item["id"]: item for item in data}
    for index, change in enumerate(given):
        path = f"items[{index}]"
        if "id" not in change:
            price = price_for(tx, change, path, make_price)
            added = new_item(tx, sub["id"], price, change)
            added |= {name: data[0][name] for name in ("current_period_start", "current_period_end")}
            data.append(added)
        elif change["id"] not in by_id:
            raise invalid(f"No such subscription item: {change['id']}", f"{path}[id]", "resource_missing")
        elif change.get("deleted"):
            data.remove(by_id[change["id"]])
        else:
            _change(tx, by_id[change["id"]], change, path, make_price)
    return data


def _change(tx: Tx, item: Object, change: Object, path: str, make_price: Any) -> None:
    if {"price", "plan", "price_data"} & set(change):
        item["price"] = price_for(tx, change, path, make_price)["id"]
        item["quantity"] = change.get("quantity", 1 if "price_data" in change else item["quantity"])
    if "quantity" in change:
        item["quantity"] = change["quantity"]
    if "tax_rates" in change:
        item["tax_rates"] = taxes.checked(tx, change["tax_rates"], "items[tax_rates]")
    if "metadata" in change:
        item["metadata"] = merged_metadata(item["metadata"], change["metadata"])


def merged_metadata(old: Object, given: Any) -> Object:
    """Stripe's metadata update: keys are merged, an empty value unsets a key, an empty string all of them."""
    if given == "":
        return {}
    return {key: value for key, value in (old | given).items() if value != ""}
