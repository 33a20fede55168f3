"""The hosted invoice and its PDF, and those of credit notes."""

from html import escape

from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.stripe.engine import invoicing
from sandbox.stripe.errors import StripeError
from sandbox.stripe.pages.forms import card_fields, card_given
from sandbox.stripe.pages.shell import alert, html, page
from sandbox.stripe.pages.speech import Speech, speech
from sandbox.stripe.pdf import credit_note_pdf, invoice_pdf
from sandbox.stripe.render import render
from sandbox.stripe.resources import intents, payment_methods
from sandbox.stripe.store import Object, Tx


def _invoice(tx: Tx, token: str) -> Object:
    found = tx.find("invoice", _token=token)
    if not found:
        raise NotFound
    return render(tx, found[0])


def lines_table(lines: list[Object], say: Speech) -> str:
    rows = "".join(
        f"<tr><td>{escape(line['description'] or '')}</td>"
        f"<td>{escape(say.money(line['amount'], line['currency']))}</td></tr>"
        for line in lines
    )
    return f"<table>{rows}</table>"


def _hosted(request: Request, shown: Object, message: str = "") -> Response:
    """In the customer's language, or the browser's."""
    say, currency = speech(request, *shown["_locales"]), shown["currency"]
    body = (
        f"<p>{escape(say(shown['status']))} · {escape(say.money(shown['amount_due'], currency))}</p>"
        f"{lines_table(shown['lines']['data'], say)}"
        f'<p><a href="/i/{shown["_token"]}/pdf">PDF</a></p>{alert(say(message))}'
    )
    if shown["status"] in ("open", "uncollectible") and shown["_payment_intent"]:
        pay = escape(say("Pay {amount}", amount=say.money(shown["amount_remaining"], currency)))
        body += f'<form method="post">{card_fields(say)}<button>{pay}</button></form>'
    title = say("Invoice {number}", number=str(shown["number"]))
    return html(title, body, 402 if message else 200, lang=say.lang)


@page("GET", "/i/<token>")
def invoice(tx: Tx, request: Request, token: str) -> Response:
    """With `redirect_status=failed` the payer comes back from the bank without having passed."""
    failed = request.args.get("redirect_status") == "failed"
    return _hosted(request, _with_own(tx, token), NOT_PASSED if failed else "")


NOT_PASSED = "The payment was not authenticated. Try again, or use another card."


def _with_own(tx: Tx, token: str) -> Object:
    """As shown by the API, with what only the page needs."""
    shown = _invoice(tx, token)
    stored = tx.get("invoice", shown["id"])
    locales = tx.get("customer", shown["customer"])["preferred_locales"]
    return shown | {"_token": token, "_payment_intent": stored["_payment_intent"], "_locales": locales}


@page("POST", "/i/<token>")
def pay(tx: Tx, request: Request, token: str) -> Response:
    """A card that is refused leaves its trace, as the same attempt through the API does."""
    shown = _with_own(tx, token)
    page_url = f"{tx.base_url}/i/{token}"
    if shown["status"] not in ("open", "uncollectible"):
        return redirect(page_url, 303, Response)
    try:
        method = payment_methods.from_card(tx, card_given(request))
        given = {"payment_method": method["id"], "return_url": page_url}
        intent = intents.confirm_payment(tx, given, str(shown["_payment_intent"]))
    except StripeError as error:
        tx.discard = not error.keep
        return _hosted(request, _with_own(tx, token), error.body["message"])
    if intent["status"] == "requires_action":
        bank = intent["next_action"]["redirect_to_url"]["url"]
        return redirect(f"{bank}&locale={speech(request, *shown['_locales']).lang}", 303, Response)
    return redirect(page_url, 303, Response)


def _tax_names(tx: Tx, taxed: Object) -> dict[str, str]:
    rates = [tx.get("tax_rate", tax["tax_rate_details"]["tax_rate"]) for tax in taxed["total_taxes"] or []]
    return {rate["id"]: f"{rate['display_name']} {rate['percentage']:g} %" for rate in rates}


def _download(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, content_type="application/pdf", headers=headers)


@page("GET", "/i/<token>/pdf")
def pdf(tx: Tx, request: Request, token: str) -> Response:
    shown = _invoice(tx, token)
    rows = invoicing.lines_of(tx, tx.get("invoice", shown["id"]))
    whole = shown | {"lines": {"data": rows}, "_tax_names": _tax_names(tx, shown)}
    return _download(invoice_pdf(whole), f"Invoice-{shown['number']}.pdf")


@page("GET", "/credit_notes/<note_id>/pdf")
def note_pdf(tx: Tx, request: Request, note_id: str) -> Response:
    note = tx.maybe("credit_note", note_id)
    if note is None:
        raise NotFound
    shown = render(tx, note)
    return _download(
        credit_note_pdf(shown | {"_tax_names": _tax_names(tx, shown)}), f"CreditNote-{note['number']}.pdf"
    )
