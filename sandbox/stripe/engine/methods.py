"""Payment methods and whose they are."""

from sandbox.stripe.engine import cards
from sandbox.stripe.engine.refusals import card_error, refusal
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit
from sandbox.stripe.store import Object, Tx


def attach_to(tx: Tx, method: Object, customer: Object) -> Object:
    if method["customer"] == customer["id"]:
        return method
    if method["customer"] is not None or method.get("_detached"):
        raise invalid(
            "The payment method you provided has already been attached to a customer.", "payment_method"
        )
    card = cards.CARDS[method["_card"]]
    if not card.attaches and card.decline:
        raise card_error(refusal(card.decline))
    method["customer"] = customer["id"]
    emit(tx, "payment_method.attached", method)
    return method


def keep(tx: Tx, intent: Object, method: Object) -> None:
    """`setup_future_usage` attaches the method that pays to the customer, before anybody hears that it paid."""
    if intent["setup_future_usage"] and intent["customer"] and method["customer"] is None:
        attach_to(tx, method, tx.get("customer", intent["customer"]))
