"""The hosted invoice and its PDF, and those of credit notes."""

from html import escape

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from sandbox.stripe.pages.shell import html, page
from sandbox.stripe.pdf import credit_note_pdf, invoice_pdf
from sandbox.stripe.render import render
from sandbox.stripe.rules import money_text
from sandbox.stripe.store import Object, Tx


def _invoice(tx: Tx, token: str) -> Object:
    found = tx.find("invoice", _token=token)
    if not found:
        raise NotFound
    return render(tx, found[0])


def lines_table(lines: list[Object]) -> str:
    rows = "".join(
        f"<tr><td>{escape(line['description'] or '')}</td>"
        f"<td>{escape(money_text(line['amount'], line['currency']))}</td></tr>"
        for line in lines
    )
    return f"<table>{rows}</table>"


@page("GET", "/i/<token>")
def invoice(tx: Tx, request: Request, token: str) -> Response:
    shown = _invoice(tx, token)
    due = money_text(shown["amount_due"], shown["currency"])
    body = (
        f"<p>{escape(shown['status'])} · {escape(due)}</p>{lines_table(shown['lines']['data'])}"
        f'<p><a href="{escape(request.base_url)}/pdf">PDF</a></p>'
    )
    return html(f"Invoice {shown['number']}", body)


def _download(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, content_type="application/pdf", headers=headers)


@page("GET", "/i/<token>/pdf")
def pdf(tx: Tx, request: Request, token: str) -> Response:
    shown = _invoice(tx, token)
    return _download(invoice_pdf(shown), f"Invoice-{shown['number']}.pdf")


@page("GET", "/credit_notes/<note_id>/pdf")
def note_pdf(tx: Tx, request: Request, note_id: str) -> Response:
    note = tx.maybe("credit_note", note_id)
    if note is None:
        raise NotFound
    return _download(credit_note_pdf(render(tx, note)), f"CreditNote-{note['number']}.pdf")
