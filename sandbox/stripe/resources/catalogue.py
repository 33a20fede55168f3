"""Products and prices."""

from sandbox.stripe.engine import taxes
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.params import Params, names
from sandbox.stripe.render import includes, renders
from sandbox.stripe.resources.common import assign, deleted
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.store import Object, Tx

PRODUCT_PLAIN = (
    "active",
    "description",
    "images",
    "name",
    "shippable",
    "statement_descriptor",
    "unit_label",
    "url",
)
INTERVALS_MAX = {"day": 1095, "week": 156, "month": 36, "year": 3}


@route("POST", "/v1/products", "ProductCreateParams")
def create_product(tx: Tx, params: Params) -> Object:
    product_id = params.get("id") or tx.ids.new("prod")
    if tx.peek("product", product_id) is not None:
        raise invalid("Product already exists.", "id", "resource_already_exists")
    product: Object = {
        "id": product_id,
        "object": "product",
        "active": True,
        "created": tx.now,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": params.get("marketing_features") or [],
        "metadata": {},
        "name": params["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": params.get("tax_code"),
        "type": params.get("type", "service"),
        "unit_label": None,
        "updated": tx.now,
        "url": None,
    }
    assign(product, params, *PRODUCT_PLAIN)
    tx.add(product)
    if "default_price_data" in params:
        price = create_price(tx, params["default_price_data"] | {"product": product_id})
        product["default_price"] = price["id"]
    emit(tx, "product.created", product)
    return product


@route("GET", "/v1/products/<product_id>", "ProductRetrieveParams")
def retrieve_product(tx: Tx, params: Params, product_id: str) -> Object:
    return tx.get("product", product_id)


@route("POST", "/v1/products/<product_id>", "ProductUpdateParams")
def update_product(tx: Tx, params: Params, product_id: str) -> Object:
    product = tx.get("product", product_id)
    if "default_price" in params:
        tx.get("price", params["default_price"], param="default_price")
    assign(product, params, *PRODUCT_PLAIN, "default_price", "tax_code", "marketing_features")
    product["updated"] = tx.now
    emit_updated(tx, "product.updated", product)
    return product


@route("DELETE", "/v1/products/<product_id>", "ProductDeleteParams")
def delete_product(tx: Tx, params: Params, product_id: str) -> Object:
    product = tx.get("product", product_id)
    if tx.find("price", product=product_id):
        raise invalid("This product cannot be deleted because it has one or more user-created prices.")
    emit(tx, "product.deleted", product)
    tx.remove("product", product_id)
    return deleted(product)


@route("GET", "/v1/products", "ProductListParams")
def list_products(tx: Tx, params: Params) -> Object:
    rows = tx.scan("product")
    if "ids" in params:
        rows = [product for product in rows if product["id"] in params["ids"]]
    return page(tx, params, matching(rows, params, skip={"ids"}), "/v1/products")


# Prices --------------------------------------------------------------------------------------------------------------


@route("POST", "/v1/prices", "PriceCreateParams")
def create_price(tx: Tx, params: Params) -> Object:
    product_id = _product_of(tx, params)
    amount = _amount(params)
    price: Object = {
        "id": tx.ids.new("price"),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": "per_unit",
        "created": tx.now,
        "currency": params["currency"].lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": params.get("nickname"),
        "product": product_id,
        "recurring": _recurring(params.get("recurring")),
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if params.get("recurring") else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
    tx.add(price)
    assign(price, params)
    _set_lookup_key(tx, price, params)
    emit(tx, "price.created", price)
    return price


def _product_of(tx: Tx, params: Params) -> str:
    if "product_data" in params:
        data = {name: value for name, value in params["product_data"].items() if name != "tax_details"}
        return str(create_product(tx, data)["id"])
    if "product" not in params:
        raise invalid("You must provide one of product or product_data.", "product", "parameter_missing")
    return str(tx.get("product", params["product"], param="product")["id"])


def _amount(params: Params) -> int:
    """Whole minor units only; tiers, custom amounts and fractions of a cent are refused, not approximated."""
    spoken = {"per_unit", None}
    if params.get("billing_scheme") not in spoken or {
        "tiers",
        "custom_unit_amount",
        "transform_quantity",
    } & names(params):
        raise invalid(
            "Tiered, custom and transformed prices are not spoken by this stand-in.", "billing_scheme"
        )
    if "unit_amount" in params:
        return int(params["unit_amount"])
    decimal = params.get("unit_amount_decimal")
    if decimal is None:
        raise invalid("Missing required param: unit_amount.", "unit_amount", "parameter_missing")
    if "." in decimal:
        raise invalid("Fractions of a minor unit are not spoken by this stand-in.", "unit_amount_decimal")
    return int(decimal)


def _recurring(given: Object | None) -> Object | None:
    if given is None:
        return None
    count = given.get("interval_count", 1)
    if not 1 <= count <= INTERVALS_MAX[given["interval"]]:
        raise invalid("The interval of a price may be at most three years.", "recurring[interval_count]")
    if given.get("usage_type", "licensed") != "licensed":
        raise invalid("Metered prices are not spoken by this stand-in.", "recurring[usage_type]")
    return {
        "interval": given["interval"],
        "interval_count": count,
        "meter": None,
        "trial_period_days": given.get("trial_period_days"),
        "usage_type": "licensed",
    }


def _set_lookup_key(tx: Tx, price: Object, params: Params) -> None:
    key = params.get("lookup_key")
    if key is None:
        return
    for holder in tx.find("price", lookup_key=key) if key else []:
        if holder["id"] == price["id"]:
            continue
        if not params.get("transfer_lookup_key"):
            raise invalid(
                f"A price (`{holder['id']}`) already uses that lookup key.",
                "lookup_key",
                "resource_already_exists",
            )
        holder["lookup_key"] = None
        emit_updated(tx, "price.updated", holder)
    price["lookup_key"] = key or None


def price_from_data(tx: Tx, data: Object) -> Object:
    """The price that `price_data` describes: made at once, and not for sale to others."""
    price = create_price(tx, data)
    price["_ad_hoc"] = True
    return price


@route("GET", "/v1/prices/<price_id>", "PriceRetrieveParams")
def retrieve_price(tx: Tx, params: Params, price_id: str) -> Object:
    return tx.get("price", price_id)


@route("POST", "/v1/prices/<price_id>", "PriceUpdateParams")
def update_price(tx: Tx, params: Params, price_id: str) -> Object:
    price = tx.get("price", price_id)
    assign(price, params, "active", "nickname", "tax_behavior")
    _set_lookup_key(tx, price, params)
    emit_updated(tx, "price.updated", price)
    return price


@route("GET", "/v1/prices", "PriceListParams")
def list_prices(tx: Tx, params: Params) -> Object:
    rows = tx.scan("price")
    if "lookup_keys" in params:
        rows = [price for price in rows if price["lookup_key"] in params["lookup_keys"]]
    if "recurring" in params:
        wanted = params["recurring"]
        rows = [
            p for p in rows if p["recurring"] and all(p["recurring"][name] == wanted[name] for name in wanted)
        ]
    return page(tx, params, matching(rows, params, skip={"lookup_keys", "recurring"}), "/v1/prices")


def as_plan(price: Object) -> Object:
    """The plan, Stripe's older view of a recurring price."""
    recurring = price["recurring"]
    same = (
        "active",
        "billing_scheme",
        "created",
        "currency",
        "id",
        "livemode",
        "metadata",
        "nickname",
        "product",
    )
    return {name: price[name] for name in same} | {
        "object": "plan",
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "meter": None,
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": recurring["usage_type"],
    }


@renders("subscription_item")
def _item(tx: Tx, item: Object) -> Object:
    price = tx.get("price", item["price"])
    public = {name: value for name, value in price.items() if not name.startswith("_")}
    rates = taxes.shown(tx, item["tax_rates"])
    return item | {"price": public, "plan": as_plan(public), "tax_rates": rates}


@route("GET", "/v1/plans/<plan_id>", "PlanRetrieveParams")
def retrieve_plan(tx: Tx, params: Params, plan_id: str) -> Object:
    price = tx.get("price", plan_id)
    if price["recurring"] is None:
        raise invalid(f"No such plan: '{plan_id}'", "id", "resource_missing")
    return as_plan(price)


@includes("price", "currency_options")
def _currency_options(tx: Tx, price: Object) -> Object:
    """A price has one currency here: its own."""
    same = ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")
    return {price["currency"]: {name: price[name] for name in same}}


@includes("price", "tiers")
def _tiers(tx: Tx, price: Object) -> None:
    """Tiered prices are refused when made, so that there never are any."""


@route("GET", "/v1/products/<product_id>/features", "ProductListFeaturesParams")
def list_features(tx: Tx, params: Params, product_id: str) -> Object:
    """Entitlement features are not spoken: no product has any."""
    tx.get("product", product_id)
    return page(tx, params, [], f"/v1/products/{product_id}/features")
