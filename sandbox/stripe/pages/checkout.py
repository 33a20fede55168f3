"""The hosted Checkout page: a card, perhaps 3-D Secure, and back to the seller."""

from html import escape

from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.stripe.engine import cards
from sandbox.stripe.errors import StripeError
from sandbox.stripe.pages.challenge import buttons, words_in
from sandbox.stripe.pages.forms import card_fields, card_given, field
from sandbox.stripe.pages.invoices import NOT_PASSED, lines_table
from sandbox.stripe.pages.shell import alert, html, page
from sandbox.stripe.pages.speech import Speech, speech
from sandbox.stripe.resources import checkout
from sandbox.stripe.store import Object, Tx


def _session(tx: Tx, session_id: str) -> Object:
    session = tx.maybe("checkout.session", session_id)
    if session is None:
        raise NotFound
    return session


def _over(say: Speech, session: Object) -> Response:
    """Nothing more is to be done here: what became of it, and the way back to the seller."""
    done = session["status"] == "complete"
    said = say(
        "Everything that was to be done here is done." if done else "It has expired. Nothing was charged."
    )
    target = _back_from(session) if done else session["cancel_url"]
    way = f'<p><a href="{escape(target)}">{say("Go on" if done else "Back")}</a></p>' if target else ""
    return html(say("This session is over"), f"<p>{said}</p>{way}", 410, lang=say.lang)


def _back_from(session: Object) -> str:
    """Where the seller wants to hear that it is done; empty when nowhere."""
    target: str = session["success_url"] or ""
    return target.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _form(tx: Tx, say: Speech, session: Object, message: str = "", email: str = "") -> Response:
    items = tx.find("item", _session=session["id"])
    total = session["amount_total"]
    amount = (
        f"<p><strong>{escape(say.money(total, session['currency']))}</strong></p>"
        if total is not None
        else ""
    )
    rows = [item | {"amount": item["amount_total"]} for item in items]
    ask_email = (
        "" if session["customer"] else field("email", say("E-mail"), email or session["customer_email"] or "")
    )
    ask_card = card_fields(say) if checkout.needs_card(session) else ""
    ask_code = _code_form(say) if session["allow_promotion_codes"] else ""
    url = session["cancel_url"]
    back = f'<p><a href="{escape(url)}">{say("Back")}</a></p>' if url else ""
    word = say({"setup": "Save card", "subscription": "Subscribe", "payment": "Pay"}[session["mode"]])
    body = (
        f'{lines_table(rows, say)}{amount}{alert(say(message))}{ask_code}<form method="post">{ask_email}'
        f"{ask_card}<button>{word}</button></form>{back}"
    )
    return html(say("Checkout"), body, 402 if message else 200, lang=say.lang)


def _code_form(say: Speech) -> str:
    asked = field("promotion_code", say("Promotion code"), "")
    return f'<form method="post">{asked}<button>{say("Apply")}</button></form>'


@page("GET", "/c/pay/<session_id>")
def show(tx: Tx, request: Request, session_id: str) -> Response:
    session = _session(tx, session_id)
    say = speech(request, session["locale"])
    return _form(tx, say, session) if session["status"] == "open" else _over(say, session)


@page("POST", "/c/pay/<session_id>")
def submit(tx: Tx, request: Request, session_id: str) -> Response:
    """A card that needs 3-D Secure is asked for it first; then everything is made at once, or nothing."""
    session = _session(tx, session_id)
    say = speech(request, session["locale"])
    if session["status"] != "open":
        return _over(say, session)
    if "passed" in request.form:
        return _answer_challenge(tx, say, request, session)
    return _entered(tx, say, request, session)


def _entered(tx: Tx, say: Speech, request: Request, session: Object) -> Response:
    email = request.form.get("email", "")
    try:
        if "promotion_code" in request.form:
            checkout.use_code(tx, session, request.form["promotion_code"])
            return _form(tx, say, session)
        if not checkout.needs_card(session):
            return _complete(tx, say, session, None, email, authenticated=False)
        name = card_given(request)
    except StripeError as error:
        tx.discard = True
        return _form(tx, say, session, error.body["message"], email)
    if cards.CARDS[name].authentication != "never":
        session["_card"], session["_email"] = name, email
        asked = f"<p>{say('Your bank asks you to confirm.')}</p>{buttons(words_in(say.lang))}"
        return html("3-D Secure", asked, lang=say.lang)
    return _complete(tx, say, session, name, email, authenticated=False)


def _answer_challenge(tx: Tx, say: Speech, request: Request, session: Object) -> Response:
    if request.form["passed"] != "yes" or not session["_card"]:
        tx.discard = True
        return _form(tx, say, session, NOT_PASSED)
    return _complete(tx, say, session, session["_card"], session["_email"], authenticated=True)


def _complete(
    tx: Tx, say: Speech, session: Object, card: str | None, email: str, *, authenticated: bool
) -> Response:
    try:
        checkout.complete(tx, session, card=card, email=email, authenticated=authenticated)
    except StripeError as error:
        tx.discard = True
        fresh = tx.store.peek("checkout.session", session["id"])
        return _form(tx, say, dict(fresh or session), error.body["message"], email)
    target = _back_from(session)
    if not target:
        return html(say("Thank you"), f"<p>{say('You may close this page.')}</p>", lang=say.lang)
    return redirect(target, 303, Response)
