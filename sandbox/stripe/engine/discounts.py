"""What coupons take off an invoice."""

from sandbox.stripe import rules
from sandbox.stripe.engine import lines
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit
from sandbox.stripe.store import Object, Tx


def apply(tx: Tx, invoice: Object, rows: list[Object]) -> None:
    """Sets each line's share and the invoice's totals from `invoice["discounts"]`, one after the other."""
    for line in rows:
        line["discount_amounts"] = []
    totals = []
    for discount_id in invoice["discounts"]:
        discount = tx.get("discount", discount_id)
        coupon = tx.get("coupon", discount["source"]["coupon"])
        amount = _take_off(coupon, discount_id, [line for line in rows if _covers(coupon, line)])
        totals.append({"amount": amount, "discount": discount_id})
    invoice["total_discount_amounts"] = totals
    invoice["total_pretax_credit_amounts"] = [row | {"type": "discount"} for row in totals]


def _covers(coupon: Object, line: Object) -> bool:
    """Whether the coupon is for the line's product; most are for all."""
    if not coupon["_products"]:
        return True
    details = (line["pricing"] or {}).get("price_details")
    return details is not None and details["product"] in coupon["_products"]


def _take_off(coupon: Object, discount_id: str, rows: list[Object]) -> int:
    open_rows = [line for line in rows if line["discountable"] and _left(line) > 0]
    left = [_left(line) for line in open_rows]
    if coupon["percent_off"] is not None:
        amount = rules.percent_of(sum(left), coupon["percent_off"])
    else:
        amount = min(coupon["amount_off"], sum(left))
    for line, share in zip(open_rows, rules.allocate(amount, left), strict=True):
        line["discount_amounts"].append({"amount": share, "discount": discount_id})
    for line in open_rows:
        line["pretax_credit_amounts"] = [row | {"type": "discount"} for row in line["discount_amounts"]]
    return amount


def _left(line: Object) -> int:
    amount: int = line["amount"] - sum(row["amount"] for row in line["discount_amounts"])
    return amount


def take_off_items(tx: Tx, given: list[Object], rows: list[Object]) -> int:
    """Sets what coupons and promotion codes take off a Checkout session's items; the sum of it."""
    drafts = [_as_line(tx, row) for row in rows]
    for index, row in enumerate(given):
        coupon_id = row.get("coupon")
        if "promotion_code" in row:
            coupon_id = tx.get("promotion_code", row["promotion_code"], param="discounts")["promotion"][
                "coupon"
            ]
        coupon = tx.get("coupon", str(coupon_id), param="discounts")
        _check_coupon(tx, coupon)
        _take_off(coupon, str(index), [draft for draft in drafts if _covers(coupon, draft)])
    for row, draft in zip(rows, drafts, strict=True):
        row["amount_discount"] = row["amount_subtotal"] - _left(draft)
        row["amount_total"] = _left(draft)
    return sum(row["amount_discount"] for row in rows)


def _as_line(tx: Tx, row: Object) -> Object:
    product = tx.get("price", row["price"])["product"]
    return {
        "amount": row["amount_subtotal"],
        "discountable": True,
        "discount_amounts": [],
        "pricing": {"price_details": {"product": product}},
    }


def running(tx: Tx, sub: Object) -> list[str]:
    """The subscription's discounts that are not over; those that are, are taken from it."""
    over = [name for name in sub["discounts"] if _is_over(tx.get("discount", name), tx.now)]
    _end(tx, sub, over)
    return list(sub["discounts"])


def _is_over(discount: Object, now: int) -> bool:
    return discount["end"] is not None and discount["end"] <= now


def use_up(tx: Tx, sub: Object, invoice: Object) -> None:
    """A coupon that is good for one invoice has now had it, unless there was nothing to take it off."""
    used = {row["discount"] for row in invoice["total_discount_amounts"] if row["amount"] > 0}
    once = [name for name in sub["discounts"] if name in used and _duration(tx, name) == "once"]
    _end(tx, sub, once)


def _duration(tx: Tx, discount_id: str) -> str:
    return str(tx.get("coupon", tx.get("discount", discount_id)["source"]["coupon"])["duration"])


def _end(tx: Tx, sub: Object, discount_ids: list[str]) -> None:
    for discount_id in discount_ids:
        sub["discounts"].remove(discount_id)
        discount = tx.get("discount", discount_id)
        discount["end"] = discount["end"] or tx.now
        emit(tx, "customer.discount.deleted", discount)


def redeem(
    tx: Tx, given: list[Object], *, subscription: Object | None = None, customer: str | None = None
) -> list[str]:
    """The discounts that coupons, promotion codes or earlier discounts of a request become."""
    return [_redeem_one(tx, row, subscription, customer) for row in given]


def _redeem_one(tx: Tx, row: Object, subscription: Object | None, customer: str | None) -> str:
    if "discount" in row:
        return str(tx.get("discount", row["discount"], param="discounts")["id"])
    promotion = None
    coupon_id = row.get("coupon")
    if "promotion_code" in row:
        promotion = tx.get("promotion_code", row["promotion_code"], param="discounts")
        check_code(tx, promotion, subscription["customer"] if subscription else customer)
        _check_minimum(tx, promotion, subscription)
        promotion["times_redeemed"] += 1
        coupon_id = promotion["promotion"]["coupon"]
    coupon = tx.get("coupon", str(coupon_id), param="discounts")
    _check_coupon(tx, coupon)
    if subscription and coupon["currency"] not in (None, subscription["currency"]):
        raise invalid("The coupon is for another currency.", "discounts")
    coupon["times_redeemed"] += 1
    months = coupon["duration_in_months"]
    discount = {
        "id": tx.ids.new("di"),
        "object": "discount",
        "checkout_session": None,
        "customer": subscription["customer"] if subscription else customer,
        "customer_account": None,
        "end": rules.add_months(tx.now, months) if months else None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": promotion["id"] if promotion else None,
        "source": {"coupon": coupon["id"], "type": "coupon"},
        "start": tx.now,
        "subscription": subscription["id"] if subscription else None,
        "subscription_item": None,
    }
    tx.add(discount)
    emit(tx, "customer.discount.created", discount)
    return str(discount["id"])


def check_code(tx: Tx, promotion: Object, customer_id: str | None) -> None:
    """Raises unless this customer may use the promotion code now."""
    limit, until = promotion["max_redemptions"], promotion["expires_at"]
    used_up = limit is not None and promotion["times_redeemed"] >= limit
    if not promotion["active"] or used_up or (until is not None and until <= tx.now):
        raise invalid("This promotion code is not active.", "discounts", "promotion_code_inactive")
    if promotion["customer"] not in (None, customer_id):
        raise invalid("This promotion code is for another customer.", "discounts")
    if promotion["restrictions"]["first_time_transaction"] and _has_paid(tx, customer_id):
        raise invalid(
            "This promotion code cannot be redeemed because the associated customer has prior transactions.",
            "discounts",
            "promotion_code_customer_not_first_time",
        )


def _has_paid(tx: Tx, customer_id: str | None) -> bool:
    if customer_id is None:
        return False
    return any(invoice["amount_paid"] > 0 for invoice in tx.scan("invoice", customer=customer_id))


def _check_minimum(tx: Tx, promotion: Object, subscription: Object | None) -> None:
    least = promotion["restrictions"]["minimum_amount"]
    if least is None or subscription is None:
        return
    data = subscription["items"]["data"]
    if sum(lines.item_amount(tx, item) for item in data) < least:
        raise invalid("The minimum amount of this promotion code is not reached.", "discounts")


def _check_coupon(tx: Tx, coupon: Object) -> None:
    limit, until = coupon["max_redemptions"], coupon["redeem_by"]
    if (limit is not None and coupon["times_redeemed"] >= limit) or (until is not None and until <= tx.now):
        raise invalid(f"Coupon expired: {coupon['id']}", "discounts", "coupon_expired")
