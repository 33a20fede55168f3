"""Subscriptions and their items."""

from sandbox.stripe.engine import (
    changes,
    collecting,
    discounts,
    invoicing,
    proration,
    schedules,
    subscriptions,
    taxes,
    templates,
)
from sandbox.stripe.engine import (
    items as item_rules,
)
from sandbox.stripe.errors import invalid, missing
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.params import Params, names
from sandbox.stripe.render import RENDERERS, renders
from sandbox.stripe.resources import first_period, payment_methods
from sandbox.stripe.resources.catalogue import price_from_data
from sandbox.stripe.resources.common import assign
from sandbox.stripe.resources.customers import live_customer
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.store import Object, Tx, copied

PLAIN = ("description", "days_until_due", "collection_method", "trial_settings")
NO_REASON = {"comment": None, "feedback": None, "reason": None}


# Creating ------------------------------------------------------------------------------------------------------------


@route("POST", "/v1/subscriptions", "SubscriptionCreateParams")
def create(tx: Tx, params: Params) -> Object:
    if "customer" not in params:
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    customer = live_customer(tx, params["customer"])
    sub = _new(tx, customer, params)
    data = []
    for index, given in enumerate(params.get("items") or []):
        price = item_rules.price_for(tx, given, f"items[{index}]", price_from_data)
        data.append(item_rules.new_item(tx, sub["id"], price, given))
    item_rules.check_together(tx, data, customer["currency"])
    sub["items"]["data"] = data
    sub["currency"] = tx.get("price", data[0]["price"])["currency"]
    customer["currency"] = sub["currency"]
    tx.add(sub)
    _assign(tx, sub, params)
    first_period.begin(tx, sub, params)
    if "cancel_at" in params or params.get("cancel_at_period_end"):
        _plan_end(tx, sub, params)
    return subscriptions.begin(tx, sub, behavior=params.get("payment_behavior", "allow_incomplete"))


def _new(tx: Tx, customer: Object, params: Params) -> Object:
    sub_id = tx.ids.new("sub")
    mode = (params.get("billing_mode") or {}).get("type", "flexible")
    flexible = {"proration_discounts": "included"} if mode == "flexible" else None
    return {
        **copied(templates.SUBSCRIPTION),
        "id": sub_id,
        "billing_cycle_anchor": tx.now,
        "billing_mode": {"flexible": flexible, "type": mode},
        "cancellation_details": dict(NO_REASON),
        "created": tx.now,
        "currency": customer["currency"],
        "customer": customer["id"],
        "items": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/subscription_items?subscription={sub_id}",
        },
        "start_date": tx.now,
        "test_clock": customer["test_clock"],
    }


def _assign(tx: Tx, sub: Object, params: Params) -> None:
    """The fields that do not change what is billed."""
    assign(sub, params, *PLAIN)
    if params.get("default_payment_method"):
        given = params["default_payment_method"]
        sub["default_payment_method"] = payment_methods.of_customer(
            tx, given, sub["customer"], "default_payment_method"
        )["id"]
    if "payment_settings" in params:
        sub["payment_settings"] |= params["payment_settings"]
    if "invoice_settings" in params:
        sub["invoice_settings"] |= params["invoice_settings"]
    if "default_tax_rates" in params:
        sub["default_tax_rates"] = taxes.checked(tx, params["default_tax_rates"], "default_tax_rates")
    if "discounts" in params:
        sub["discounts"] = discounts.redeem(tx, params["discounts"] or [], subscription=sub)
    if "pause_collection" in params:
        pause = params["pause_collection"] or None
        sub["pause_collection"] = {"resumes_at": None} | pause if pause else None
    if "cancellation_details" in params:
        sub["cancellation_details"] |= {k: v or None for k, v in params["cancellation_details"].items()}
    if sub["collection_method"] == "send_invoice" and sub["days_until_due"] is None:
        raise invalid(
            "You must pass `days_until_due` when collection_method is send_invoice.", "days_until_due"
        )


# Reading -------------------------------------------------------------------------------------------------------------


@renders("subscription")
def _subscription(tx: Tx, sub: Object) -> Object:
    item = RENDERERS["subscription_item"]
    sub["default_tax_rates"] = taxes.shown(tx, sub["default_tax_rates"])
    sub["items"]["data"] = [item(tx, row) for row in sub["items"]["data"]]
    if sub["pending_update"]:
        rows = sub["pending_update"]["subscription_items"]
        sub["pending_update"]["subscription_items"] = [item(tx, row) for row in rows]
    return sub


@route("GET", "/v1/subscriptions/<sub_id>", "SubscriptionRetrieveParams")
def retrieve(tx: Tx, params: Params, sub_id: str) -> Object:
    return tx.get("subscription", sub_id)


@route("GET", "/v1/subscriptions", "SubscriptionListParams")
def list_(tx: Tx, params: Params) -> Object:
    """Without a status, all that are not canceled, as Stripe."""
    equals = {"customer": params["customer"]} if "customer" in params else {}
    rows = [sub for sub in tx.scan("subscription", **equals) if _status_fits(sub, params.get("status"))]
    if price := params.get("price") or params.get("plan"):
        rows = [sub for sub in rows if any(item["price"] == price for item in sub["items"]["data"])]
    for name in ("current_period_start", "current_period_end"):
        if name in params:
            rows = [s for s in rows if matching([s["items"]["data"][0]], {name: params[name]})]
    skip = {"status", "price", "plan", "current_period_start", "current_period_end", "automatic_tax"}
    return page(tx, params, matching(rows, params, skip=skip), "/v1/subscriptions")


def _status_fits(sub: Object, wanted: str | None) -> bool:
    if wanted == "all":
        return True
    if wanted == "ended":
        return sub["status"] in ("canceled", "incomplete_expired")
    if wanted is None:
        return sub["status"] not in ("canceled", "incomplete_expired")
    return bool(sub["status"] == wanted)


# Updating ------------------------------------------------------------------------------------------------------------


PENDING_ALLOWED = {
    "items",
    "proration_behavior",
    "proration_date",
    "billing_cycle_anchor",
    "trial_end",
    "trial_from_plan",
    "payment_behavior",
    "off_session",
    "metadata",
    "discounts",
}


@route("POST", "/v1/subscriptions/<sub_id>", "SubscriptionUpdateParams")
def update(tx: Tx, params: Params, sub_id: str) -> Object:
    sub = tx.get("subscription", sub_id)
    _check_update(tx, sub, params)
    before = changes.snapshot(sub)
    _assign(tx, sub, params)
    if {"items", "trial_end"} & names(params) or params.get("billing_cycle_anchor") == "now":
        changes.change(tx, sub, _change(tx, sub, params), before)
        schedules.follow_subscription(tx, sub)
    if {"cancel_at", "cancel_at_period_end"} & names(params):
        _plan_end(tx, sub, params)
    emit_updated(tx, "customer.subscription.updated", sub)
    return sub


def _check_update(tx: Tx, sub: Object, params: Params) -> None:
    if sub["status"] in ("canceled", "incomplete_expired") and names(params) - {
        "metadata",
        "cancellation_details",
    }:
        raise invalid(
            "A canceled subscription can only update its cancellation_details and metadata.",
            code="resource_missing",
        )
    if sub["status"] == "incomplete" and {"items", "trial_end", "billing_cycle_anchor"} & names(params):
        raise invalid(
            "You cannot change the items of a subscription whose first invoice is not paid.", "items"
        )
    if sub["schedule"] and {"cancel_at", "cancel_at_period_end"} & names(params):
        raise invalid(
            f"The subscription is managed by the subscription schedule `{sub['schedule']}`, and updating any "
            "cancelation behavior directly is not allowed. Please update the schedule instead."
        )
    if params.get("payment_behavior") == "pending_if_incomplete" and names(params) - PENDING_ALLOWED:
        other = min(names(params) - PENDING_ALLOWED)
        raise invalid(
            f"When `payment_behavior` is `pending_if_incomplete`, you cannot pass `{other}`.", other
        )


def _change(tx: Tx, sub: Object, params: Params) -> changes.Change:
    items = item_rules.changed(tx, sub, params["items"], price_from_data) if "items" in params else None
    trial_end = (
        first_period.timestamp(tx, params["trial_end"], "trial_end") if "trial_end" in params else None
    )
    return changes.Change(
        items=items,
        behavior=params.get("proration_behavior", "create_prorations"),
        at=_proration_at(tx, sub, params),
        anchor_now=params.get("billing_cycle_anchor") == "now",
        trial_end=trial_end,
        payment=params.get("payment_behavior", "allow_incomplete"),
    )


def _proration_at(tx: Tx, sub: Object, params: Params) -> int:
    start, end = subscriptions.period(sub)
    at = int(params.get("proration_date", tx.now))
    if not start <= at <= end:
        raise invalid(
            "The proration date must be within the current billing period of the subscription.",
            "proration_date",
        )
    return at


def _plan_end(tx: Tx, sub: Object, params: Params) -> None:
    """`cancel_at_period_end` and `cancel_at`, set or taken back."""
    if params.get("cancel_at_period_end") and params.get("cancel_at"):
        raise invalid(
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.", "cancel_at"
        )
    end = subscriptions.period(sub)[1]
    at_end = params.get("cancel_at_period_end", False)
    given = params.get("cancel_at")
    if at_end or given in ("min_period_end", "max_period_end", "max_billed_until"):
        given = end
    elif given:
        given = first_period.timestamp(tx, given, "cancel_at")
    sub["cancel_at_period_end"] = bool(at_end)
    sub["cancel_at"] = given or None
    sub["_prorate_cancel"] = bool(given) and given != end and params.get("proration_behavior") != "none"
    sub["canceled_at"] = tx.now if given else None
    sub["cancellation_details"]["reason"] = "cancellation_requested" if given else None


# Ending --------------------------------------------------------------------------------------------------------------


@route("DELETE", "/v1/subscriptions/<sub_id>", "SubscriptionCancelParams")
def cancel(tx: Tx, params: Params, sub_id: str) -> Object:
    sub = tx.get("subscription", sub_id)
    if sub["status"] in ("canceled", "incomplete_expired"):
        raise missing("subscription", sub_id)
    if details := params.get("cancellation_details"):
        sub["cancellation_details"] |= {name: value or None for name, value in details.items()}
    if params.get("prorate"):
        for old in copied(sub)["items"]["data"]:
            proration.create(tx, sub | {"items": {"data": []}}, [old], tx.now, debit=False)
    elif not params.get("invoice_now"):
        _drop_prorations(tx, sub)
    if params.get("invoice_now"):
        subscriptions.advance(tx, subscriptions.invoice_changes(tx, sub))
    subscriptions.end(tx, sub, reason="cancellation_requested")
    return sub


def _drop_prorations(tx: Tx, sub: Object) -> None:
    """An immediate end without a final invoice takes the pending prorations with it."""
    for item in invoicing.pending_items(tx, sub["customer"], sub["currency"], sub):
        if item["proration"] and item["parent"]:
            emit(tx, "invoiceitem.deleted", item)
            tx.remove("invoiceitem", item["id"])


@route("POST", "/v1/subscriptions/<sub_id>/resume", "SubscriptionResumeParams")
def resume(tx: Tx, params: Params, sub_id: str) -> Object:
    """A subscription paused at its trial's end goes on, with a new cycle unless asked otherwise."""
    sub = tx.get("subscription", sub_id)
    if sub["status"] != "paused":
        raise invalid("This subscription is not paused.")
    sub["status"] = "active"
    subscriptions.start_period(tx, sub, tx.now)
    invoice = subscriptions.invoice_period(tx, sub, "subscription_update")
    invoicing.finalize(tx, invoice)
    if invoice["status"] == "open" and collecting.collect(tx, invoice, off_session=False) != "succeeded":
        sub["status"] = "past_due"
    emit_updated(tx, "customer.subscription.updated", sub)
    emit(tx, "customer.subscription.resumed", sub)
    return sub
