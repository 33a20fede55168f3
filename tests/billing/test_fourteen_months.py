"""Fourteen months in the life of one subscriber of each kind, from the 31st of a month and over a leap day: at each
month's end the books are right, and invoices, charges, periods and plan at Stripe are what the reference reckons.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from common import books
from tests.billing.reference import months_after
from tests.billing.subscribers import Life
from tests.billing.world import World

BEGIN = datetime(2027, 8, 31, 10, tzinfo=UTC)
MONTHS = 14
Doing = dict[int, Callable[[Life], object]]

KINDS: dict[str, Doing] = {
    "free": {},
    "basic by the month": {0: lambda life: life.change("basic/month")},
    "basic by the year": {0: lambda life: life.change("basic/year")},
    "premium": {0: lambda life: life.change("premium/month")},
    "up, down, up to a year": {
        0: lambda life: life.change("basic/month"),
        3: lambda life: life.change("premium/month"),
        6: lambda life: life.change("basic/month"),
        9: lambda life: life.change("premium/year"),
    },
    "a change of mind": {
        0: lambda life: life.change("premium/month"),
        2: lambda life: (life.change("basic/month"), life.undo(), life.change("basic/month")),
        5: lambda life: (life.change("premium/month"), life.change("basic/month"), life.undo()),
    },
    "ends at the period's end and begins again": {
        0: lambda life: life.change("premium/month"),
        4: lambda life: life.cancel(),
        6: lambda life: life.change("basic/month"),
    },
    "with a coupon": {
        0: lambda life: (life.change("basic/month"), life.has_coupon(30)),
        7: lambda life: life.change("premium/month"),
    },
    "with credit": {0: lambda life: (life.change("basic/month"), life.has_balance(-1_234))},
}


@pytest.mark.req("PC-13", "BI-1", "PC-2")
@pytest.mark.parametrize("kind", KINDS)
def test_fourteen_months(world: World, kind: str):
    """What is done in a month is done in its middle."""
    world.begin(BEGIN)
    life = Life(world)
    for month in range(MONTHS):
        if month in KINDS[kind]:
            if month:
                life.live_to(life.second + timedelta(days=13), told=True)
            KINDS[kind][month](life)
            life.agree()
        life.live_to(months_after(BEGIN, month + 1), told=True)
        life.agree()
        assert books.verify_all() == []
    assert len(life.model.bills) == len(life.invoices())


@pytest.mark.req("BI-6", "PC-13")
def test_a_card_that_fails_and_is_cured_later(world: World):
    """The fourth month's charge fails, and its retry succeeds: no period is lost, none is paid twice."""
    world.begin(BEGIN)
    life = Life(world)
    life.change("basic/month")
    for month in range(MONTHS):
        life.card_becomes("chargeCustomerFail" if month == 3 else "visa")
        end = months_after(BEGIN, month + 1)
        life.live_to(end, told=True)
        if month == 3:
            assert (life.row().status, life.row().access) == ("past_due", "grace")
            life.card_becomes("visa")
            life.live_to(end + timedelta(days=4))  # the retry, of which the next sweep would not hear
            life.refresh()
        life.agree()
        assert books.verify_all() == []
    assert [bill.due for bill in life.model.bills] == [500] * (MONTHS + 1)


@pytest.mark.req("BI-6", "PC-13")
def test_a_card_that_fails_for_good(world: World):
    """Four months are paid and never another cent; what was not paid ends on the free plan, and stays there."""
    world.begin(BEGIN)
    life = Life(world)
    life.change("basic/month")
    for month in range(MONTHS):
        if month == 3:
            life.card_becomes("chargeCustomerFail")
        world.to(months_after(BEGIN, month + 1))
        life.hear()
        assert books.verify_all() == []
    charges = world.objects("charge", customer=life.account.stripe_customer_id)
    assert [one["amount"] for one in charges if one["paid"]] == [500] * 4
    assert (life.row().plan.code, life.row().stripe_subscription_id, life.limit()) == ("free", None, 5)
    (there,) = world.objects("subscription", customer=life.account.stripe_customer_id)
    assert there["status"] == "canceled"
