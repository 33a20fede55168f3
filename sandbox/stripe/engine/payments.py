"""Payment intents, charges and what the bank says to them."""

from typing import Any

from sandbox.stripe.engine import cards, methods, templates
from sandbox.stripe.engine.refusals import refusal
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit
from sandbox.stripe.rules import percent_of
from sandbox.stripe.store import Object, Tx, copied

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def new_intent(tx: Tx, *, amount: int, currency: str, customer: str | None, **fields: Any) -> Object:
    """A payment intent that waits for a payment method, and the event that says so."""
    intent_id = tx.ids.new("pi")
    intent: Object = {
        **copied(templates.PAYMENT_INTENT),
        "id": intent_id,
        "amount": amount,
        "client_secret": f"{intent_id}_secret_{tx.ids.token(25)}",
        "created": tx.now,
        "currency": currency,
        "customer": customer,
    }
    tx.add(intent | fields)
    stored = tx.get("payment_intent", intent_id)
    emit(tx, "payment_intent.created", stored)
    return stored


def confirm(tx: Tx, intent: Object, method: Object, *, off_session: bool, authenticated: bool = False) -> str:
    """Tries to collect. Answers the intent's status afterwards; a refusal is in `last_payment_error`."""
    if intent["status"] not in OPEN:
        raise invalid(
            f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    card = cards.CARDS[method["_card"]]
    intent["payment_method"] = method["id"]
    intent["next_action"] = None
    if _must_authenticate(card, method) and not authenticated:
        return _ask_payer(tx, intent, method, off_session=off_session)
    if card.decline:
        return _refuse(tx, intent, method, card.decline)
    return _collect(tx, intent, method, authenticated=authenticated)


def _must_authenticate(card: cards.Card, method: Object) -> bool:
    return card.authentication == "always" or (card.authentication == "setup" and not method["_set_up"])


def _ask_payer(tx: Tx, intent: Object, method: Object, *, off_session: bool) -> str:
    if off_session and intent["_invoice"] is None:
        return _refuse(tx, intent, method, "authentication_required")
    intent["status"] = "requires_action"
    intent["next_action"] = next_action(tx, intent)
    emit(tx, "payment_intent.requires_action", intent)
    return "requires_action"


def next_action(tx: Tx, intent: Object) -> Object:
    """Where the payer confirms: a redirect when there is a way back, unless the browser's script said that it will show
    the bank's page itself."""
    url = f"{tx.base_url}/3ds/{intent['id']}?client_secret={intent['client_secret']}"
    if intent["_return_url"] and not intent["_by_script"]:
        redirect = {"return_url": intent["_return_url"], "url": url}
        return {"type": "redirect_to_url", "redirect_to_url": redirect}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url}}


def authentication_failed(tx: Tx, intent: Object) -> None:
    """The payer did not pass 3-D Secure."""
    intent["status"] = "requires_payment_method"
    intent["next_action"] = None
    intent["last_payment_error"] = {
        "type": "invalid_request_error",
        "code": "payment_intent_authentication_failure",
        "message": "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new "
        "PaymentMethod to attempt to fulfill this PaymentIntent again.",
        "payment_method": tx.peek("payment_method", intent["payment_method"]),
    }
    intent["payment_method"] = None
    emit(tx, "payment_intent.payment_failed", intent)


def _refuse(tx: Tx, intent: Object, method: Object, reason: str) -> str:
    charge = _charge(tx, intent, method, failure=reason)
    intent["status"] = "requires_payment_method"
    intent["payment_method"] = None
    intent["latest_charge"] = charge["id"]
    intent["last_payment_error"] = refusal(reason, charge["id"]) | {"payment_method": method}
    emit(tx, "charge.failed", charge)
    emit(tx, "payment_intent.payment_failed", intent)
    return "requires_payment_method"


def _collect(tx: Tx, intent: Object, method: Object, *, authenticated: bool) -> str:
    charge = _charge(tx, intent, method)
    methods.keep(tx, intent, method)
    if authenticated or intent["setup_future_usage"] == "off_session":
        method = tx.get("payment_method", method["id"])
        method["_set_up"] = True
    intent["status"] = "succeeded"
    intent["amount_received"] = intent["amount"]
    intent["latest_charge"] = charge["id"]
    intent["last_payment_error"] = None
    emit(tx, "charge.succeeded", charge)
    emit(tx, "payment_intent.succeeded", intent)
    if reason := cards.CARDS[method["_card"]].dispute:
        from sandbox.stripe.engine import disputes

        disputes.begin(tx, charge, reason)
    return "succeeded"


def _charge(tx: Tx, intent: Object, method: Object, failure: str | None = None) -> Object:
    charge_id = tx.ids.new("ch")
    card = method["card"]
    charge: Object = {
        **copied(templates.CHARGE),
        "id": charge_id,
        "amount": intent["amount"],
        "amount_captured": 0 if failure else intent["amount"],
        "billing_details": method["billing_details"],
        "captured": failure is None,
        "created": tx.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "metadata": dict(intent["metadata"]),
        "outcome": _outcome(failure),
        "paid": failure is None,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"type": "card", "card": _card_details(card)},
        "receipt_email": intent["receipt_email"],
        "receipt_url": f"{tx.base_url}/receipts/{charge_id}",
        "status": "failed" if failure else "succeeded",
    }
    if failure:
        error = refusal(failure)
        charge |= {"failure_code": error["code"], "failure_message": error["message"], "receipt_url": None}
    else:
        charge["balance_transaction"] = balance_transaction(tx, charge)["id"]
    return tx.add(charge)


def _outcome(failure: str | None) -> Object:
    outcome: Object = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    if failure:
        outcome |= {
            "network_status": "declined_by_network",
            "reason": failure,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        }
    return outcome


def _card_details(card: Object) -> Object:
    same = (
        "brand",
        "checks",
        "country",
        "exp_month",
        "exp_year",
        "fingerprint",
        "funding",
        "last4",
        "wallet",
    )
    return {name: card[name] for name in same} | {
        "amount_authorized": None,
        "authorization_code": None,
        "installments": None,
        "mandate": None,
        "network": card["brand"],
        "network_transaction_id": None,
        "regulated_status": "unregulated",
        "three_d_secure": None,
    }


def balance_transaction(tx: Tx, source: Object, *, kind: str = "charge", fee: int = 0) -> Object:
    """What a charge, a refund or an adjustment does to the account's balance. The fee of a charge is Stripe's European one:
    1.5 % + 25."""
    amount = -source["amount"] if kind == "refund" else source["amount"]
    fee = percent_of(amount, 1.5) + 25 if kind == "charge" else fee
    detail = {
        "amount": fee,
        "application": None,
        "currency": source["currency"],
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return tx.add(
        {
            "id": tx.ids.new("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": tx.now,
            "balance_type": "payments",
            "created": tx.now,
            "currency": source["currency"],
            "description": source.get("description"),
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [detail] if fee else [],
            "net": amount - fee,
            "reporting_category": kind,
            "source": source["id"],
            "status": "available",
            "type": kind,
        }
    )


def cancel(tx: Tx, intent: Object, reason: str | None) -> Object:
    if intent["status"] not in OPEN:
        raise invalid(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
            "with one of the following statuses may be canceled: requires_payment_method, requires_capture, "
            "requires_confirmation, requires_action, processing.",
            code="payment_intent_unexpected_state",
        )
    intent |= {
        "status": "canceled",
        "canceled_at": tx.now,
        "cancellation_reason": reason,
        "next_action": None,
    }
    emit(tx, "payment_intent.canceled", intent)
    return intent
