"""Subscription schedules."""

from typing import Any

from sandbox.stripe.engine import items as item_rules
from sandbox.stripe.engine import schedules, subscriptions, taxes, templates
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.params import Params, names
from sandbox.stripe.render import renders
from sandbox.stripe.resources.catalogue import as_plan, price_from_data
from sandbox.stripe.resources.customers import live_customer
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.store import Object, Tx, copied

LIVE = ("not_started", "active")


@renders("subscription_schedule")
def _schedule(tx: Tx, schedule: Object) -> Object:
    for phase in schedule["phases"]:
        phase["default_tax_rates"] = taxes.shown(tx, phase["default_tax_rates"])
        for item in phase["items"]:
            item["plan"] = as_plan(tx.get("price", item["price"]))["id"]
    return schedule


@route("POST", "/v1/subscription_schedules", "SubscriptionScheduleCreateParams")
def create(tx: Tx, params: Params) -> Object:
    if "from_subscription" in params:
        return _from_subscription(tx, params)
    if not params.get("phases"):
        raise invalid("Missing required param: phases.", "phases", "parameter_missing")
    customer = live_customer(tx, params["customer"])
    start = params.get("start_date", "now")
    start = tx.now if start == "now" else start
    phases = schedules.build_phases(tx, params["phases"], start=start, make_price=price_from_data)
    schedule = _new(tx, customer["id"], phases, params)
    tx.add(schedule)
    emit(tx, "subscription_schedule.created", schedule)
    if start <= tx.now:
        schedules.advance(tx, schedule)
    return schedule


def _from_subscription(tx: Tx, params: Params) -> Object:
    if {"phases", "customer", "start_date", "default_settings", "end_behavior"} & names(params):
        raise invalid("You cannot pass other parameters with `from_subscription`.", "from_subscription")
    sub = tx.get("subscription", params["from_subscription"], param="from_subscription")
    if sub["schedule"]:
        raise invalid(
            f"You cannot migrate a subscription that is already attached to a schedule: `{sub['schedule']}`.",
            "from_subscription",
        )
    if sub["status"] not in ("trialing", "active", "past_due"):
        raise invalid(
            f"A schedule cannot be made from a subscription that is {sub['status']}.", "from_subscription"
        )
    start, end = subscriptions.period(sub)
    phase = _phase_of(sub, start, end)
    schedule = _new(tx, sub["customer"], [phase], params)
    schedule |= {"subscription": sub["id"], "status": "active"}
    if sub["cancel_at_period_end"]:
        schedule["end_behavior"] = "cancel"
        sub |= {"cancel_at_period_end": False, "cancel_at": None, "canceled_at": None}
    schedules.set_current(schedule, tx.now)
    tx.add(schedule)
    sub["schedule"] = schedule["id"]
    emit(tx, "subscription_schedule.created", schedule)
    emit_updated(tx, "customer.subscription.updated", sub)
    return schedule


def _phase_of(sub: Object, start: int, end: int) -> Object:
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": sub["currency"],
        "default_payment_method": None,
        "default_tax_rates": list(sub["default_tax_rates"]),
        "description": None,
        "discounts": [],
        "end_date": end,
        "invoice_settings": None,
        "items": [schedules.items_as_phase(item) for item in sub["items"]["data"]],
        "metadata": dict(sub["metadata"]),
        "on_behalf_of": None,
        "proration_behavior": "create_prorations",
        "start_date": start,
        "transfer_data": None,
        "trial_end": sub["trial_end"] if sub["status"] == "trialing" else None,
    }


def _new(tx: Tx, customer_id: str, phases: list[Object], params: Params) -> Object:
    return {
        **copied(templates.SUBSCRIPTION_SCHEDULE),
        "id": tx.ids.new("sub_sched"),
        "created": tx.now,
        "customer": customer_id,
        "end_behavior": params.get("end_behavior", "release"),
        "metadata": params.get("metadata") or {},
        "phases": phases,
        "test_clock": tx.get("customer", customer_id)["test_clock"],
    }


@route("GET", "/v1/subscription_schedules/<schedule_id>", "SubscriptionScheduleRetrieveParams")
def retrieve(tx: Tx, params: Params, schedule_id: str) -> Object:
    return tx.get("subscription_schedule", schedule_id)


@route("GET", "/v1/subscription_schedules", "SubscriptionScheduleListParams")
def list_(tx: Tx, params: Params) -> Object:
    rows = tx.scan("subscription_schedule")
    if params.get("scheduled"):
        rows = [row for row in rows if row["status"] == "not_started"]
    return page(tx, params, matching(rows, params, skip={"scheduled"}), "/v1/subscription_schedules")


@route("POST", "/v1/subscription_schedules/<schedule_id>", "SubscriptionScheduleUpdateParams")
def update(tx: Tx, params: Params, schedule_id: str) -> Object:
    schedule = _live(tx, schedule_id)
    if params.get("default_settings"):
        raise invalid("default_settings is not spoken by this stand-in.", "default_settings")
    if params.get("end_behavior"):
        schedule["end_behavior"] = params["end_behavior"]
    if "metadata" in params:
        schedule["metadata"] = item_rules.merged_metadata(schedule["metadata"], params["metadata"])
    if "phases" in params:
        _replace_phases(tx, schedule, params["phases"], params.get("proration_behavior", "create_prorations"))
    emit_updated(tx, "subscription_schedule.updated", schedule)
    return schedule


def _replace_phases(tx: Tx, schedule: Object, given: list[Any], behavior: str) -> None:
    """The current phase keeps its beginning; what it holds may change at once, billed as `behavior` says."""
    index = schedules.current_index(schedule, tx.now)
    current = schedule["phases"][index] if index is not None else None
    start = (
        current["start_date"] if current else given[0].get("start_date", schedule["phases"][0]["start_date"])
    )
    start = tx.now if start == "now" else start
    if current and given[0].get("start_date", start) not in (start, "now"):
        raise invalid("You can not modify the start date of the current phase.", "phases[0][start_date]")
    first = given[0] | {"start_date": start}
    phases = schedules.build_phases(tx, [first, *given[1:]], start=start, make_price=price_from_data)
    schedule["phases"] = phases
    if current is None:
        return
    now_index = schedules.current_index(schedule, tx.now)
    if now_index is None:
        raise invalid("The phases must cover the present.", "phases")
    schedules.set_current(schedule, tx.now)
    phase = phases[now_index]
    if _contents(phase) != _contents(current):
        schedules.apply_phase(
            tx, schedule, phase | {"proration_behavior": behavior, "billing_cycle_anchor": None}
        )


def _contents(phase: Object) -> list[tuple[str, int]]:
    return sorted((item["price"], item["quantity"]) for item in phase["items"])


@route("POST", "/v1/subscription_schedules/<schedule_id>/release", "SubscriptionScheduleReleaseParams")
def release(tx: Tx, params: Params, schedule_id: str) -> Object:
    schedule = _live(tx, schedule_id)
    schedules.release(tx, schedule)
    return schedule


@route("POST", "/v1/subscription_schedules/<schedule_id>/cancel", "SubscriptionScheduleCancelParams")
def cancel(tx: Tx, params: Params, schedule_id: str) -> Object:
    schedule = _live(tx, schedule_id)
    sub = tx.maybe("subscription", schedule["subscription"])
    if sub is not None and sub["status"] in subscriptions.LIVE:
        subscriptions.end(tx, sub, reason="cancellation_requested")
    else:
        schedule |= {"status": "canceled", "canceled_at": tx.now, "current_phase": None}
        emit(tx, "subscription_schedule.canceled", schedule)
    return schedule


def _live(tx: Tx, schedule_id: str) -> Object:
    schedule = tx.get("subscription_schedule", schedule_id)
    if schedule["status"] not in LIVE:
        raise invalid(
            f"You cannot update a subscription schedule that is in a terminal state: it is {schedule['status']}."
        )
    return schedule
