"""The rule of docs/money.md against values worked out by hand: each line by the second, rounded by itself, half up.

The arithmetic stands beside each case. Every case is also previewed, and the preview has to be the invoice.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.stripe import StripeStandIn
from sandbox.stripe.tests.conftest import World

pytestmark = pytest.mark.req("PC-5")

BASIC, PREMIUM = ("Basic", 500, "month"), ("Premium", 2000, "month")
BASIC_YEAR, PREMIUM_YEAR = ("Basic", 5000, "year"), ("Premium", 20000, "year")

CASES = {
    # 15 of 30 days are left: 500 ÷ 2, 2000 ÷ 2
    "the middle of April": ("2027-04-01", BASIC, "2027-04-16", PREMIUM, [-250, 1000], 750),
    # 1 of 29 days: 500 ÷ 29 = 17.24, 2000 ÷ 29 = 68.97
    "the last day of a leap February": ("2028-02-01", BASIC, "2028-02-29", PREMIUM, [-17, 69], 52),
    # 1 of 28 days: 17.86, 71.43
    "the last day of another February": ("2027-02-01", BASIC, "2027-02-28", PREMIUM, [-18, 71], 53),
    # 31 Jan to 28 Feb are 28 days, 14 left
    "from the 31st, February": ("2027-01-31", BASIC, "2027-02-14", PREMIUM, [-250, 1000], 750),
    # 28 Feb to 31 Mar are 31 days, 1 left: 16.13, 64.52
    "from the 31st, March": ("2027-01-31", BASIC, "2027-03-30", PREMIUM, [-16, 65], 49),
    # 31 Jan to 29 Feb are 29 days, 1 left
    "from the 31st, a leap February": ("2028-01-31", BASIC, "2028-02-28", PREMIUM, [-17, 69], 52),
    # 1 s of 2,592,000: less than half a cent
    "the last second": ("2027-04-01", BASIC, "2027-04-30T23:59:59", PREMIUM, [0, 0], 0),
    # all but 1 s of 2,592,000
    "the first second": ("2027-04-01", BASIC, "2027-04-01T00:00:01", PREMIUM, [-500, 2000], 1500),
    # 1,296,001 of 2,592,000 s: 250.0002 and 1000.0008
    "a second before the middle": ("2027-04-01", BASIC, "2027-04-15T23:59:59", PREMIUM, [-250, 1000], 750),
    # the month's half is credited, a whole year begins
    "month to year": ("2027-04-01", BASIC, "2027-04-16", BASIC_YEAR, [-250, 5000], 4750),
    # 292 of 365 days = 0.8: 4000; a whole month begins
    "year to month": ("2027-01-01", BASIC_YEAR, "2027-03-15", BASIC, [-4000, 500], -3500),
    # 183 of 366 days
    "the middle of a leap year": ("2028-01-01", BASIC_YEAR, "2028-07-02", PREMIUM_YEAR, [-2500, 10000], 7500),
    # 29 Feb 2028 to 28 Feb 2029 are 365 days, 73 left = 0.2
    "a year from the leap day": ("2028-02-29", BASIC_YEAR, "2028-12-17", PREMIUM_YEAR, [-1000, 4000], 3000),
    # down, at once: the difference is credit
    "a downgrade now": ("2027-04-01", PREMIUM, "2027-04-16", BASIC, [-1000, 250], -750),
}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def world_at() -> Iterator[Callable[[str], World]]:
    with ExitStack() as stack:

        def begin(text: str) -> World:
            stand_in = stack.enter_context(StripeStandIn())
            # Only moves count: each case is exact, whatever the date is now.
            stopped = int(moment(text).timestamp()) * 1_000_000
            stand_in.core.clock._real_us = lambda: stopped  # type: ignore[method-assign]
            return World(stand_in)

        yield begin


def seen(invoice: Any) -> tuple[list[int], int]:
    return [line.amount for line in invoice.lines.data], invoice.total


def switch(world: World, sub: Any, when: str, to: tuple[str, int, str]) -> Any:
    """Changes at `when`, to the second, after the preview of the same."""
    at = int(moment(when).timestamp())
    world.to(at)
    terms = {"proration_behavior": "always_invoice", "proration_date": at}
    foreseen = world.preview(sub, world.price(*to), **terms)
    invoice = world.change(sub, world.price(*to), **terms).latest_invoice
    assert seen(foreseen) == seen(invoice)
    assert foreseen.amount_due == invoice.amount_due
    return invoice


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_by_hand(world_at: Callable[[str], World], case: tuple[Any, ...]):
    start, first, when, second, lines, total = case
    world = world_at(start)
    sub = world.subscribe(world.price(*first))
    invoice = switch(world, sub, when, second)
    assert seen(invoice) == (lines, total)
    assert world.v1.customers.retrieve(sub.customer).balance == min(total, 0) + max(0, _too_small(total))


def _too_small(total: int) -> int:
    """What is under Stripe's smallest charge is carried over."""
    return total if 0 < total < 50 else 0


def test_twice_in_a_day(world_at: Callable[[str], World]):
    """14.5 of 30 days are left for the second: 2000 × 0.48333 = 966.67, 500 × 0.48333 = 241.67."""
    world = world_at("2027-04-01")
    sub = world.subscribe(world.price(*BASIC))
    assert seen(switch(world, sub, "2027-04-16", PREMIUM)) == ([-250, 1000], 750)
    assert seen(switch(world, sub, "2027-04-16T12:00:00", BASIC)) == ([-967, 242], -725)


def test_with_a_coupon(world_at: Callable[[str], World]):
    """What was billed was half: its half is credited. The charge is halved by the coupon, the credit is not."""
    world = world_at("2027-04-01")
    coupon = world.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    sub = world.subscribe(world.price(*BASIC), discounts=[{"coupon": coupon.id}])
    assert seen(switch(world, sub, "2027-04-16", PREMIUM)) == ([-125, 1000], 375)


def test_with_credit_on_the_balance(world_at: Callable[[str], World]):
    world = world_at("2027-04-01")
    sub = world.subscribe(world.price(*BASIC))
    world.v1.customers.balance_transactions.create(sub.customer, {"amount": -300, "currency": "eur"})
    invoice = switch(world, sub, "2027-04-16", PREMIUM)
    assert (invoice.total, invoice.amount_due, invoice.amount_paid) == (750, 450, 450)


@pytest.mark.req("PC-13")
def test_in_the_middle_of_a_trial(world_at: Callable[[str], World]):
    """Nothing was billed, nothing is; ended early, the whole new price is due and the period begins."""
    world = world_at("2027-04-01")
    sub = world.subscribe(world.price(*BASIC), trial_period_days=14)
    world.to(moment("2027-04-08"))
    changed = world.change(sub, world.price(*PREMIUM), proration_behavior="always_invoice")
    assert (changed.status, len(world.invoices(sub.customer))) == ("trialing", 1)
    ended = world.v1.subscriptions.update(sub.id, {"trial_end": "now", "expand": ["latest_invoice"]})
    assert (ended.status, seen(ended.latest_invoice)) == ("active", ([2000], 2000))
    assert ended["items"].data[0].current_period_end == int(moment("2027-05-08").timestamp())
