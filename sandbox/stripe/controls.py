"""`/_sandbox/…`: what no Stripe has. Time, faults, webhooks, and a look inside."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Request

from sandbox.stripe import idempotency
from sandbox.stripe.core import Core
from sandbox.stripe.engine import payments
from sandbox.stripe.errors import StripeError, invalid, missing
from sandbox.stripe.render import render
from sandbox.stripe.resources import intents
from sandbox.stripe.rules import as_datetime
from sandbox.stripe.store import Object
from sandbox.stripe.webhooks import MODES

Control = Callable[[Core, dict[str, Any]], Any]
CONTROLS: dict[tuple[str, str], Control] = {}

PLURALS = {
    "customer": "customers",
    "subscription": "subscriptions",
    "subscription_schedule": "subscription_schedules",
    "invoice": "invoices",
    "invoiceitem": "invoiceitems",
    "invoice_payment": "invoice_payments",
    "payment_intent": "payment_intents",
    "setup_intent": "setup_intents",
    "payment_method": "payment_methods",
    "charge": "charges",
    "refund": "refunds",
    "dispute": "disputes",
    "credit_note": "credit_notes",
    "coupon": "coupons",
    "promotion_code": "promotion_codes",
    "discount": "discounts",
    "product": "products",
    "price": "prices",
    "event": "events",
    "webhook_endpoint": "webhook_endpoints",
    "balance_transaction": "balance_transactions",
    "customer_balance_transaction": "customer_balance_transactions",
    "tax_id": "tax_ids",
    "tax_rate": "tax_rates",
    "test_helpers.test_clock": "test_clocks",
    "checkout.session": "checkout_sessions",
    "billing_portal.session": "billing_portal_sessions",
}


def control(method: str, name: str) -> Callable[[Control], Control]:
    def register(handler: Control) -> Control:
        CONTROLS[method, name] = handler
        return handler

    return register


def answer(core: Core, request: Request) -> tuple[int, Any]:
    """The status and JSON body of a control request."""
    name = request.path.removeprefix("/_sandbox/").strip("/")
    handler = CONTROLS.get((request.method, name))
    try:
        if handler is None:
            raise MethodNotAllowed if any(known == name for _, known in CONTROLS) else NotFound
        body = request.get_json(silent=False) if request.data else {}
        result = handler(core, _json_object(body))
    except HTTPException as error:
        return error.code or 400, {"error": error.description}
    except (ValueError, TypeError) as error:
        return 400, {"error": str(error)}
    except StripeError as error:
        return error.status, {"error": error.body["message"]}
    else:
        return 200, result


def _json_object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise TypeError("a JSON object is expected")
    return body


# Time ----------------------------------------------------------------------------------------------------------------


def _text(at: int | None) -> str | None:
    return as_datetime(at).isoformat().replace("+00:00", "Z") if at is not None else None


def _clock(core: Core) -> dict[str, Any]:
    due = core.next_due()
    return {"now": _text(core.clock.now()), "next_due_at": _text(due.at if due else None)}


@control("GET", "clock")
def show_clock(core: Core, body: dict[str, Any]) -> Any:
    return _clock(core)


@control("POST", "clock")
def move_clock(core: Core, body: dict[str, Any]) -> Any:
    """`advance_s`, `to` or `next`. Answers when all that became due is done and told."""
    if len(body) != 1:
        raise ValueError("one of advance_s, to, next")
    if body.get("next"):
        core.move(None)
    elif "to" in body:
        target = datetime.fromisoformat(body["to"])
        if target.tzinfo is None:
            raise ValueError("to must say its offset from UTC")
        if target < datetime.fromtimestamp(core.clock.now(), UTC):
            raise ValueError("time does not go back")
        core.move(int(target.timestamp()))
    elif isinstance(body.get("advance_s"), int | float) and body["advance_s"] >= 0:
        core.move(core.clock.now() + int(body["advance_s"]))
    else:
        raise ValueError("one of advance_s (not negative), to, next")
    return _clock(core)


# Faults and deliveries -----------------------------------------------------------------------------------------------


@control("GET", "faults")
def show_faults(core: Core, body: dict[str, Any]) -> Any:
    return {"faults": core.faults.listed()}


@control("POST", "faults")
def add_fault(core: Core, body: dict[str, Any]) -> Any:
    core.faults.add(body)
    return {"faults": core.faults.listed()}


@control("DELETE", "faults")
def clear_faults(core: Core, body: dict[str, Any]) -> Any:
    core.faults.clear()
    return {"faults": []}


@control("GET", "webhooks")
def show_webhooks(core: Core, body: dict[str, Any]) -> Any:
    return {"mode": core.deliverer.mode} | core.deliverer.counts()


@control("POST", "webhooks")
def set_webhooks(core: Core, body: dict[str, Any]) -> Any:
    if body.get("mode") not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}")
    core.deliverer.set_mode(body["mode"])
    return show_webhooks(core, {})


@control("GET", "webhooks/log")
def show_log(core: Core, body: dict[str, Any]) -> Any:
    """Every attempt to deliver, oldest first, with the answer's status (null when there was none)."""
    return {"deliveries": list(core.deliverer.log)}


@control("DELETE", "webhooks/log")
def clear_log(core: Core, body: dict[str, Any]) -> Any:
    core.deliverer.log.clear()
    return {"deliveries": []}


@control("POST", "webhooks/replay")
def replay(core: Core, body: dict[str, Any]) -> Any:
    """Delivers `events` (ids) now, in the order given; answers when the last one was answered."""
    events = body.get("events")
    if set(body) != {"events"} or not isinstance(events, list):
        raise ValueError("events: ids, in the order of delivery")
    return {"deliveries": core.deliverer.replay([str(event) for event in events])}


@control("GET", "idle")
def idle(core: Core, body: dict[str, Any]) -> Any:
    return core.deliverer.counts()


@control("POST", "forget_keys")
def forget_keys(core: Core, body: dict[str, Any]) -> Any:
    """As after a day: no idempotency key is remembered."""
    with core.lock:
        tx = core.begin()
        forgotten = idempotency.forget_all(tx)
        core.commit(tx)
    return {"forgotten": forgotten}


# The payer -----------------------------------------------------------------------------------------------------------


@control("POST", "payer")
def act_as_payer(core: Core, body: dict[str, Any]) -> Any:
    """What a person does in the browser with a payment or setup intent: give a card (`payment_method`), then pass or
    fail 3-D Secure (`authenticate`: true or false) when the bank asks."""
    if set(body) - {"intent", "payment_method", "authenticate"} or "intent" not in body:
        raise ValueError("intent (its id or client secret), payment_method?, authenticate?")
    with core.lock:
        tx = core.begin()
        intent = _intent(tx, str(body["intent"]).partition("_secret_")[0])
        try:
            _confirm(tx, intent, body)
            if intent["status"] == "requires_action" and "authenticate" in body:
                intents.answer_challenge(tx, intent, passed=bool(body["authenticate"]))
        except StripeError as error:
            if not error.keep:
                raise
        result = render(tx, intent)
        core.commit(tx)
    return result


def _intent(tx: Any, intent_id: str) -> Object:
    kind = "setup_intent" if intent_id.startswith("seti_") else "payment_intent"
    if tx.peek(kind, intent_id) is None:
        raise missing(kind, intent_id)
    found: Object = tx.get(kind, intent_id)
    return found


def _confirm(tx: Any, intent: Object, body: dict[str, Any]) -> None:
    if intent["status"] == "requires_action" and "payment_method" not in body:
        return
    if intent["status"] not in payments.OPEN:
        raise invalid(f"This intent is {intent['status']}.")
    params = {"payment_method": body["payment_method"]} if "payment_method" in body else {}
    if intent["object"] == "setup_intent":
        intents.confirm_setup(tx, params, intent["id"])
    else:
        intents.confirm_payment(tx, params, intent["id"])


# A look inside -------------------------------------------------------------------------------------------------------


@control("GET", "state")
def state(core: Core, body: dict[str, Any]) -> Any:
    """Every object, by its type's plural and its id."""
    with core.lock:
        core.run_due()
        tx = core.begin()
        return {
            plural: {obj["id"]: render(tx, obj) for obj in core.store.objects.get(kind, {}).values()}
            for kind, plural in PLURALS.items()
        }


@control("GET", "requests")
def requests(core: Core, body: dict[str, Any]) -> Any:
    return {"requests": core.requests.listed()}


@control("DELETE", "requests")
def forget_requests(core: Core, body: dict[str, Any]) -> Any:
    core.requests.clear()
    return {"requests": []}


@control("GET", "settings")
def show_settings(core: Core, body: dict[str, Any]) -> Any:
    return vars(core.settings)


@control("POST", "settings")
def change_settings(core: Core, body: dict[str, Any]) -> Any:
    core.change_settings(body)
    return vars(core.settings)


@control("POST", "reset")
def reset(core: Core, body: dict[str, Any]) -> Any:
    """Forgets everything but the time, which does not go back."""
    core.reset()
    return _clock(core)


@control("GET", "health")
def health(core: Core, body: dict[str, Any]) -> Any:
    if core.broken or not core.deliverer.alive:
        raise StripeError(core.broken or "nobody delivers webhooks any more; see the log", status=503)
    return {"status": "ok", "stand_in": True}
