"""Test clocks: customers in a time of their own."""

from typing import Any

import pytest
import stripe

from sandbox.stripe.rules import DAY_S, add_months
from sandbox.stripe.tests.conftest import World, refused

BEGIN = 1_830_000_000  # in December 2027


@pytest.fixture
def clock(world: World) -> Any:
    return world.v1.test_helpers.test_clocks.create({"frozen_time": BEGIN, "name": "a year"})


def advance(world: World, clock: Any, to: int) -> None:
    clocks = world.v1.test_helpers.test_clocks
    answer = clocks.advance(clock.id, {"frozen_time": to})
    assert (answer.status, answer.status_details.advancing.target_frozen_time) == ("advancing", to)
    assert (clocks.retrieve(clock.id).status, clocks.retrieve(clock.id).frozen_time) == ("ready", to)


def test_a_customer_lives_by_its_clock(world: World, clock: Any):
    customer = world.customer(test_clock=clock.id)
    sub = world.subscribe(world.price("Basic", 500), customer)
    assert (sub.created, sub.test_clock, sub.status) == (BEGIN, clock.id, "active")
    end = add_months(BEGIN, 1)
    assert sub["items"].data[0].current_period_end == end
    advance(world, clock, end + DAY_S)
    assert [(i.created, i.status, i.test_clock) for i in world.invoices(customer)] == [
        (BEGIN, "paid", clock.id),
        (end, "paid", clock.id),
    ]
    assert [event.created for event in world.events("invoice.upcoming")] == [end - 7 * DAY_S]
    kinds = [event.type for event in world.events() if event.type.startswith("test_helpers")]
    assert [kind.rpartition(".")[2] for kind in kinds] == ["created", "advancing", "ready"]


def test_a_trial_and_refused_renewals_by_the_clock(world: World, clock: Any):
    customer = world.customer("pm_card_chargeCustomerFail", test_clock=clock.id)
    sub = world.subscribe(world.price("Basic", 500), customer, trial_period_days=14)
    assert sub.trial_end == BEGIN + 14 * DAY_S
    advance(world, clock, BEGIN + 14 * DAY_S)
    assert world.v1.subscriptions.retrieve(sub.id).status == "past_due"
    advance(world, clock, BEGIN + 29 * DAY_S)  # after 3, 5 and 7 more days
    assert world.v1.subscriptions.retrieve(sub.id).status == "canceled"


def test_the_other_time_leaves_it_alone(world: World, clock: Any):
    mine = world.subscribe(world.price("Basic", 500), world.customer(test_clock=clock.id))
    other = world.subscribe(world.price("Basic", 500))
    world.to(max(mine["items"].data[0].current_period_end, other["items"].data[0].current_period_end) + 1)
    assert len(world.invoices(mine.customer)) == 1
    assert len(world.invoices(other.customer)) > 1
    advance(world, clock, BEGIN + 40 * DAY_S)
    assert len(world.invoices(mine.customer)) == 2


def test_what_a_clock_cannot_do(world: World, clock: Any):
    customer = world.customer(test_clock=clock.id)
    world.subscribe(world.price("Basic", 500), customer)
    before = world.state()
    for to in (BEGIN, BEGIN - 1, BEGIN + 63 * DAY_S):
        call = world.v1.test_helpers.test_clocks.advance
        refused(stripe.InvalidRequestError, call, clock.id, {"frozen_time": to})
    refused(stripe.InvalidRequestError, world.v1.customers.create, {"test_clock": "clock_none"})
    assert world.state() == before


def test_a_deleted_clock_takes_its_customers_with_it(world: World, clock: Any):
    sub = world.subscribe(world.price("Basic", 500), world.customer(test_clock=clock.id))
    assert world.v1.test_helpers.test_clocks.delete(clock.id).deleted is True
    assert world.v1.customers.retrieve(sub.customer).deleted is True
    assert world.v1.subscriptions.retrieve(sub.id).status == "canceled"
    assert world.v1.test_helpers.test_clocks.list().data == []
