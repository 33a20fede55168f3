"""Subscription schedules: phases that change a subscription when their time comes."""

from typing import Any

from sandbox.stripe import rules
from sandbox.stripe.engine import changes, subscriptions, taxes
from sandbox.stripe.engine import items as item_rules
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.store import Object, Tx


def current_index(schedule: Object, now: int) -> int | None:
    for index, phase in enumerate(schedule["phases"]):
        if phase["start_date"] <= now < phase["end_date"]:
            return index
    return None


def set_current(schedule: Object, now: int) -> None:
    index = current_index(schedule, now)
    phase = schedule["phases"][index] if index is not None else None
    schedule["current_phase"] = (
        {"start_date": phase["start_date"], "end_date": phase["end_date"]} if phase else None
    )


def build_phases(tx: Tx, given: list[Object], *, start: int, make_price: Any) -> list[Object]:
    """Phases from a request, each beginning where the one before it ends."""
    phases = []
    for index, wanted in enumerate(given):
        phase = _phase(tx, wanted, start, f"phases[{index}]", make_price)
        phases.append(phase)
        start = phase["end_date"]
    return phases


def _phase(tx: Tx, wanted: Object, start: int, path: str, make_price: Any) -> Object:
    if not wanted["items"]:
        raise invalid(f"Missing required param: {path}[items].", f"{path}[items]", "parameter_missing")
    data = [
        _phase_item(tx, item, f"{path}[items][{i}]", make_price) for i, item in enumerate(wanted["items"])
    ]
    given_start = wanted.get("start_date", start)
    given_start = tx.now if given_start == "now" else given_start
    if given_start != start:
        raise invalid(
            f"The start date of a phase must be the end date of the phase before it ({start}).",
            f"{path}[start_date]",
        )
    end = _phase_end(tx, wanted, data, start, path)
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": wanted.get("billing_cycle_anchor"),
        "billing_thresholds": None,
        "collection_method": wanted.get("collection_method"),
        "currency": tx.get("price", data[0]["price"])["currency"],
        "default_payment_method": wanted.get("default_payment_method"),
        "default_tax_rates": taxes.checked(tx, wanted.get("default_tax_rates"), f"{path}[default_tax_rates]"),
        "description": wanted.get("description") or None,
        "discounts": [],
        "end_date": end,
        "invoice_settings": None,
        "items": data,
        "metadata": wanted.get("metadata") or {},
        "on_behalf_of": None,
        "proration_behavior": wanted.get("proration_behavior", "create_prorations"),
        "start_date": start,
        "transfer_data": None,
        "trial_end": _trial_end(tx, wanted, end),
    }


def _trial_end(tx: Tx, wanted: Object, end: int) -> int | None:
    if wanted.get("trial"):
        return end
    trial_end = wanted.get("trial_end")
    return tx.now if trial_end == "now" else trial_end


def _phase_end(tx: Tx, wanted: Object, data: list[Object], start: int, path: str) -> int:
    if "end_date" in wanted:
        end: int = tx.now if wanted["end_date"] == "now" else wanted["end_date"]
    else:
        recurring = tx.get("price", data[0]["price"])["recurring"]
        length = wanted.get("duration") or recurring
        end = rules.boundary(start, length["interval"], length.get("interval_count", 1), 1)
    if end <= start:
        raise invalid("The end date of a phase must be after its start date.", f"{path}[end_date]")
    return end


def _phase_item(tx: Tx, given: Object, path: str, make_price: Any) -> Object:
    price = item_rules.price_for(tx, given, path, make_price)
    return {
        "billing_thresholds": None,
        "discounts": [],
        "metadata": given.get("metadata") or {},
        "price": price["id"],
        "quantity": given.get("quantity", 1),
        "tax_rates": [],
    }


# Running -------------------------------------------------------------------------------------------------------------


def advance(tx: Tx, schedule: Object) -> None:
    """A phase is over, or the first one begins."""
    index = current_index(schedule, tx.now)
    if index is None:
        _finish(tx, schedule)
        return
    schedule["status"] = "active"
    set_current(schedule, tx.now)
    if schedule["subscription"] is None:
        _begin_subscription(tx, schedule)
    else:
        apply_phase(tx, schedule, schedule["phases"][index])
    emit_updated(tx, "subscription_schedule.updated", schedule)


def _begin_subscription(tx: Tx, schedule: Object) -> None:
    from sandbox.stripe.resources.subscriptions import create

    phase = schedule["phases"][0]
    params: Object = {
        "customer": schedule["customer"],
        "items": [{"price": item["price"], "quantity": item["quantity"]} for item in phase["items"]],
        "metadata": phase["metadata"],
        "default_tax_rates": phase["default_tax_rates"],
    }
    if phase["trial_end"]:
        params["trial_end"] = phase["trial_end"]
    sub = create(tx, params)
    sub["schedule"] = schedule["id"]
    schedule["subscription"] = sub["id"]


def apply_phase(tx: Tx, schedule: Object, phase: Object) -> None:
    """Gives the subscription the phase's items. At a period's end the renewal that follows bills them."""
    sub = tx.get("subscription", schedule["subscription"])
    if sub["status"] not in subscriptions.LIVE:
        return
    wanted = phase_items(tx, sub, phase)
    sub["metadata"] = item_rules.merged_metadata(sub["metadata"], phase["metadata"])
    if phase["default_tax_rates"]:
        sub["default_tax_rates"] = phase["default_tax_rates"]
    if phase["default_payment_method"]:
        sub["default_payment_method"] = phase["default_payment_method"]
    at_boundary = tx.now >= subscriptions.period(sub)[1]
    anchors = phase["billing_cycle_anchor"] == "phase_start"
    if at_boundary:
        _switch_at_boundary(tx, sub, wanted, anchors=anchors)
    else:
        changes.change(
            tx,
            sub,
            changes.Change(
                items=wanted,
                behavior=phase["proration_behavior"],
                at=tx.now,
                anchor_now=anchors,
                trial_end=phase["trial_end"],
            ),
        )
    emit_updated(tx, "customer.subscription.updated", sub)


def _switch_at_boundary(tx: Tx, sub: Object, wanted: list[Object], *, anchors: bool) -> None:
    old = sub["items"]["data"]
    start = subscriptions.period(sub)[1]
    differs = subscriptions.cycle(tx, old) != subscriptions.cycle(tx, wanted)
    turns_free = (subscriptions.cost(tx, old) == 0) != (subscriptions.cost(tx, wanted) == 0)
    sub["items"]["data"] = wanted
    sub["_billed"] = {}
    if anchors or differs or turns_free:
        sub["billing_cycle_anchor"] = start


def phase_items(tx: Tx, sub: Object, phase: Object) -> list[Object]:
    """The subscription's items in this phase: a price that stays keeps its item, another one gets a new item."""
    start, end = subscriptions.period(sub)
    there = {item["price"]: item for item in sub["items"]["data"]}
    result = []
    for wanted in phase["items"]:
        price = tx.get("price", wanted["price"])
        item = there.get(wanted["price"]) or item_rules.new_item(tx, sub["id"], price, wanted)
        item = item | {
            "quantity": wanted["quantity"],
            "current_period_start": start,
            "current_period_end": end,
        }
        result.append(item)
    return result


def _finish(tx: Tx, schedule: Object) -> None:
    if schedule["end_behavior"] == "cancel":
        schedule |= {"status": "completed", "completed_at": tx.now, "current_phase": None}
        emit(tx, "subscription_schedule.completed", schedule)
        sub = tx.get("subscription", schedule["subscription"])
        subscriptions.end(tx, sub)
    else:
        release(tx, schedule)


def release(tx: Tx, schedule: Object) -> None:
    """The subscription goes on by itself."""
    sub = tx.maybe("subscription", schedule["subscription"])
    schedule |= {
        "status": "released",
        "released_at": tx.now,
        "released_subscription": schedule["subscription"],
        "subscription": None,
        "current_phase": None,
    }
    if sub is not None:
        sub["schedule"] = None
        emit_updated(tx, "customer.subscription.updated", sub)
    emit(tx, "subscription_schedule.released", schedule)


def follow_subscription(tx: Tx, sub: Object) -> None:
    """A direct change of a scheduled subscription becomes its current phase's."""
    schedule = tx.maybe("subscription_schedule", sub["schedule"])
    index = current_index(schedule, tx.now) if schedule else None
    if schedule is None or index is None:
        return
    phase = schedule["phases"][index]
    phase["items"] = [items_as_phase(item) for item in sub["items"]["data"]]
    emit_updated(tx, "subscription_schedule.updated", schedule)


def items_as_phase(item: Object) -> Object:
    return {
        "billing_thresholds": None,
        "discounts": [],
        "metadata": dict(item["metadata"]),
        "price": item["price"],
        "quantity": item["quantity"],
        "tax_rates": [],
    }
