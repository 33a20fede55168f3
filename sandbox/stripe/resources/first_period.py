"""Where a new subscription's first period begins and ends: trials and anchors."""

from typing import Any

from sandbox.stripe import rules
from sandbox.stripe.engine import (
    subscriptions,
)
from sandbox.stripe.errors import invalid
from sandbox.stripe.params import Params
from sandbox.stripe.rules import DAY_S
from sandbox.stripe.store import Object, Tx


def begin(tx: Tx, sub: Object, params: Params) -> None:
    start = tx.now
    trial_end = _trial_end(tx, sub, params)
    if trial_end is not None and trial_end > start:
        subscriptions.start_period(tx, sub, start, trial_end=trial_end)
        return
    interval, count = subscriptions.cycle(tx, sub["items"]["data"])
    anchor = _first_anchor(sub, params, start)
    if anchor > rules.period_end(start, interval, count, start):
        raise invalid(
            "The billing_cycle_anchor cannot be later than the next natural billing date.",
            "billing_cycle_anchor",
        )
    sub["billing_cycle_anchor"] = anchor
    subscriptions.set_period(sub, start, rules.period_end(anchor, interval, count, start))
    sub["_free_until_anchor"] = anchor > start and params.get("proration_behavior") == "none"
    sub["status"] = "incomplete"


def _first_anchor(sub: Object, params: Params, start: int) -> int:
    if "billing_cycle_anchor_config" in params:
        anchor = _configured_anchor(start, params["billing_cycle_anchor_config"])
        sub["billing_cycle_anchor_config"] = {
            name: params["billing_cycle_anchor_config"].get(name)
            for name in ("day_of_month", "hour", "minute", "month", "second")
        }
    else:
        anchor = params.get("billing_cycle_anchor", start)
    if anchor < start:
        raise invalid("Timestamp must be an integer Unix timestamp in the future.", "billing_cycle_anchor")
    return int(anchor)


def _configured_anchor(start: int, wanted: Object) -> int:
    moment = rules.as_datetime(start)
    first = int(
        moment.replace(
            day=1,
            hour=wanted.get("hour", moment.hour),
            minute=wanted.get("minute", moment.minute),
            second=wanted.get("second", moment.second),
        ).timestamp()
    )
    for months in range(14):
        month = rules.as_datetime(rules.add_months(first, months))
        last = rules.as_datetime(rules.add_months(first, months + 1)).toordinal() - month.toordinal()
        anchor = int(month.replace(day=min(wanted["day_of_month"], last)).timestamp())
        if anchor > start and wanted.get("month") in (None, month.month):
            return anchor
    raise invalid("Invalid billing_cycle_anchor_config.", "billing_cycle_anchor_config")


def _trial_end(tx: Tx, sub: Object, params: Params) -> int | None:
    if "trial_end" in params and "trial_period_days" in params:
        raise invalid(
            "You may only specify one of these parameters: trial_end, trial_period_days.", "trial_end"
        )
    if params.get("trial_period_days"):
        return tx.now + int(params["trial_period_days"]) * DAY_S
    if "trial_end" in params:
        return timestamp(tx, params["trial_end"], "trial_end")
    if params.get("trial_from_plan"):
        days = tx.get("price", sub["items"]["data"][0]["price"])["recurring"]["trial_period_days"]
        return tx.now + days * DAY_S if days else None
    return None


def timestamp(tx: Tx, value: Any, param: str) -> int:
    if value == "now":
        return tx.now
    if value < tx.now:
        raise invalid("Timestamp must be an integer Unix timestamp in the future.", param)
    return int(value)
