"""Subscription schedules: a downgrade that waits for the period's end, undone, released, canceled."""

from typing import Any

import pytest
import stripe

from sandbox.stripe.rules import add_months
from sandbox.stripe.tests.conftest import World, refused

pytestmark = pytest.mark.req("PC-1")


def scheduled(world: World, target: str, **phase: Any) -> tuple[Any, Any]:
    """A premium subscription that is to change to `target` when its period ends."""
    sub = world.subscribe(world.price("Premium", 2000))
    schedule = world.v1.subscription_schedules.create({"from_subscription": sub.id})
    current = schedule.phases[0]
    first = {
        "items": [{"price": current["items"][0].price}],
        "start_date": current.start_date,
        "end_date": current.end_date,
    }
    phases = [first, {"items": [{"price": target}], "proration_behavior": "none", **phase}]
    schedule = world.v1.subscription_schedules.update(
        schedule.id, {"phases": phases, "end_behavior": "release"}
    )
    return sub, schedule


def test_a_schedule_changes_nothing_until_its_time(fresh: World):
    sub, schedule = scheduled(fresh, fresh.price("Basic", 500))
    item = sub["items"].data[0]
    assert (schedule.status, schedule.subscription) == ("active", sub.id)
    assert schedule.current_phase.end_date == item.current_period_end
    held = fresh.v1.subscriptions.retrieve(sub.id)
    assert (held.schedule, held["items"].data[0].price.unit_amount) == (schedule.id, 2000)
    assert len(fresh.invoices(sub.customer)) == 1


def test_a_downgrade_at_the_periods_end(fresh: World):
    sub, schedule = scheduled(fresh, fresh.price("Basic", 500), metadata={"plan_change": "42"})
    end = sub["items"].data[0].current_period_end
    preview = fresh.preview(sub)
    fresh.to(end)
    after = fresh.v1.subscriptions.retrieve(sub.id)
    item = after["items"].data[0]
    assert (item.price.unit_amount, item.current_period_start) == (500, end)
    assert item.current_period_end == add_months(sub.billing_cycle_anchor, 2)
    assert after.billing_cycle_anchor == sub.billing_cycle_anchor
    assert after.metadata.to_dict() == {"plan_change": "42"}
    renewal = fresh.invoices(sub.customer)[-1]
    assert [line.amount for line in renewal.lines.data] == [500]
    assert preview.total == renewal.total == 500
    assert len(fresh.invoices(sub.customer)) == 2
    fresh.advance(days=40)
    schedule = fresh.v1.subscription_schedules.retrieve(schedule.id)
    assert (schedule.status, schedule.released_subscription, schedule.subscription) == (
        "released",
        sub.id,
        None,
    )
    assert fresh.v1.subscriptions.retrieve(sub.id).schedule is None
    assert [invoice.total for invoice in fresh.invoices(sub.customer)] == [2000, 500, 500]


def test_from_month_to_year_at_the_periods_end(fresh: World):
    sub, _ = scheduled(fresh, fresh.price("Yearly", 5000, "year"), duration={"interval": "year"})
    end = sub["items"].data[0].current_period_end
    fresh.to(end)
    item = fresh.v1.subscriptions.retrieve(sub.id)["items"].data[0]
    assert (item.current_period_start, item.current_period_end) == (end, add_months(end, 12))
    assert [invoice.total for invoice in fresh.invoices(sub.customer)] == [2000, 5000]


def test_released_the_subscription_goes_on_as_it_was(fresh: World):
    sub, schedule = scheduled(fresh, fresh.price("Basic", 500))
    released = fresh.v1.subscription_schedules.release(schedule.id)
    assert (released.status, released.released_subscription) == ("released", sub.id)
    assert fresh.v1.subscriptions.retrieve(sub.id).schedule is None
    refused(stripe.InvalidRequestError, fresh.v1.subscription_schedules.release, schedule.id)
    fresh.advance(days=30)
    assert [invoice.total for invoice in fresh.invoices(sub.customer)] == [2000, 2000]
    again = fresh.v1.subscription_schedules.create({"from_subscription": sub.id})
    assert again.id != schedule.id


def test_canceled_the_subscription_ends(fresh: World):
    sub, schedule = scheduled(fresh, fresh.price("Basic", 500))
    assert fresh.v1.subscription_schedules.cancel(schedule.id).status == "canceled"
    assert fresh.v1.subscriptions.retrieve(sub.id).status == "canceled"


def test_a_subscription_canceled_takes_its_schedule_along(fresh: World):
    sub, schedule = scheduled(fresh, fresh.price("Basic", 500))
    fresh.v1.subscriptions.cancel(sub.id)
    assert fresh.v1.subscription_schedules.retrieve(schedule.id).status == "canceled"


def test_end_behavior_cancel_ends_the_subscription(fresh: World):
    sub, schedule = scheduled(fresh, fresh.price("Basic", 500))
    fresh.v1.subscription_schedules.update(schedule.id, {"end_behavior": "cancel"})
    fresh.advance(days=70)
    assert fresh.v1.subscription_schedules.retrieve(schedule.id).status == "completed"
    assert fresh.v1.subscriptions.retrieve(sub.id).status == "canceled"


def test_what_a_schedule_forbids(fresh: World):
    sub, schedule = scheduled(fresh, fresh.price("Basic", 500))
    before = fresh.state()
    refused(stripe.InvalidRequestError, fresh.v1.subscriptions.update, sub.id, {"cancel_at_period_end": True})
    refused(stripe.InvalidRequestError, fresh.v1.subscription_schedules.create, {"from_subscription": sub.id})
    phases = [{"items": [{"price": fresh.price("Basic", 500)}], "start_date": fresh.now + 100}]
    refused(
        stripe.InvalidRequestError, fresh.v1.subscription_schedules.update, schedule.id, {"phases": phases}
    )
    assert fresh.state() == before


def test_a_schedule_that_begins_later_makes_its_subscription_then(fresh: World):
    start = fresh.now + 86_400
    schedule = fresh.v1.subscription_schedules.create(
        {
            "customer": fresh.customer(),
            "start_date": start,
            "phases": [{"items": [{"price": fresh.price("Basic", 500)}]}],
        }
    )
    assert (schedule.status, schedule.subscription) == ("not_started", None)
    fresh.to(start)
    schedule = fresh.v1.subscription_schedules.retrieve(schedule.id, {"expand": ["subscription"]})
    assert (schedule.status, schedule.subscription.status) == ("active", "active")


def test_a_phase_in_the_middle_of_a_period_is_prorated(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    schedule = fresh.v1.subscription_schedules.create({"from_subscription": sub.id})
    current = schedule.phases[0]
    middle = current.start_date + 14 * 86_400
    price = current["items"][0].price
    phases = [
        {"items": [{"price": price}], "start_date": current.start_date, "end_date": middle},
        {"items": [{"price": fresh.price("Premium", 2000)}], "proration_behavior": "always_invoice"},
    ]
    fresh.v1.subscription_schedules.update(schedule.id, {"phases": phases})
    fresh.to(middle)
    assert [line.amount for line in fresh.invoices(sub.customer)[-1].lines.data] == [-250, 1000]


def test_an_upgrade_now_is_followed_by_the_current_phase(fresh: World):
    sub, schedule = scheduled(fresh, fresh.price("Basic", 500))
    fresh.change(sub, fresh.price("Max", 5000), proration_behavior="always_invoice")
    schedule = fresh.v1.subscription_schedules.retrieve(schedule.id, {"expand": ["phases.items.price"]})
    assert schedule.phases[0]["items"][0].price.unit_amount == 5000
    assert schedule.phases[1]["items"][0].price.unit_amount == 500


@pytest.mark.req("PC-13")
def test_a_downgrade_scheduled_in_a_trial_keeps_the_trial(world: World):
    sub = world.subscribe(world.price("Premium", 2000), trial_period_days=14)
    world.advance(days=3)
    schedule = world.v1.subscription_schedules.create({"from_subscription": sub.id})
    phase = schedule.phases[0]
    assert (phase.trial_end, phase.end_date) == (sub.trial_end, sub.trial_end)
    world.v1.subscription_schedules.update(
        schedule.id,
        {
            "phases": [
                {
                    "items": [{"price": phase["items"][0].price}],
                    "start_date": phase.start_date,
                    "end_date": phase.end_date,
                    "trial_end": phase.trial_end,
                },
                {"items": [{"price": world.price("Basic", 500)}]},
            ]
        },
    )
    assert world.v1.subscriptions.retrieve(sub.id).status == "trialing"
    world.to(sub.trial_end)
    sub = world.v1.subscriptions.retrieve(sub.id)
    assert (sub.status, sub["items"].data[0].price.unit_amount) == ("active", 500)
    assert [invoice.total for invoice in world.invoices(sub.customer)] == [0, 500]
