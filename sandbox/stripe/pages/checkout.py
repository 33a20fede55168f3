"""The hosted Checkout page: a card, perhaps 3-D Secure, and back to the seller."""

from html import escape

from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.stripe.engine import cards
from sandbox.stripe.errors import StripeError
from sandbox.stripe.pages.challenge import buttons
from sandbox.stripe.pages.invoices import lines_table
from sandbox.stripe.pages.shell import alert, html, page
from sandbox.stripe.resources import checkout
from sandbox.stripe.rules import money_text
from sandbox.stripe.store import Object, Tx


def _open_session(tx: Tx, session_id: str) -> Object:
    session = tx.maybe("checkout.session", session_id)
    if session is None or session["status"] != "open":
        raise NotFound("This checkout session is over.")
    return session


def _form(tx: Tx, session: Object, message: str = "", email: str = "") -> Response:
    items = tx.find("item", _session=session["id"])
    total = session["amount_total"]
    amount = (
        f"<p><strong>{escape(money_text(total, session['currency']))}</strong></p>"
        if total is not None
        else ""
    )
    rows = [item | {"amount": item["amount_total"]} for item in items]
    ask_email = (
        "" if session["customer"] else _field("email", "E-mail", email or session["customer_email"] or "")
    )
    back = f'<p><a href="{escape(session["cancel_url"])}">Back</a></p>' if session["cancel_url"] else ""
    word = {"setup": "Save card", "subscription": "Subscribe", "payment": "Pay"}[session["mode"]]
    body = (
        f'{lines_table(rows)}{amount}{alert(message)}<form method="post">{ask_email}'
        f"{_field('number', 'Card number', '4242 4242 4242 4242')}{_field('expiry', 'Expiry (MM / YY)', '12 / 40')}"
        f"{_field('cvc', 'CVC', '123')}<button>{word}</button></form>{back}"
    )
    return html("Checkout", body, 402 if message else 200)


def _field(name: str, label: str, value: str) -> str:
    return f'<label>{label}<input name="{name}" value="{escape(value)}" required></label>'


@page("GET", "/c/pay/<session_id>")
def show(tx: Tx, request: Request, session_id: str) -> Response:
    return _form(tx, _open_session(tx, session_id))


@page("POST", "/c/pay/<session_id>")
def submit(tx: Tx, request: Request, session_id: str) -> Response:
    """A card that needs 3-D Secure is asked for it first; then everything is made at once, or nothing."""
    session = _open_session(tx, session_id)
    if "passed" in request.form:
        return _answer_challenge(tx, request, session)
    email = request.form.get("email", "")
    name = cards.BY_NUMBER.get(request.form.get("number", "").replace(" ", ""))
    if name is None:
        tx.discard = True
        return _form(tx, session, cards.MESSAGES["test_mode_live_card"], email)
    if cards.CARDS[name].authentication != "never":
        session["_card"], session["_email"] = name, email
        return html("3-D Secure", f"<p>Your bank asks you to confirm.</p>{buttons()}")
    return _complete(tx, session, name, email, authenticated=False)


def _answer_challenge(tx: Tx, request: Request, session: Object) -> Response:
    if request.form["passed"] != "yes" or not session["_card"]:
        tx.discard = True
        return _form(tx, session, "The payment was not authenticated. Try again, or use another card.")
    return _complete(tx, session, session["_card"], session["_email"], authenticated=True)


def _complete(tx: Tx, session: Object, card: str, email: str, *, authenticated: bool) -> Response:
    try:
        checkout.complete(tx, session, card=card, email=email, authenticated=authenticated)
    except StripeError as error:
        tx.discard = True
        fresh = tx.store.peek("checkout.session", session["id"])
        return _form(tx, dict(fresh or session), error.body["message"], email)
    target = session["success_url"]
    if not target:
        return html("Thank you", "<p>You may close this page.</p>")
    return redirect(target.replace("{CHECKOUT_SESSION_ID}", session["id"]), 303, Response)
