"""The customer portal: subscriptions, cards, invoices."""

from html import escape

from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.stripe.engine import cards, collecting, methods, subscriptions
from sandbox.stripe.errors import StripeError, invalid
from sandbox.stripe.pages.shell import alert, html, page
from sandbox.stripe.resources import customers, payment_methods
from sandbox.stripe.resources import subscriptions as subscription_calls
from sandbox.stripe.rules import day_text, money_text
from sandbox.stripe.store import Object, Tx


def _session(tx: Tx, token: str) -> Object:
    found = tx.find("billing_portal.session", _token=token)
    if not found:
        raise NotFound
    return found[0]


def _button(action: str, object_id: str, word: str) -> str:
    return (
        f'<form method="post" class="inline"><input type="hidden" name="id" value="{escape(object_id)}">'
        f'<button name="action" value="{action}">{word}</button></form>'
    )


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _subscription_rows(tx: Tx, customer_id: str) -> str:
    rows = []
    for sub in tx.find("subscription", customer=customer_id):
        if sub["status"] not in subscriptions.LIVE:
            continue
        end = day_text(subscriptions.period(sub)[1])
        ending = sub["cancel_at"] is not None
        button = _button("keep", sub["id"], "Keep") if ending else _button("cancel", sub["id"], "Cancel")
        state = f"ends on {day_text(sub['cancel_at'])}" if ending else f"renews on {end}"
        rows.append(_row(escape(sub["status"]), state, "" if sub["schedule"] else button))
    return "".join(rows)


def _card_rows(tx: Tx, customer: Object) -> str:
    default = customer["invoice_settings"]["default_payment_method"]
    rows = []
    for method in tx.find("payment_method", customer=customer["id"]):
        name = escape(f"{method['card']['brand']} •••• {method['card']['last4']}")
        if method["id"] == default:
            rows.append(_row(name, "default"))
        else:
            rows.append(_row(name, _button("default", method["id"], "Make default")))
    return "".join(rows)


def _invoice_rows(tx: Tx, customer_id: str) -> str:
    shown = [row for row in tx.find("invoice", customer=customer_id) if row["hosted_invoice_url"]]
    return "".join(
        _row(
            f'<a href="{escape(row["hosted_invoice_url"])}">{escape(row["number"])}</a>',
            escape(row["status"]),
            escape(money_text(row["total"], row["currency"])),
        )
        for row in shown[::-1]
    )


ADD_CARD = (
    '<form method="post"><label>Card number<input name="id" value="4242 4242 4242 4242"></label>'
    '<button name="action" value="add">Add card</button></form>'
)


def _flow_page(tx: Tx, session: Object, message: str) -> Response:
    """The one errand that the seller sent the customer on."""
    flow = session["flow"]
    if flow["type"] == "payment_method_update":
        body, title = ADD_CARD, "Change your card"
    else:
        sub = tx.get("subscription", flow["subscription_cancel"]["subscription"])
        end = day_text(subscriptions.period(sub)[1])
        button = _button("cancel", sub["id"], "Cancel subscription")
        body, title = f"<p>It ends on {end}.</p>{button}", "Cancel your subscription"
    return html(title, f"{alert(message)}{body}{_back(session)}", 400 if message else 200)


def _back(session: Object) -> str:
    return f'<p><a href="{escape(session["return_url"])}">Back</a></p>' if session["return_url"] else ""


def _page(tx: Tx, session: Object, message: str = "") -> Response:
    if session["flow"] and not session["_flow_done"]:
        return _flow_page(tx, session, message)
    customer = tx.get("customer", session["customer"])
    body = (
        f"{alert(message)}<h2>Subscriptions</h2><table>{_subscription_rows(tx, customer['id'])}</table>"
        f"<h2>Cards</h2><table>{_card_rows(tx, customer)}</table>{ADD_CARD}"
        f"<h2>Invoices</h2><table>{_invoice_rows(tx, customer['id'])}</table>{_back(session)}"
    )
    return html("Billing", body, 400 if message else 200)


@page("GET", "/p/session/<token>")
def show(tx: Tx, request: Request, token: str) -> Response:
    return _page(tx, _session(tx, token))


@page("POST", "/p/session/<token>")
def act(tx: Tx, request: Request, token: str) -> Response:
    session = _session(tx, token)
    try:
        _act(tx, session, request.form.get("action", ""), request.form.get("id", ""))
    except StripeError as error:
        tx.discard = True
        return _page(tx, session, error.body["message"])
    return redirect(_after(session) or request.base_url, 303, Response)


def _after(session: Object) -> str | None:
    """Where an errand ends; None for the portal's own page."""
    if not session["flow"] or session["_flow_done"]:
        return None
    session["_flow_done"] = True
    after = session["flow"]["after_completion"]
    return str(after["redirect"]["return_url"]) if after["type"] == "redirect" else None


def _act(tx: Tx, session: Object, action: str, object_id: str) -> None:
    customer_id = session["customer"]
    if action in ("cancel", "keep"):
        sub = tx.get("subscription", object_id)
        if sub["customer"] != customer_id:
            raise NotFound
        subscription_calls.update(tx, {"cancel_at_period_end": action == "cancel"}, object_id)
    elif action == "default":
        customers.update(tx, {"invoice_settings": {"default_payment_method": object_id}}, customer_id)
    elif action == "add":
        name = cards.BY_NUMBER.get(object_id.replace(" ", ""))
        if name is None:
            raise invalid(cards.MESSAGES["test_mode_live_card"])
        method = methods.attach_to(tx, payment_methods.from_card(tx, name), tx.get("customer", customer_id))
        _use(tx, session, method)
    else:
        raise NotFound


def _use(tx: Tx, session: Object, method: Object) -> None:
    """A new card becomes the default when there is none, or when the customer was sent to change it."""
    customer = tx.get("customer", session["customer"])
    sent = session["flow"] is not None and not session["_flow_done"]
    if sent or collecting.default_of(tx, customer) is None:
        settings = {"default_payment_method": method["id"]}
        customers.update(tx, {"invoice_settings": settings}, customer["id"])
