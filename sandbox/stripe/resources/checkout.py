"""Checkout sessions, hosted."""

from typing import Any

from sandbox.stripe.engine import discounts, lines, methods, payments, templates
from sandbox.stripe.engine.refusals import card_error
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit
from sandbox.stripe.params import Params
from sandbox.stripe.render import as_list, includes, render, renders
from sandbox.stripe.resources import catalogue, coupons, customers, intents, payment_methods
from sandbox.stripe.resources import subscriptions as subscription_calls
from sandbox.stripe.resources.common import assign
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.rules import DAY_S, HOUR_S
from sandbox.stripe.store import Object, Tx, copied

SUBSCRIPTION_DATA = {
    "default_tax_rates",
    "description",
    "metadata",
    "trial_end",
    "trial_period_days",
    "trial_settings",
}
PAYMENT_DATA = {"description", "metadata", "receipt_email", "setup_future_usage"}


@route("POST", "/v1/checkout/sessions", "checkout.SessionCreateParams")
def create(tx: Tx, params: Params) -> Object:
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise invalid("Only the hosted page is spoken by this stand-in.", "ui_mode")
    mode = params.get("mode")
    if mode is None:
        raise invalid("Missing required param: mode.", "mode", "parameter_missing")
    session = _new(tx, params, mode)
    tx.add(session)
    _check_data(params)
    if mode != "setup":
        _add_items(tx, session, params)
    return session


def _new(tx: Tx, params: Params, mode: str) -> Object:
    session_id = f"cs_test_{tx.ids.token(58)}"
    expires_at = params.get("expires_at", tx.now + DAY_S)
    if not tx.now + HOUR_S // 2 <= expires_at <= tx.now + DAY_S:
        raise invalid("The expires_at must be between 30 minutes and 24 hours from now.", "expires_at")
    customer = customers.live_customer(tx, params["customer"])["id"] if "customer" in params else None
    return {
        **copied(templates.CHECKOUT_SESSION),
        "id": session_id,
        "allow_promotion_codes": params.get("allow_promotion_codes"),
        "billing_address_collection": params.get("billing_address_collection"),
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "created": tx.now,
        "currency": params.get("currency"),
        "customer": customer,
        "customer_creation": None if customer else params.get("customer_creation", "always"),
        "customer_email": params.get("customer_email"),
        "discounts": params.get("discounts") or [],
        "expires_at": expires_at,
        "locale": params.get("locale"),
        "metadata": params.get("metadata") or {},
        "mode": mode,
        "payment_method_collection": params.get("payment_method_collection", "always"),
        "submit_type": params.get("submit_type"),
        "success_url": params.get("success_url"),
        "url": f"{tx.base_url}/c/pay/{session_id}",
        "_data": {name: params.get(name) or {} for name in DATA},
        "_discounts": params.get("discounts") or [],
        "_customer_update": params.get("customer_update"),  # the page asks for no name and no address
    }


DATA = ("subscription_data", "payment_intent_data", "setup_intent_data")


def _check_data(params: Params) -> None:
    known = {"subscription_data": SUBSCRIPTION_DATA, "payment_intent_data": PAYMENT_DATA}
    for name in DATA:
        for field in sorted(set(params.get(name) or {}) - known.get(name, {"description", "metadata"})):
            raise invalid(f"{field} is not spoken by this stand-in.", f"{name}[{field}]")


def _add_items(tx: Tx, session: Object, params: Params) -> None:
    given = params.get("line_items") or []
    if not given:
        raise invalid("Missing required param: line_items.", "line_items", "parameter_missing")
    rows = [_line_item(tx, session, row, f"line_items[{index}]") for index, row in enumerate(given)]
    currencies = {row["currency"] for row in rows} | ({session["currency"]} if session["currency"] else set())
    if len(currencies) > 1:
        raise invalid("All line items must have the same currency.", "line_items")
    recurring = [tx.get("price", row["price"])["recurring"] is not None for row in rows]
    if (session["mode"] == "subscription") != all(recurring) or (
        session["mode"] == "payment" and any(recurring)
    ):
        raise invalid("Recurring prices go with mode subscription, others with mode payment.", "line_items")
    session["currency"] = rows[0]["currency"]
    total_up(tx, session, rows)


def total_up(tx: Tx, session: Object, rows: list[Object]) -> None:
    """The session's sums: what its items cost, less its discounts; nothing when it begins with a trial."""
    subtotal = sum(row["amount_subtotal"] for row in rows)
    off = discounts.take_off_items(tx, session["discounts"], rows)
    session |= {
        "amount_subtotal": subtotal,
        "amount_total": subtotal - off,
        "total_details": {"amount_discount": off, "amount_shipping": 0, "amount_tax": 0, "breakdown": None},
    }
    if _has_trial(session):
        session |= {"amount_subtotal": 0, "amount_total": 0}


def use_code(tx: Tx, session: Object, code: str) -> None:
    """The payer entered a promotion code. Raises StripeError when it is not one, or not for this customer."""
    found = coupons.with_code(tx, code)
    if not session["allow_promotion_codes"] or not found:
        raise invalid("This promotion code is invalid.", "promotion_code", "resource_missing")
    promotion = found[-1]
    discounts.check_code(tx, promotion, session["customer"])
    session["discounts"] = session["_discounts"] = [{"promotion_code": promotion["id"]}]
    total_up(tx, session, tx.find("item", _session=session["id"]))


def needs_card(session: Object) -> bool:
    """`payment_method_collection=if_required` asks for none while there is nothing to pay."""
    return session["payment_method_collection"] == "always" or session["amount_total"] != 0


def _has_trial(session: Object) -> bool:
    data = session["_data"]["subscription_data"]
    return bool(data.get("trial_period_days") or data.get("trial_end"))


def _line_item(tx: Tx, session: Object, given: Object, path: str) -> Object:
    if given.get("price_data"):
        price = catalogue.price_from_data(tx, given["price_data"])
    else:
        price = tx.get("price", given.get("price", ""), param=f"{path}[price]")
    quantity = given.get("quantity", 1)
    amount = lines.unit_amount(price) * quantity
    return tx.add(
        {
            "id": tx.ids.new("li"),
            "object": "item",
            "adjustable_quantity": None,
            "amount_discount": 0,
            "amount_subtotal": amount,
            "amount_tax": 0,
            "amount_total": amount,
            "currency": price["currency"],
            "description": lines.product_name(tx, price),
            "discounts": [],
            "metadata": {},
            "price": price["id"],
            "quantity": quantity,
            "_session": session["id"],
        }
    )


@renders("item")
def _item(tx: Tx, item: Object) -> Object:
    return item | {"price": render(tx, tx.get("price", item["price"]))}


@renders("checkout.session")
def _session(tx: Tx, session: Object) -> Object:
    kinds = ("coupon", "promotion_code")
    session["discounts"] = [{name: row.get(name) for name in kinds} for row in session["discounts"]]
    return session


@includes("checkout.session", "line_items")
def _line_items(tx: Tx, session: Object) -> Object:
    rows = [render(tx, row) for row in tx.find("item", _session=session["id"])]
    return as_list(rows, f"/v1/checkout/sessions/{session['id']}/line_items")


# Reading -------------------------------------------------------------------------------------------------------------


@route("GET", "/v1/checkout/sessions/<session_id>", "checkout.SessionRetrieveParams")
def retrieve(tx: Tx, params: Params, session_id: str) -> Object:
    return tx.get("checkout.session", session_id)


@route("GET", "/v1/checkout/sessions", "checkout.SessionListParams")
def list_(tx: Tx, params: Params) -> Object:
    return page(tx, params, matching(tx.scan("checkout.session"), params), "/v1/checkout/sessions")


@route("GET", "/v1/checkout/sessions/<session_id>/line_items", "checkout.SessionLineItemListParams")
def list_items(tx: Tx, params: Params, session_id: str) -> Object:
    rows = tx.scan("item", _session=tx.get("checkout.session", session_id)["id"])
    return page(tx, params, rows, f"/v1/checkout/sessions/{session_id}/line_items", newest_first=False)


@route("POST", "/v1/checkout/sessions/<session_id>", "checkout.SessionUpdateParams")
def update(tx: Tx, params: Params, session_id: str) -> Object:
    session = tx.get("checkout.session", session_id)
    assign(session, params)
    return session


@route("POST", "/v1/checkout/sessions/<session_id>/expire", "checkout.SessionExpireParams")
def expire(tx: Tx, params: Params, session_id: str) -> Object:
    session = tx.get("checkout.session", session_id)
    if session["status"] != "open":
        raise invalid(
            f"Only Checkout Sessions with a status in [open] can be expired. This one is {session['status']}."
        )
    session |= {"status": "expired", "url": None}
    emit(tx, "checkout.session.expired", session)
    return session


# Completing ----------------------------------------------------------------------------------------------------------


def complete(tx: Tx, session: Object, *, card: str | None, email: str, authenticated: bool) -> None:
    """What the payer's click does, whole: raises CardError when the card is refused, and then nothing stands."""
    customer = _customer(tx, session, email)
    method = payment_methods.from_card(tx, card) if card else None
    if method is not None:
        method["_set_up"] = authenticated
    if customer is None and method is not None:
        _pay(tx, session, None, method, authenticated=authenticated)
    elif customer is not None and method is None:
        _subscribe(tx, session, customer, None, authenticated=False)
    elif customer is not None and method is not None:
        finish = {"subscription": _subscribe, "payment": _pay, "setup": _set_up}[session["mode"]]
        finish(tx, session, customer, method, authenticated=authenticated)
    session |= {
        "status": "complete",
        "url": None,
        "customer": customer["id"] if customer else None,
        "customer_details": _details(customer, email),
        "_card": None,
    }
    emit(tx, "checkout.session.completed", session)


def _customer(tx: Tx, session: Object, email: str) -> Object | None:
    if session["customer"]:
        return tx.get("customer", session["customer"])
    if session["mode"] == "payment" and session["customer_creation"] == "if_required":
        return None
    created = customers.create(tx, {"email": email or session["customer_email"] or ""})
    return tx.get("customer", created["id"])


def _details(customer: Object | None, email: str) -> Object:
    return {
        "address": customer["address"] if customer else None,
        "business_name": None,
        "email": customer["email"] if customer else email or None,
        "individual_name": None,
        "name": customer["name"] if customer else None,
        "phone": customer["phone"] if customer else None,
        "tax_exempt": customer["tax_exempt"] if customer else "none",
        "tax_ids": [],
    }


def _subscribe(
    tx: Tx, session: Object, customer: Object, method: Object | None, *, authenticated: bool
) -> None:
    if method is not None:
        methods.attach_to(tx, method, customer)
    rows = tx.find("item", _session=session["id"])
    params: dict[str, Any] = {
        "customer": customer["id"],
        "items": [{"price": row["price"], "quantity": row["quantity"]} for row in rows],
        **({"default_payment_method": method["id"]} if method else {}),
        "payment_behavior": "default_incomplete",
        **session["_data"]["subscription_data"],
    }
    if session["_discounts"]:
        params["discounts"] = session["_discounts"]
    sub = subscription_calls.create(tx, params)
    invoice = tx.get("invoice", sub["latest_invoice"])
    if invoice["status"] == "open" and method is not None:
        intent = tx.get("payment_intent", invoice["_payment_intent"])
        _must_succeed(tx, intent, method, authenticated=authenticated)
    session |= {
        "subscription": sub["id"],
        "invoice": invoice["id"],
        "payment_status": "paid" if invoice["amount_paid"] else "no_payment_required",
    }


def _must_succeed(tx: Tx, intent: Object, method: Object, *, authenticated: bool) -> None:
    if payments.confirm(tx, intent, method, off_session=False, authenticated=authenticated) != "succeeded":
        raise card_error(intent["last_payment_error"])


def _pay(tx: Tx, session: Object, customer: Object | None, method: Object, *, authenticated: bool) -> None:
    data = session["_data"]["payment_intent_data"]
    params = {"amount": session["amount_total"], "currency": session["currency"], **data}
    if customer:
        params["customer"] = customer["id"]
    intent = intents.create_payment(tx, params)
    _must_succeed(tx, intent, method, authenticated=authenticated)
    session |= {"payment_intent": intent["id"], "payment_status": "paid"}


def _set_up(tx: Tx, session: Object, customer: Object, method: Object, *, authenticated: bool) -> None:
    """A card that had to be authenticated was, before we came here."""
    params = {"customer": customer["id"], **session["_data"]["setup_intent_data"]}
    intent = intents.create_setup(tx, params)
    intents.confirm_setup(tx, {"payment_method": method["id"]}, intent["id"])
    session |= {"setup_intent": intent["id"], "payment_status": "no_payment_required"}
