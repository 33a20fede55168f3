"""Attempts to collect an open invoice, and when the next one is."""

from sandbox.stripe.engine import invoicing, payments, setups
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


def collect(
    tx: Tx,
    invoice: Object,
    method: Object | None = None,
    *,
    off_session: bool = True,
    automatic: bool = False,
) -> str:
    """One attempt to collect an open invoice. Answers the payment intent's status.

    Only `automatic` attempts, and whichever is the first, count for the retry schedule.
    """
    intent = tx.get("payment_intent", invoice["_payment_intent"])
    method = method or default_method(tx, invoice)
    counts = _count(invoice, automatic=automatic)
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
    if counts:
        plan_retry(tx, invoice)
    _tell(tx, invoice, asks_payer=result == "requires_action")
    return result


def _count(invoice: Object, *, automatic: bool) -> bool:
    counts = automatic or invoice["attempt_count"] == 0
    invoice["attempted"] = True
    invoice["attempt_count"] += counts
    return counts


def _tell(tx: Tx, invoice: Object, *, asks_payer: bool) -> None:
    invoicing.set_delinquent(tx, invoice, delinquent=True)
    emit(tx, "invoice.payment_failed", invoice)
    if asks_payer:
        emit(tx, "invoice.payment_action_required", invoice)


def attempted_by_payer(tx: Tx, intent: Object) -> None:
    """The payer's own attempt, in a browser, did not succeed: when it was for an invoice, that is told too."""
    invoice = tx.maybe("invoice", intent["_invoice"])
    if invoice is None or invoice["status"] != "open":
        return
    if _count(invoice, automatic=False):
        plan_retry(tx, invoice)
    _tell(tx, invoice, asks_payer=intent["status"] == "requires_action")


def plan_retry(tx: Tx, invoice: Object) -> None:
    days = tx.settings.retry_days
    if not invoice["auto_advance"] or invoice["_retries"] >= len(days):
        invoice["next_payment_attempt"] = None
        return
    invoice["next_payment_attempt"] = tx.now + days[invoice["_retries"]] * DAY_S
    invoice["_retries"] += 1


def follow_auto_advance(tx: Tx, invoice: Object) -> None:
    """Automatic collection of an open invoice was switched on or off: what was refused is tried again by the schedule, or
    not any more.
    """
    if not invoice["auto_advance"]:
        invoice["next_payment_attempt"] = None
    elif invoice["attempt_count"] and invoice["next_payment_attempt"] is None:
        plan_retry(tx, invoice)


@on("payment_intent.succeeded")
def _intent_succeeded(tx: Tx, intent: Object) -> None:
    invoice = tx.maybe("invoice", intent["_invoice"])
    if invoice is None or invoice["status"] not in ("open", "uncollectible"):
        return
    invoice["attempted"] = True
    sub = tx.maybe("subscription", invoicing.subscription_id(invoice))
    if sub is not None:
        setups.keep_for_subscription(sub, intent["payment_method"])
    invoicing.mark_paid(tx, invoice, amount=intent["amount"])
