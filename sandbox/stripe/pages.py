"""What a person sees in a browser: the hosted invoice, its PDF, and the bank's 3-D Secure page."""

from html import escape
from urllib.parse import urlencode

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.stripe.core import Core
from sandbox.stripe.errors import StripeError
from sandbox.stripe.pdf import invoice_pdf
from sandbox.stripe.render import render
from sandbox.stripe.resources import intents
from sandbox.stripe.rules import money_text
from sandbox.stripe.store import Object, Tx

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;color:#1a1f36}"
    "table{width:100%;border-collapse:collapse}td{padding:.4rem 0;border-bottom:1px solid #e3e8ee}"
    "td:last-child{text-align:right}button{font:inherit;padding:.6rem 1rem;margin-right:.5rem}"
    "label{display:block;margin:.6rem 0}input,select{font:inherit;width:100%;padding:.4rem}"
    ".note{color:#697386}[role=alert]{color:#b3093c}"
)


def html(title: str, body: str, status: int = 200) -> Response:
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>{body}"
        '<p class="note">Sandbox: a stand-in for Stripe. No real money moves here.</p></main></body></html>'
    )
    return Response(page, status, content_type="text/html; charset=utf-8")


class Pages:
    def __init__(self, core: Core) -> None:
        self.core = core
        self._map = Map(
            [
                Rule("/i/<token>", methods=["GET"], endpoint=self.invoice),
                Rule("/i/<token>/pdf", methods=["GET"], endpoint=self.pdf),
                Rule("/3ds/<intent_id>", methods=["GET"], endpoint=self.challenge),
                Rule("/3ds/<intent_id>", methods=["POST"], endpoint=self.answer_challenge),
            ]
        )

    def __call__(self, request: Request) -> Response:
        try:
            endpoint, args = self._map.bind("").match(request.path, request.method)
            with self.core.lock:
                tx = self.core.begin()
                response: Response = endpoint(tx, request, **args)
                self.core.commit(tx)
        except HTTPException as error:
            return html(error.name, f"<p>{escape(error.description or '')}</p>", error.code or 400)
        except StripeError as error:
            return html("Not possible", f"<p role=alert>{escape(error.body['message'])}</p>", error.status)
        return response

    # Invoices ----------------------------------------------------------------------------------------------------

    def _invoice(self, tx: Tx, token: str) -> Object:
        for invoice in self.core.store.objects.get("invoice", {}).values():
            if invoice["_token"] == token:
                return render(tx, invoice)
        raise NotFound

    def invoice(self, tx: Tx, request: Request, token: str) -> Response:
        invoice = self._invoice(tx, token)
        rows = "".join(
            f"<tr><td>{escape(line['description'] or '')}</td>"
            f"<td>{escape(money_text(line['amount'], line['currency']))}</td></tr>"
            for line in invoice["lines"]["data"]
        )
        due = money_text(invoice["amount_due"], invoice["currency"])
        body = (
            f"<p>{escape(invoice['status'])} · {escape(due)}</p><table>{rows}</table>"
            f'<p><a href="{escape(request.base_url)}/pdf">PDF</a></p>'
        )
        return html(f"Invoice {invoice['number']}", body)

    def pdf(self, tx: Tx, request: Request, token: str) -> Response:
        invoice = self._invoice(tx, token)
        name = f"Invoice-{invoice['number']}.pdf"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(invoice_pdf(invoice), content_type="application/pdf", headers=headers)

    # 3-D Secure --------------------------------------------------------------------------------------------------

    def _challenged(self, tx: Tx, request: Request, intent_id: str) -> Object:
        kind = "setup_intent" if intent_id.startswith("seti_") else "payment_intent"
        intent = tx.maybe(kind, intent_id)
        if intent is None or request.args.get("client_secret") != intent["client_secret"]:
            raise NotFound
        return intent

    def challenge(self, tx: Tx, request: Request, intent_id: str) -> Response:
        intent = self._challenged(tx, request, intent_id)
        amount = (
            money_text(intent["amount"], intent["currency"]) if "amount" in intent else "saving your card"
        )
        body = (
            f"<p>Your bank asks you to confirm: {escape(amount)}.</p>"
            '<form method="post"><button name="passed" value="yes">Complete authentication</button>'
            '<button name="passed" value="no">Fail authentication</button></form>'
        )
        return html("3-D Secure", body)

    def answer_challenge(self, tx: Tx, request: Request, intent_id: str) -> Response:
        intent = self._challenged(tx, request, intent_id)
        intents.answer_challenge(tx, intent, passed=request.form.get("passed") == "yes")
        return_url = intent["_return_url"]
        if not return_url:
            return html("Done", "<p>You may close this page.</p>")
        outcome = "succeeded" if intent["status"] == "succeeded" else "failed"
        query = {
            intent["object"]: intent["id"],
            f"{intent['object']}_client_secret": intent["client_secret"],
            "redirect_status": outcome,
        }
        joint = "&" if "?" in return_url else "?"
        return redirect(f"{return_url}{joint}{urlencode(query)}", 303, Response)
