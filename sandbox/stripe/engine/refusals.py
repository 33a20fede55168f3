"""How a refusal by the bank is told."""

from typing import Any

from sandbox.stripe.engine import cards
from sandbox.stripe.errors import CardError
from sandbox.stripe.store import Object


def refusal(reason: str, charge_id: str | None = None) -> Object:
    """An error about a card, as in `last_payment_error` and `last_setup_error`."""
    if reason == "authentication_required":
        code, message = reason, "Your card was declined. This transaction requires authentication."
    else:
        code, message = cards.code_of(reason), cards.MESSAGES[reason]
    error: Object = {"type": "card_error", "code": code, "message": message}
    error["doc_url"] = f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}"
    if code == "card_declined" or reason == "authentication_required":
        error["decline_code"] = reason
    if charge_id:
        error["charge"] = charge_id
    return error


def card_error(error: Object, **extra: Any) -> CardError:
    """The 402 that tells of a refusal."""
    details = {name: error[name] for name in ("charge", "decline_code", "payment_method") if name in error}
    raised = CardError(error["message"], code=error["code"], **(details | extra))
    raised.body["type"] = error["type"]
    return raised
