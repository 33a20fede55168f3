"""Payment methods: Stripe's test cards, attached to customers or not."""

import hashlib
from typing import Any

from sandbox.stripe.engine import cards
from sandbox.stripe.engine.methods import attach_to
from sandbox.stripe.errors import CardError, invalid, missing
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.params import Params
from sandbox.stripe.resources.common import address, assign
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.store import Object, Tx


def from_card(tx: Tx, name: str, params: Params | None = None) -> Object:
    """A new, unattached payment method for one of the test cards."""
    card = cards.CARDS[name]
    given = (params or {}).get("card") or {}
    method: Object = {
        "id": tx.ids.new("pm"),
        "object": "payment_method",
        "allow_redisplay": (params or {}).get("allow_redisplay", "unspecified"),
        "billing_details": billing_details((params or {}).get("billing_details") or {}),
        "card": _card(card, given),
        "created": tx.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": (params or {}).get("metadata") or {},
        "type": "card",
        "_card": name,
        "_set_up": False,
    }
    return tx.add(method)


def _card(card: cards.Card, given: Any) -> Object:
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": card.country,
        "display_brand": card.brand,
        "exp_month": int(given.get("exp_month", 12)),
        "exp_year": int(given.get("exp_year", 2040)),
        "fingerprint": hashlib.sha256(card.number.encode()).hexdigest()[:16],
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def billing_details(given: Object) -> Object:
    empty = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}
    return {
        "address": address(given.get("address")) or empty,
        "email": given.get("email") or None,
        "name": given.get("name") or None,
        "phone": given.get("phone") or None,
        "tax_id": given.get("tax_id") or None,
    }


def resolve(tx: Tx, method_id: str, param: str = "payment_method") -> Object:
    """The payment method of this id. Stripe's magic ids (`pm_card_visa`) make a new one each time."""
    name = cards.name_of(method_id, "pm_card_")
    if name is not None and tx.peek("payment_method", method_id) is None:
        return from_card(tx, name)
    return tx.get("payment_method", method_id, param=param)


def of_customer(tx: Tx, method_id: str, customer_id: str, param: str) -> Object:
    """The payment method, which must be attached to this customer."""
    method = tx.get("payment_method", method_id, param=param)
    if method["customer"] != customer_id:
        raise invalid(
            f"The customer does not have a payment method with the ID {method_id}. The payment method must be attached "
            "to the customer.",
            param,
            "resource_missing",
        )
    return method


@route("POST", "/v1/payment_methods", "PaymentMethodCreateParams")
def create(tx: Tx, params: Params) -> Object:
    if "payment_method" in params:
        return resolve(tx, params["payment_method"])
    if params.get("type") != "card":
        raise invalid("Only cards are spoken by this stand-in.", "type")
    return from_card(tx, _card_name(params.get("card") or {}), params)


def _card_name(card: Any) -> str:
    if "token" in card:
        name = cards.name_of(card["token"], "tok_")
        if name is None:
            raise missing("token", card["token"], "card[token]")
        return name
    if "number" not in card:
        raise invalid("Missing required param: card[number].", "card[number]", "parameter_missing")
    name = cards.BY_NUMBER.get(card["number"].replace(" ", ""))
    if name is None:
        raise CardError(
            cards.MESSAGES["test_mode_live_card"], code="card_declined", decline_code="test_mode_live_card"
        )
    return name


@route("GET", "/v1/payment_methods/<method_id>", "PaymentMethodRetrieveParams")
def retrieve(tx: Tx, params: Params, method_id: str) -> Object:
    return tx.get("payment_method", method_id)


@route("POST", "/v1/payment_methods/<method_id>", "PaymentMethodUpdateParams")
def update(tx: Tx, params: Params, method_id: str) -> Object:
    method = tx.get("payment_method", method_id)
    assign(method, params, "allow_redisplay")
    if "billing_details" in params:
        method["billing_details"] |= billing_details(method["billing_details"] | params["billing_details"])
    for name in ("exp_month", "exp_year"):
        if name in (params.get("card") or {}):
            method["card"][name] = params["card"][name]
    emit_updated(tx, "payment_method.updated", method)
    return method


@route("POST", "/v1/payment_methods/<method_id>/attach", "PaymentMethodAttachParams")
def attach(tx: Tx, params: Params, method_id: str) -> Object:
    customer = tx.get("customer", params["customer"], param="customer")
    return attach_to(tx, resolve(tx, method_id), customer)


@route("POST", "/v1/payment_methods/<method_id>/detach", "PaymentMethodDetachParams")
def detach(tx: Tx, params: Params, method_id: str) -> Object:
    method = tx.get("payment_method", method_id)
    if method["customer"] is None:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is impossible."
        )
    customer = tx.get("customer", method["customer"])
    method |= {"customer": None, "_detached": True}
    settings = customer["invoice_settings"]
    if settings["default_payment_method"] == method_id:
        settings["default_payment_method"] = None
        emit_updated(tx, "customer.updated", customer)
    for sub in tx.find("subscription", customer=customer["id"], default_payment_method=method_id):
        sub["default_payment_method"] = None
        emit_updated(tx, "customer.subscription.updated", sub)
    emit(tx, "payment_method.detached", method)
    return method


@route("GET", "/v1/payment_methods", "PaymentMethodListParams")
def list_(tx: Tx, params: Params) -> Object:
    if "customer" in params:
        tx.get("customer", params["customer"], param="customer")
    rows = [method for method in tx.scan("payment_method") if method["customer"] is not None]
    return page(tx, params, matching(rows, params), "/v1/payment_methods")
