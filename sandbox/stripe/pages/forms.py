"""The card form of the hosted pages: plain HTML, so that it works without any script."""

from html import escape

from werkzeug.wrappers import Request

from sandbox.stripe.engine import cards
from sandbox.stripe.errors import invalid
from sandbox.stripe.pages.speech import Speech


def field(name: str, label: str, value: str, *, required: bool = True) -> str:
    needed = " required" if required else ""
    return f'<label>{escape(label)}<input name="{name}" value="{escape(value)}"{needed}></label>'


def card_fields(say: Speech) -> str:
    return (
        field("number", say("Card number"), "4242 4242 4242 4242")
        + field("expiry", say("Expiry (MM / YY)"), "12 / 40")
        + field("cvc", say("CVC"), "123")
    )


def card_given(request: Request, name: str = "number") -> str:
    """Which test card was entered. Raises StripeError for any other number."""
    card = cards.BY_NUMBER.get(request.form.get(name, "").replace(" ", ""))
    if card is None:
        raise invalid(cards.MESSAGES["test_mode_live_card"])
    return card
