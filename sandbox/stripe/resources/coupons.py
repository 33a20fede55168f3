"""Coupons, promotion codes, and discounts taken away again."""

from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.params import Params
from sandbox.stripe.render import includes, renders
from sandbox.stripe.resources.common import assign, deleted
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.store import Object, Tx


@route("POST", "/v1/coupons", "CouponCreateParams")
def create(tx: Tx, params: Params) -> Object:
    coupon_id = params.get("id") or tx.ids.token(8)
    if tx.peek("coupon", coupon_id) is not None:
        raise invalid("Coupon already exists.", "id", "resource_already_exists")
    _check(params)
    coupon: Object = {
        "id": coupon_id,
        "object": "coupon",
        "amount_off": params.get("amount_off"),
        "created": tx.now,
        "currency": params.get("currency"),
        "duration": params.get("duration", "once"),
        "duration_in_months": params.get("duration_in_months"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": {},
        "name": None,
        "percent_off": params.get("percent_off"),
        "redeem_by": params.get("redeem_by"),
        "times_redeemed": 0,
        "_products": (params.get("applies_to") or {}).get("products"),
    }
    assign(coupon, params, "name")
    tx.add(coupon)
    emit(tx, "coupon.created", coupon)
    return coupon


def _check(params: Params) -> None:
    if ("percent_off" in params) == ("amount_off" in params):
        raise invalid("You must pass one of amount_off or percent_off.", "percent_off")
    if not 0 < params.get("percent_off", 50) <= 100 or params.get("amount_off", 1) <= 0:
        raise invalid("A coupon takes off more than 0, and at most 100 %.", "percent_off")
    if "amount_off" in params and "currency" not in params:
        raise invalid("You must pass currency when passing amount_off", "currency", "parameter_missing")
    if (params.get("duration") == "repeating") != ("duration_in_months" in params):
        raise invalid("duration_in_months is for the duration repeating.", "duration_in_months")


@renders("coupon")
def _coupon(tx: Tx, coupon: Object) -> Object:
    used_up = coupon["max_redemptions"] is not None and coupon["times_redeemed"] >= coupon["max_redemptions"]
    over = coupon["redeem_by"] is not None and coupon["redeem_by"] <= tx.now
    return coupon | {"valid": not used_up and not over}


@includes("coupon", "applies_to")
def _applies_to(tx: Tx, coupon: Object) -> Object | None:
    stored = tx.peek("coupon", coupon["id"])
    return {"products": stored["_products"]} if stored and stored["_products"] else None


@route("GET", "/v1/coupons/<coupon_id>", "CouponRetrieveParams")
def retrieve(tx: Tx, params: Params, coupon_id: str) -> Object:
    return tx.get("coupon", coupon_id)


@route("POST", "/v1/coupons/<coupon_id>", "CouponUpdateParams")
def update(tx: Tx, params: Params, coupon_id: str) -> Object:
    coupon = tx.get("coupon", coupon_id)
    assign(coupon, params, "name")
    emit_updated(tx, "coupon.updated", coupon)
    return coupon


@route("DELETE", "/v1/coupons/<coupon_id>", "CouponDeleteParams")
def delete(tx: Tx, params: Params, coupon_id: str) -> Object:
    """Cannot be redeemed any more; discounts already given stay."""
    coupon = tx.get("coupon", coupon_id)
    if any(row["source"]["coupon"] == coupon_id for row in tx.find("discount")):
        coupon["redeem_by"] = tx.now
    else:
        tx.remove("coupon", coupon_id)
    emit(tx, "coupon.deleted", coupon)
    return deleted(coupon)


@route("GET", "/v1/coupons", "CouponListParams")
def list_(tx: Tx, params: Params) -> Object:
    return page(tx, params, matching(tx.scan("coupon"), params), "/v1/coupons")


# Promotion codes -----------------------------------------------------------------------------------------------------


NO_RESTRICTIONS: Object = {
    "first_time_transaction": False,
    "minimum_amount": None,
    "minimum_amount_currency": None,
}


def with_code(tx: Tx, code: str) -> list[Object]:
    """Codes are the same whatever their case."""
    return [row for row in tx.scan("promotion_code") if row["code"].lower() == code.lower()]


@route("POST", "/v1/promotion_codes", "PromotionCodeCreateParams")
def create_code(tx: Tx, params: Params) -> Object:
    coupon = tx.get("coupon", params["promotion"].get("coupon", ""), param="promotion[coupon]")
    code = params.get("code") or tx.ids.token(8).upper()
    if any(row["active"] for row in with_code(tx, code)):
        raise invalid(
            "An active promotion code with this code already exists.", "code", "resource_already_exists"
        )
    restrictions = dict(NO_RESTRICTIONS)
    restrictions |= params.get("restrictions") or {}
    if unknown := set(restrictions) - set(NO_RESTRICTIONS):
        raise invalid(f"{min(unknown)} is not spoken by this stand-in.", f"restrictions[{min(unknown)}]")
    promotion: Object = {
        "id": tx.ids.new("promo"),
        "object": "promotion_code",
        "active": params.get("active", True),
        "code": code,
        "created": tx.now,
        "customer": params.get("customer"),
        "customer_account": None,
        "expires_at": params.get("expires_at"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": params.get("metadata") or {},
        "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": restrictions,
        "times_redeemed": 0,
    }
    tx.add(promotion)
    emit(tx, "promotion_code.created", promotion)
    return promotion


@route("GET", "/v1/promotion_codes/<promotion_id>", "PromotionCodeRetrieveParams")
def retrieve_code(tx: Tx, params: Params, promotion_id: str) -> Object:
    return tx.get("promotion_code", promotion_id)


@route("POST", "/v1/promotion_codes/<promotion_id>", "PromotionCodeUpdateParams")
def update_code(tx: Tx, params: Params, promotion_id: str) -> Object:
    promotion = tx.get("promotion_code", promotion_id)
    assign(promotion, params, "active")
    emit_updated(tx, "promotion_code.updated", promotion)
    return promotion


@route("GET", "/v1/promotion_codes", "PromotionCodeListParams")
def list_codes(tx: Tx, params: Params) -> Object:
    rows = with_code(tx, params["code"]) if "code" in params else tx.scan("promotion_code")
    if "coupon" in params:
        rows = [row for row in rows if row["promotion"]["coupon"] == params["coupon"]]
    return page(tx, params, matching(rows, params, skip={"coupon", "code"}), "/v1/promotion_codes")


# Discounts -----------------------------------------------------------------------------------------------------------


@route("DELETE", "/v1/subscriptions/<sub_id>/discount", "SubscriptionDeleteDiscountParams")
def delete_discount(tx: Tx, params: Params, sub_id: str) -> Object:
    sub = tx.get("subscription", sub_id)
    if not sub["discounts"]:
        raise invalid("No active discount for subscription.", code="resource_missing")
    discount = tx.get("discount", sub["discounts"][-1])
    sub["discounts"] = []
    emit(tx, "customer.discount.deleted", discount)
    emit_updated(tx, "customer.subscription.updated", sub)
    return discount | {"deleted": True}
