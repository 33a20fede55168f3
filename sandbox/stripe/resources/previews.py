"""Invoice previews: the real thing is run and nothing of it kept."""

from sandbox.stripe.engine import invoicing, subscriptions, upcoming
from sandbox.stripe.errors import invalid
from sandbox.stripe.params import Params
from sandbox.stripe.resources import customers, invoice_items
from sandbox.stripe.resources import subscriptions as subscription_calls
from sandbox.stripe.resources.customers import live_customer
from sandbox.stripe.routing import route
from sandbox.stripe.store import Object, Tx


@route("POST", "/v1/invoices/create_preview", "InvoiceCreatePreviewParams")
def create_preview(tx: Tx, params: Params) -> Object:
    """Does what the described request would do, in a unit of work that is thrown away, and answers the invoice that
    comes of it: the one made at once, or else the next one that time brings."""
    tx.preview = tx.discard = True
    sub = _previewed(tx, params)
    for item in params.get("invoice_items") or []:
        _preview_item(tx, sub, item)
    if not tx.made_invoices and not upcoming.bring_next(tx, sub):
        raise _none_upcoming(sub["customer"])
    invoice = tx.get("invoice", tx.made_invoices[-1])
    if params.get("currency", invoice["currency"]) != invoice["currency"]:
        raise invalid(f"The currency must be {invoice['currency']}.", "currency")
    invoicing.finalize(tx, invoice)
    return invoice | {"billing_reason": "upcoming"}


def _previewed(tx: Tx, params: Params) -> Object:
    details = params.get("subscription_details") or {}
    if schedule_id := params.get("schedule"):
        schedule = tx.get("subscription_schedule", schedule_id, param="schedule")
        return _with_schedule(tx, tx.get("subscription", schedule["subscription"]), params)
    if "subscription" in params:
        sub = tx.get("subscription", params["subscription"], param="subscription")
        if sub["status"] in ("canceled", "incomplete_expired"):
            raise _none_upcoming(sub["customer"])
        if "schedule_details" in params:
            return _with_schedule(tx, sub, params)
        return _with_details(tx, sub, details, _discounts(params))
    if not details.get("items"):
        return _any_of_customer(tx, params)
    _refuse_others(details, PREVIEW_CREATE)
    created = details | {"customer": _for_whom(tx, params), "payment_behavior": "default_incomplete"}
    return subscription_calls.create(tx, created | _discounts(params))


def _refuse_others(details: Object, known: set[str]) -> None:
    for name in sorted(set(details) - known):
        raise invalid(f"{name} is not spoken by this stand-in.", f"subscription_details[{name}]")


PREVIEW_CREATE = {
    "items",
    "trial_end",
    "billing_cycle_anchor",
    "proration_behavior",
    "billing_mode",
    "cancel_at",
    "default_tax_rates",
}
PREVIEW_UPDATE = {
    "items",
    "trial_end",
    "billing_cycle_anchor",
    "proration_behavior",
    "proration_date",
    "cancel_at",
    "cancel_at_period_end",
    "default_tax_rates",
}


def _for_whom(tx: Tx, params: Params) -> str:
    """The customer; without one, a stranger who is forgotten with the preview."""
    if "customer" in params:
        return str(params["customer"])
    details = {
        name: value for name, value in (params.get("customer_details") or {}).items() if name == "address"
    }
    return str(customers.create(tx, details)["id"])


def _discounts(params: Params) -> Params:
    return {"discounts": params["discounts"]} if "discounts" in params else {}


def _any_of_customer(tx: Tx, params: Params) -> Object:
    if "customer" not in params:
        raise invalid(
            "You must pass one of customer, subscription, schedule or subscription_details.", "customer"
        )
    customer_id = live_customer(tx, params["customer"])["id"]
    live = [
        sub for sub in tx.find("subscription", customer=customer_id) if sub["status"] in subscriptions.LIVE
    ]
    if not live:
        raise _none_upcoming(customer_id)
    return min(live, key=lambda sub: subscriptions.period(sub)[1])


def _with_details(tx: Tx, sub: Object, details: Object, discounts_wanted: Params) -> Object:
    _refuse_others(details, PREVIEW_UPDATE | {"cancel_now"})
    change = details | discounts_wanted
    if details.get("cancel_now"):
        subscription_calls.cancel(tx, {"invoice_now": True, "prorate": True}, sub["id"])
    elif change:
        subscription_calls.update(tx, change, sub["id"])
    return sub


def _with_schedule(tx: Tx, sub: Object, params: Params) -> Object:
    from sandbox.stripe.resources.schedules import create as create_schedule
    from sandbox.stripe.resources.schedules import update as update_schedule

    details = params.get("schedule_details") or {}
    schedule = tx.maybe("subscription_schedule", sub["schedule"])
    if schedule is None:
        schedule = create_schedule(tx, {"from_subscription": sub["id"]})
    change = {
        name: details[name] for name in ("phases", "end_behavior", "proration_behavior") if name in details
    }
    if change:
        update_schedule(tx, change, schedule["id"])
    return sub


def _preview_item(tx: Tx, sub: Object, given: Object) -> None:
    params = {name: value for name, value in given.items() if name not in ("invoiceitem", "discounts")}
    invoice_items.create(tx, params | {"customer": sub["customer"], "subscription": sub["id"]})
    if tx.made_invoices:
        invoice = tx.get("invoice", tx.made_invoices[-1])
        invoicing.take_pending(tx, invoice, sub)


def _none_upcoming(customer_id: str) -> Exception:
    return invalid(f"No upcoming invoices for customer: {customer_id}", code="invoice_upcoming_none")
