"""The bank's 3-D Secure page, by itself or framed by the seller's page."""

from html import escape
from urllib.parse import urlencode

from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.stripe.pages.shell import html, page
from sandbox.stripe.resources import intents
from sandbox.stripe.rules import money_text
from sandbox.stripe.store import Object, Tx

ENGLISH = {
    "ask": "Your bank asks you to confirm: {what}.",
    "card": "saving your card",
    "yes": "Complete authentication",
    "no": "Fail authentication",
    "done": "You may close this page.",
}
FRENCH = {
    "ask": "Votre banque vous demande de confirmer\N{NO-BREAK SPACE}: {what}.",
    "card": "l’enregistrement de votre carte",
    "yes": "Valider l’authentification",
    "no": "Refuser l’authentification",
    "done": "Vous pouvez fermer cette page.",
}


def buttons(words: dict[str, str]) -> str:
    return (
        f'<form method="post"><button name="passed" value="yes">{words["yes"]}</button>'
        f'<button name="passed" value="no">{words["no"]}</button></form>'
    )


def words_in(lang: str) -> dict[str, str]:
    return FRENCH if lang == "fr" else ENGLISH


def _challenged(tx: Tx, request: Request, intent_id: str) -> Object:
    kind = "setup_intent" if intent_id.startswith("seti_") else "payment_intent"
    intent = tx.maybe(kind, intent_id)
    if intent is None or request.args.get("client_secret") != intent["client_secret"]:
        raise NotFound
    return intent


@page("GET", "/3ds/<intent_id>")
def challenge(tx: Tx, request: Request, intent_id: str) -> Response:
    intent = _challenged(tx, request, intent_id)
    words = words_in(_lang(request))
    if intent["status"] != "requires_action":  # answered in another window meanwhile
        return _answered(request, intent)
    what = money_text(intent["amount"], intent["currency"]) if "amount" in intent else words["card"]
    ask = escape(words["ask"].format(what=what))
    return html("3-D Secure", f"<p>{ask}</p>{buttons(words)}", script="/js/challenge.js", lang=_lang(request))


def _lang(request: Request) -> str:
    return "fr" if request.args.get("locale") == "fr" else "en"


@page("POST", "/3ds/<intent_id>")
def answer(tx: Tx, request: Request, intent_id: str) -> Response:
    intent = _challenged(tx, request, intent_id)
    if intent["status"] == "requires_action":
        intents.answer_challenge(tx, intent, passed=request.form.get("passed") == "yes")
    return _answered(request, intent)


def _answered(request: Request, intent: Object) -> Response:
    """Back to the seller, or word to the page around that there is something new to ask for."""
    return_url = intent["_return_url"]
    if "framed" in request.args or not return_url:
        done = f"<p>{words_in(_lang(request))['done']}</p>"
        status = str(intent["status"])
        return html("3-D Secure", done, script="/js/challenge.js", lang=_lang(request), answered=status)
    query = {
        intent["object"]: intent["id"],
        f"{intent['object']}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if intent["status"] == "succeeded" else "failed",
    }
    joint = "&" if "?" in return_url else "?"
    return redirect(f"{return_url}{joint}{urlencode(query)}", 303, Response)
