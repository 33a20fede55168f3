"""The bank's 3-D Secure page."""

from html import escape
from urllib.parse import urlencode

from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.stripe.pages.shell import html, page
from sandbox.stripe.resources import intents
from sandbox.stripe.rules import money_text
from sandbox.stripe.store import Object, Tx

BUTTONS = (
    '<form method="post"><button name="passed" value="yes">Complete authentication</button>'
    '<button name="passed" value="no">Fail authentication</button></form>'
)


def _challenged(tx: Tx, request: Request, intent_id: str) -> Object:
    kind = "setup_intent" if intent_id.startswith("seti_") else "payment_intent"
    intent = tx.maybe(kind, intent_id)
    if intent is None or request.args.get("client_secret") != intent["client_secret"]:
        raise NotFound
    return intent


@page("GET", "/3ds/<intent_id>")
def challenge(tx: Tx, request: Request, intent_id: str) -> Response:
    intent = _challenged(tx, request, intent_id)
    what = money_text(intent["amount"], intent["currency"]) if "amount" in intent else "saving your card"
    return html("3-D Secure", f"<p>Your bank asks you to confirm: {escape(what)}.</p>{BUTTONS}")


@page("POST", "/3ds/<intent_id>")
def answer(tx: Tx, request: Request, intent_id: str) -> Response:
    intent = _challenged(tx, request, intent_id)
    intents.answer_challenge(tx, intent, passed=request.form.get("passed") == "yes")
    return_url = intent["_return_url"]
    if not return_url:
        return html("Done", "<p>You may close this page.</p>")
    query = {
        intent["object"]: intent["id"],
        f"{intent['object']}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if intent["status"] == "succeeded" else "failed",
    }
    joint = "&" if "?" in return_url else "?"
    return redirect(f"{return_url}{joint}{urlencode(query)}", 303, Response)
