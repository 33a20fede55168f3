"""Setup intents: cards made ready for later charges."""

from typing import Any

from sandbox.stripe.engine import cards, methods, payments, templates
from sandbox.stripe.engine.refusals import refusal
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated, on
from sandbox.stripe.store import Object, Tx, copied


def new_intent(tx: Tx, *, customer: str | None, **fields: Any) -> Object:
    """A setup intent that waits for a payment method, and the event that says so."""
    intent_id = tx.ids.new("seti")
    intent: Object = {
        **copied(templates.SETUP_INTENT),
        "id": intent_id,
        "client_secret": f"{intent_id}_secret_{tx.ids.token(31)}",
        "created": tx.now,
        "customer": customer,
    }
    tx.add(intent | fields)
    stored = tx.get("setup_intent", intent_id)
    emit(tx, "setup_intent.created", stored)
    return stored


def confirm(tx: Tx, intent: Object, method: Object) -> None:
    """Asks the bank. Afterwards the intent succeeded, waits for the payer, or has its `last_setup_error`."""
    if intent["status"] not in payments.OPEN:
        raise invalid(
            f"You cannot confirm this SetupIntent because it has a status of {intent['status']}.",
            code="setup_intent_unexpected_state",
        )
    intent["payment_method"] = method["id"]
    if must_authenticate(method):
        intent |= {"status": "requires_action", "next_action": payments.next_action(tx, intent)}
        emit(tx, "setup_intent.requires_action", intent)
    else:
        finish(tx, intent, method, passed=True)


def must_authenticate(method: Object) -> bool:
    return cards.CARDS[method["_card"]].authentication != "never" and not method["_set_up"]


def finish(tx: Tx, intent: Object, method: Object, *, passed: bool) -> None:
    """The payer has, or has not, passed 3-D Secure, or did not have to; now the bank may still refuse."""
    card = cards.CARDS[method["_card"]]
    intent["next_action"] = None
    if not passed or (card.decline and not card.attaches):
        error = refusal(card.decline) if passed and card.decline else _not_authenticated()
        intent |= {
            "status": "requires_payment_method",
            "payment_method": None,
            "last_setup_error": error | {"payment_method": method},
        }
        emit(tx, "setup_intent.setup_failed", intent)
        return
    method["_set_up"] = True
    intent |= {"status": "succeeded", "last_setup_error": None}
    if intent["customer"]:
        methods.attach_to(tx, method, tx.get("customer", intent["customer"]))
    emit(tx, "setup_intent.succeeded", intent)


def _not_authenticated() -> Object:
    return {
        "type": "invalid_request_error",
        "code": "setup_intent_authentication_failure",
        "message": "The provided PaymentMethod has failed authentication.",
    }


def cancel(tx: Tx, intent: Object, reason: str | None) -> Object:
    if intent["status"] not in payments.OPEN:
        raise invalid(f"You cannot cancel this SetupIntent because it has a status of {intent['status']}.")
    intent |= {"status": "canceled", "cancellation_reason": reason, "next_action": None}
    emit(tx, "setup_intent.canceled", intent)
    return intent


# For subscriptions ---------------------------------------------------------------------------------------------------


def expect_card(tx: Tx, sub: Object, method: Object | None) -> None:
    """`pending_setup_intent`: nothing is to be paid yet, but what will pay later is missing or not yet authenticated."""
    if method is not None and not must_authenticate(method):
        return
    intent = new_intent(tx, customer=sub["customer"], usage="off_session", _subscription=sub["id"])
    if method is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    sub["pending_setup_intent"] = intent["id"]


def forget(tx: Tx, sub: Object) -> None:
    """An ended subscription waits for no card."""
    intent = tx.maybe("setup_intent", sub["pending_setup_intent"])
    sub["pending_setup_intent"] = None
    if intent is not None and intent["status"] in payments.OPEN:
        cancel(tx, intent, "abandoned")


@on("setup_intent.succeeded")
def _card_is_there(tx: Tx, intent: Object) -> None:
    sub = tx.maybe("subscription", intent["_subscription"])
    if sub is None or sub["pending_setup_intent"] != intent["id"]:
        return
    sub["pending_setup_intent"] = None
    keep_for_subscription(sub, intent["payment_method"])
    emit_updated(tx, "customer.subscription.updated", sub)


def keep_for_subscription(sub: Object, method_id: str) -> None:
    """`save_default_payment_method`: what paid, or was set up, becomes the subscription's own."""
    if sub["payment_settings"]["save_default_payment_method"] == "on_subscription":
        sub["default_payment_method"] = method_id
