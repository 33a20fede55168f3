"""The card form of the hosted pages: plain HTML, so that it works without any script."""

from html import escape

from werkzeug.wrappers import Request

from sandbox.stripe.engine import cards
from sandbox.stripe.errors import invalid


def field(name: str, label: str, value: str, *, required: bool = True) -> str:
    needed = " required" if required else ""
    return f'<label>{escape(label)}<input name="{name}" value="{escape(value)}"{needed}></label>'


def card_fields() -> str:
    return (
        field("number", "Card number", "4242 4242 4242 4242")
        + field("expiry", "Expiry (MM / YY)", "12 / 40")
        + field("cvc", "CVC", "123")
    )


def card_given(request: Request, name: str = "number") -> str:
    """Which test card was entered. Raises StripeError for any other number."""
    card = cards.BY_NUMBER.get(request.form.get(name, "").replace(" ", ""))
    if card is None:
        raise invalid(cards.MESSAGES["test_mode_live_card"])
    return card
