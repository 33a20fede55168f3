"""Payment intents and setup intents."""

from typing import Any

from sandbox.stripe.engine import collecting, payments, setups
from sandbox.stripe.engine.refusals import card_error
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit_updated
from sandbox.stripe.params import Params
from sandbox.stripe.render import includes, render
from sandbox.stripe.resources import payment_methods
from sandbox.stripe.resources.common import assign
from sandbox.stripe.resources.customers import live_customer
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.rules import MINIMUM_CHARGE, money_text
from sandbox.stripe.store import Object, Tx


def method_for(tx: Tx, intent: Object, params: Params) -> Object | None:
    """The payment method that a confirmation uses: the one it names or describes, or the intent's own."""
    if "payment_method" in params:
        method = payment_methods.resolve(tx, params["payment_method"])
    elif "payment_method_data" in params:
        method = payment_methods.create(tx, params["payment_method_data"])
    else:
        return tx.maybe("payment_method", intent["payment_method"])
    if method["customer"] not in (None, intent["customer"]):
        raise invalid("The payment method belongs to another customer.", "payment_method")
    return method


# Payment intents -----------------------------------------------------------------------------------------------------


@route("POST", "/v1/payment_intents", "PaymentIntentCreateParams")
def create_payment(tx: Tx, params: Params) -> Object:
    currency = params["currency"].lower()
    minimum = MINIMUM_CHARGE.get(currency, 50)
    if params["amount"] < minimum:
        raise invalid(
            f"Amount must be at least {money_text(minimum, currency)} {currency}",
            "amount",
            "amount_too_small",
        )
    if params.get("capture_method", "automatic") == "manual":
        raise invalid("Manual capture is not spoken by this stand-in.", "capture_method")
    customer_id = live_customer(tx, params["customer"])["id"] if "customer" in params else None
    intent = payments.new_intent(
        tx,
        amount=params["amount"],
        currency=currency,
        customer=customer_id,
        description=params.get("description"),
        metadata=params.get("metadata") or {},
        receipt_email=params.get("receipt_email"),
        setup_future_usage=params.get("setup_future_usage"),
        automatic_payment_methods=params.get("automatic_payment_methods"),
        _return_url=params.get("return_url"),
    )
    method = method_for(tx, intent, params)
    if method is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    if params.get("confirm"):
        _confirm_payment(tx, intent, params)
    return intent


def _note_way_back(intent: Object, params: Params) -> None:
    intent["_return_url"] = params.get("return_url") or intent["_return_url"]
    intent["_by_script"] = params.get("use_stripe_sdk", False)


def _confirm_payment(tx: Tx, intent: Object, params: Params) -> None:
    method = method_for(tx, intent, params)
    if method is None:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    _note_way_back(intent, params)
    off_session = params.get("off_session") not in (None, False, "false")
    status = payments.confirm(tx, intent, method, off_session=off_session)
    if status != "succeeded":
        collecting.attempted_by_payer(tx, intent)
    if status == "requires_payment_method":
        error = card_error(intent["last_payment_error"])
        error.body["payment_intent"] = intent
        raise error


@route("GET", "/v1/payment_intents/<intent_id>", "PaymentIntentRetrieveParams")
def retrieve_payment(tx: Tx, params: Params, intent_id: str) -> Object:
    params.get("client_secret")  # the publishable key's proof, looked at before
    return tx.get("payment_intent", intent_id)


@route("POST", "/v1/payment_intents/<intent_id>", "PaymentIntentUpdateParams")
def update_payment(tx: Tx, params: Params, intent_id: str) -> Object:
    intent = tx.get("payment_intent", intent_id)
    assign(intent, params, "description", "receipt_email", "setup_future_usage", "amount")
    if "payment_method" in params and intent["status"] in payments.OPEN:
        method = payment_methods.resolve(tx, params["payment_method"])
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    return intent


@route("POST", "/v1/payment_intents/<intent_id>/confirm", "PaymentIntentConfirmParams")
def confirm_payment(tx: Tx, params: Params, intent_id: str) -> Object:
    intent = tx.get("payment_intent", intent_id)
    _confirm_payment(tx, intent, params)
    return intent


@route("POST", "/v1/payment_intents/<intent_id>/cancel", "PaymentIntentCancelParams")
def cancel_payment(tx: Tx, params: Params, intent_id: str) -> Object:
    intent = tx.get("payment_intent", intent_id)
    if intent["_invoice"]:
        raise invalid("This PaymentIntent belongs to an invoice: void the invoice instead.")
    return payments.cancel(tx, intent, params.get("cancellation_reason"))


@route("GET", "/v1/payment_intents", "PaymentIntentListParams")
def list_payments(tx: Tx, params: Params) -> Object:
    equals = {"customer": params["customer"]} if "customer" in params else {}
    return page(tx, params, matching(tx.scan("payment_intent", **equals), params), "/v1/payment_intents")


def answer_challenge(tx: Tx, intent: Object, *, passed: bool) -> None:
    """What the payer does on the bank's page."""
    if intent["status"] != "requires_action":
        raise invalid(f"The {intent['object']} does not wait for the payer: it is {intent['status']}.")
    method = tx.get("payment_method", intent["payment_method"])
    if intent["object"] == "setup_intent":
        setups.finish(tx, intent, method, passed=passed)
    elif not passed:
        payments.authentication_failed(tx, intent)
        collecting.attempted_by_payer(tx, intent)
    elif payments.confirm(tx, intent, method, off_session=False, authenticated=True) != "succeeded":
        collecting.attempted_by_payer(tx, intent)


# Setup intents -------------------------------------------------------------------------------------------------------


@route("POST", "/v1/setup_intents", "SetupIntentCreateParams")
def create_setup(tx: Tx, params: Params) -> Object:
    intent = setups.new_intent(
        tx,
        customer=live_customer(tx, params["customer"])["id"] if "customer" in params else None,
        automatic_payment_methods=params.get("automatic_payment_methods"),
        description=params.get("description"),
        metadata=params.get("metadata") or {},
        usage=params.get("usage", "off_session"),
        _return_url=params.get("return_url"),
    )
    method = method_for(tx, intent, params)
    if method is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    if params.get("confirm"):
        given = {name: params[name] for name in ("return_url", "use_stripe_sdk") if name in params}
        confirm_setup(tx, given, intent["id"])
    return intent


@route("GET", "/v1/setup_intents/<intent_id>", "SetupIntentRetrieveParams")
def retrieve_setup(tx: Tx, params: Params, intent_id: str) -> Object:
    return tx.get("setup_intent", intent_id)


@route("GET", "/v1/setup_intents", "SetupIntentListParams")
def list_setups(tx: Tx, params: Params) -> Object:
    return page(tx, params, matching(tx.scan("setup_intent"), params), "/v1/setup_intents")


@route("POST", "/v1/setup_intents/<intent_id>", "SetupIntentUpdateParams")
def update_setup(tx: Tx, params: Params, intent_id: str) -> Object:
    intent = tx.get("setup_intent", intent_id)
    assign(intent, params, "description")
    if "customer" in params:
        intent["customer"] = live_customer(tx, params["customer"])["id"]
    if "payment_method" in params:
        intent |= {
            "payment_method": payment_methods.resolve(tx, params["payment_method"])["id"],
            "status": "requires_confirmation",
        }
    return intent


@route("POST", "/v1/setup_intents/<intent_id>/confirm", "SetupIntentConfirmParams")
def confirm_setup(tx: Tx, params: Params, intent_id: str) -> Object:
    intent = tx.get("setup_intent", intent_id)
    method = method_for(tx, intent, params)
    if method is None:
        raise invalid(
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            code="setup_intent_unexpected_state",
        )
    _note_way_back(intent, params)
    setups.confirm(tx, intent, method)
    if intent["status"] == "requires_payment_method":
        error = card_error(intent["last_setup_error"])
        error.body["setup_intent"] = intent
        raise error
    return intent


@route("POST", "/v1/setup_intents/<intent_id>/cancel", "SetupIntentCancelParams")
def cancel_setup(tx: Tx, params: Params, intent_id: str) -> Object:
    return setups.cancel(tx, tx.get("setup_intent", intent_id), params.get("cancellation_reason"))


# Charges and the balance ---------------------------------------------------------------------------------------------


@route("GET", "/v1/charges/<charge_id>", "ChargeRetrieveParams")
def retrieve_charge(tx: Tx, params: Params, charge_id: str) -> Object:
    return tx.get("charge", charge_id)


@route("GET", "/v1/charges", "ChargeListParams")
def list_charges(tx: Tx, params: Params) -> Object:
    equals = {"customer": params["customer"]} if "customer" in params else {}
    return page(tx, params, matching(tx.scan("charge", **equals), params), "/v1/charges")


@route("POST", "/v1/charges/<charge_id>", "ChargeUpdateParams")
def update_charge(tx: Tx, params: Params, charge_id: str) -> Object:
    charge = tx.get("charge", charge_id)
    assign(charge, params, "description", "receipt_email")
    emit_updated(tx, "charge.updated", charge)
    return charge


@includes("charge", "refunds")
def _refunds(tx: Tx, charge: Object) -> Any:
    rows = [row for row in tx.find("refund") if row["charge"] == charge["id"]]
    url = f"/v1/charges/{charge['id']}/refunds"
    return render(tx, {"object": "list", "data": rows[::-1], "has_more": False, "url": url})


@route("GET", "/v1/balance_transactions/<transaction_id>", "BalanceTransactionRetrieveParams")
def retrieve_balance_transaction(tx: Tx, params: Params, transaction_id: str) -> Object:
    return tx.get("balance_transaction", transaction_id)


@route("GET", "/v1/balance_transactions", "BalanceTransactionListParams")
def list_balance_transactions(tx: Tx, params: Params) -> Object:
    return page(tx, params, matching(tx.scan("balance_transaction"), params), "/v1/balance_transactions")
