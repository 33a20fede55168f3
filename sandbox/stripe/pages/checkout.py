"""The hosted Checkout page: a card, perhaps 3-D Secure, and back to the seller."""

from html import escape

from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.stripe.engine import cards
from sandbox.stripe.errors import StripeError
from sandbox.stripe.pages.challenge import buttons
from sandbox.stripe.pages.forms import card_fields, card_given, field
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
        "" if session["customer"] else field("email", "E-mail", email or session["customer_email"] or "")
    )
    ask_card = card_fields() if checkout.needs_card(session) else ""
    ask_code = CODE_FORM if session["allow_promotion_codes"] else ""
    back = f'<p><a href="{escape(session["cancel_url"])}">Back</a></p>' if session["cancel_url"] else ""
    word = {"setup": "Save card", "subscription": "Subscribe", "payment": "Pay"}[session["mode"]]
    body = (
        f'{lines_table(rows)}{amount}{alert(message)}{ask_code}<form method="post">{ask_email}'
        f"{ask_card}<button>{word}</button></form>{back}"
    )
    return html("Checkout", body, 402 if message else 200)


CODE_FORM = (
    f'<form method="post">{field("promotion_code", "Promotion code", "")}<button>Apply</button></form>'
)


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
    try:
        if "promotion_code" in request.form:
            checkout.use_code(tx, session, request.form["promotion_code"])
            return _form(tx, session)
        if not checkout.needs_card(session):
            return _complete(tx, session, None, email, authenticated=False)
        name = card_given(request)
    except StripeError as error:
        tx.discard = True
        return _form(tx, session, error.body["message"], email)
    if cards.CARDS[name].authentication != "never":
        session["_card"], session["_email"] = name, email
        return html("3-D Secure", f"<p>Your bank asks you to confirm.</p>{buttons()}")
    return _complete(tx, session, name, email, authenticated=False)


def _answer_challenge(tx: Tx, request: Request, session: Object) -> Response:
    if request.form["passed"] != "yes" or not session["_card"]:
        tx.discard = True
        return _form(tx, session, "The payment was not authenticated. Try again, or use another card.")
    return _complete(tx, session, session["_card"], session["_email"], authenticated=True)


def _complete(tx: Tx, session: Object, card: str | None, email: str, *, authenticated: bool) -> Response:
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
