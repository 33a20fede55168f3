"""Attempts to collect an open invoice, and when the next one is."""

from sandbox.stripe.engine import invoicing, payments
from sandbox.stripe.events import emit, on
from sandbox.stripe.rules import DAY_S
from sandbox.stripe.store import Object, Tx


def default_of(tx: Tx, customer: Object) -> Object | None:
    """The customer's own default."""
    method = tx.maybe("payment_method", customer["invoice_settings"]["default_payment_method"])
    return method if method is not None and method["customer"] == customer["id"] else None


def default_method(tx: Tx, invoice: Object) -> Object | None:
    """The payment method that an automatic attempt uses."""
    sub = tx.maybe("subscription", invoicing.subscription_id(invoice))
    for choice in (invoice["default_payment_method"], sub["default_payment_method"] if sub else None):
        method = tx.maybe("payment_method", choice)
        if method is not None and method["customer"] == invoice["customer"]:
            return method
    return default_of(tx, tx.get("customer", invoice["customer"]))


def collect(tx: Tx, invoice: Object, method: Object | None = None, *, off_session: bool = True) -> str:
    """One attempt to collect an open invoice. Answers the payment intent's status."""
    intent = tx.get("payment_intent", invoice["_payment_intent"])
    method = method or default_method(tx, invoice)
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    if method is None:
        result = "requires_payment_method"
        intent["last_payment_error"] = {
            "type": "invalid_request_error",
            "code": "resource_missing",
            "message": "This customer has no attached payment source or default payment method.",
        }
    else:
        result = payments.confirm(tx, intent, method, off_session=off_session)
    if result == "succeeded":
        return result
    invoicing.set_delinquent(tx, invoice, delinquent=True)
    plan_retry(tx, invoice)
    emit(tx, "invoice.payment_failed", invoice)
    if result == "requires_action":
        emit(tx, "invoice.payment_action_required", invoice)
    return result


def plan_retry(tx: Tx, invoice: Object) -> None:
    days = tx.settings.retry_days
    if not invoice["auto_advance"] or invoice["_retries"] >= len(days):
        invoice["next_payment_attempt"] = None
        return
    invoice["next_payment_attempt"] = tx.now + days[invoice["_retries"]] * DAY_S
    invoice["_retries"] += 1


@on("payment_intent.succeeded")
def _intent_succeeded(tx: Tx, intent: Object) -> None:
    invoice = tx.maybe("invoice", intent["_invoice"])
    if invoice is not None and invoice["status"] in ("open", "uncollectible"):
        invoice["attempted"] = True
        invoicing.mark_paid(tx, invoice, amount=intent["amount"])
