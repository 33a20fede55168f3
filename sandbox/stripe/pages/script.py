"""What a seller's page loads from here in place of Stripe's own: the script, and the frame with the card's fields."""

from functools import cache
from html import escape
from pathlib import Path

from werkzeug.wrappers import Request, Response

from sandbox.stripe.engine.cards import CARDS
from sandbox.stripe.pages.shell import page
from sandbox.stripe.store import Tx

STATIC = Path(__file__).resolve().parent.parent / "static"

ENGLISH = {
    "title": "Card",
    "note": "Sandbox: a stand-in for Stripe. No real money moves; use a test card.",
    "number": "Card number",
    "expiry": "Expiry",
    "expiry_hint": "MM / YY",
    "cvc": "CVC",
    "postcode": "Postcode",
    "test_cards": "Test cards",
}
FRENCH = {
    "title": "Carte",
    "note": "Bac à sable\N{NO-BREAK SPACE}: un remplaçant de Stripe. Aucun argent ne circule\N{NARROW NO-BREAK SPACE}; "
    "utilisez une carte de test.",
    "number": "Numéro de carte",
    "expiry": "Expiration",
    "expiry_hint": "MM / AA",
    "cvc": "CVC",
    "postcode": "Code postal",
    "test_cards": "Cartes de test",
}
# The cards that a person trying things out wants first, and what becomes of each, in both languages.
OFFERED = (
    ("visa", "pays", "accepte"),
    ("authenticationRequired", "always asks for 3-D Secure", "demande toujours 3-D Secure"),
    ("authenticationRequiredOnSetup", "asks for 3-D Secure once", "demande 3-D Secure une fois"),
    ("visa_chargeDeclined", "is declined", "est refusée"),
    ("visa_chargeDeclinedInsufficientFunds", "has insufficient funds", "provision insuffisante"),
    ("chargeDeclinedExpiredCard", "has expired", "est expirée"),
    ("chargeCustomerFail", "is saved, then declined", "est enregistrée, puis refusée"),
)


@cache
def _file(name: str) -> str:
    return (STATIC / name).read_text()


def _served(name: str, kind: str) -> Response:
    response = Response(_file(name), content_type=f"{kind}; charset=utf-8")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@page("GET", "/js/stripe.js")
def script(tx: Tx, request: Request) -> Response:
    return _served("stripe.js", "text/javascript")


@page("GET", "/js/card.js")
def card_script(tx: Tx, request: Request) -> Response:
    return _served("card.js", "text/javascript")


@page("GET", "/js/challenge.js")
def challenge_script(tx: Tx, request: Request) -> Response:
    return _served("challenge.js", "text/javascript")


@page("GET", "/js/card.css")
def card_style(tx: Tx, request: Request) -> Response:
    return _served("card.css", "text/css")


@page("GET", "/js/card")
def card_frame(tx: Tx, request: Request) -> Response:
    """The card's fields, in the language asked for."""
    french = request.args.get("locale") == "fr"
    words = {name: escape(text) for name, text in (FRENCH if french else ENGLISH).items()}
    body = _file("card.html").format(locale="fr" if french else "en", cards=_offered(french=french), **words)
    return Response(body, content_type="text/html; charset=utf-8")


def _offered(*, french: bool) -> str:
    rows = []
    for name, english_text, french_text in OFFERED:
        number = CARDS[name].number
        spaced = " ".join(number[index : index + 4] for index in range(0, len(number), 4))
        text = escape(french_text if french else english_text)
        rows.append(
            f'<li><button type="button" data-number="{number}">{spaced}</button><span>{text}</span></li>'
        )
    return "".join(rows)
