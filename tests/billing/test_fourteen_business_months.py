"""Fourteen months in the life of organisations: on starter, on growth, between them, past their credits, and under a
contract. At each month's end the invoices at Stripe are those reckoned here, credits were given once, the books are right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from accounts.models import Account
from billing.gateways.client import api
from billing.selectors import live_subscription
from billing.tests.helpers import ask
from billing.tests.stores import credits_of, spend, store
from common import books
from enterprise.services.period_invoices import period_invoices_carry_out, periods_close
from enterprise.tests.conftest import key_of, organisation
from enterprise.tests.helpers import METRIC, charged, contract
from quotas.services import usage_consume
from tests.billing.post import PostOffice
from tests.billing.reference import half_up, months_after
from tests.billing.world import World

BEGIN = datetime(2027, 8, 31, 10, tzinfo=UTC)
MONTHS = 14
PRICES = {"starter": 2900, "growth": 9900}
CREDITS = {"starter": 100, "growth": 500}
RATES = {"starter": 16, "growth": 14}


@dataclass
class Organisation:
    """`plan` and what follows it, what waits for the next invoice, and the credits that are left, as they must be."""

    world: World
    plan: str
    account: Account = field(init=False)
    following: str | None = None
    waiting: int = 0
    bills: list[int] = field(default_factory=list)
    left: int = 0

    def __post_init__(self) -> None:
        self.world.tick()
        self.account = store(self.plan)
        self.start, self.end = BEGIN, months_after(BEGIN, 1)
        self.bills, self.left = [PRICES[self.plan]], CREDITS[self.plan]

    def uses(self, units: int) -> None:
        self.world.tick()
        spend(self.account, units, key=f"work-{self.world.now.isoformat()}")
        past = max(units - self.left, 0)
        self.left -= units - past
        self.waiting += past * RATES[self.plan]

    def upgrades(self) -> None:
        """The difference of the credits comes at once; what waits for an invoice is on the one this makes."""
        self.world.tick()
        share = Fraction(
            int((self.end - self._second()).total_seconds()), int((self.end - self.start).total_seconds())
        )
        ask(self.account, "growth")
        due = half_up(PRICES["growth"] * share) - half_up(PRICES["starter"] * share)
        self.bills.append(due + self.waiting)
        self.plan, self.waiting = "growth", 0
        self.left += CREDITS["growth"] - CREDITS["starter"]

    def downgrades(self) -> None:
        self.world.tick()
        ask(self.account, "starter")
        self.following = "starter"

    def _second(self) -> datetime:
        return self.world.now.replace(microsecond=0)

    def period_ends(self, month: int) -> None:
        self.world.to(self.end)
        self.world.tick()
        self.plan, self.following = self.following or self.plan, None
        self.start, self.end = self.end, months_after(BEGIN, month + 2)
        self.bills.append(PRICES[self.plan] + self.waiting)
        self.waiting, self.left = 0, CREDITS[self.plan]

    def agrees(self) -> None:
        there = self.world.objects("invoice", customer=self.account.stripe_customer_id)
        assert [(one["total"], one["status"]) for one in there] == [(bill, "paid") for bill in self.bills]
        charges = self.world.objects("charge", customer=self.account.stripe_customer_id)
        assert sum(one["amount"] for one in charges if one["paid"]) == sum(self.bills)
        ours = live_subscription(self.account.pk)
        assert ours is not None
        assert (ours.plan.code, ours.current_period_start, ours.current_period_end) == (
            self.plan,
            self.start,
            self.end,
        )
        assert credits_of(self.account) == self.left
        assert books.verify_all() == []


Doing = dict[int, Callable[[Organisation], object]]
KINDS: dict[str, tuple[str, Doing]] = {
    "starter": ("starter", {1: lambda one: one.uses(40), 5: lambda one: one.uses(100)}),
    "growth, some months past its credits": (
        "growth",
        {month: lambda one: one.uses(120) for month in range(0, MONTHS, 5)}
        | {month: lambda one: one.uses(550 + 7) for month in (2, 3, 8)},
    ),
    "starter, up and down again": (
        "starter",
        {
            2: lambda one: (one.uses(130), one.upgrades(), one.uses(200)),
            5: lambda one: one.downgrades(),
            9: lambda one: (one.upgrades(), one.uses(7)),
        },
    ),
}


@pytest.mark.req("CR-1", "CR-2", "CR-5", "BI-1")
@pytest.mark.parametrize("kind", KINDS)
def test_fourteen_months_of_an_organisation(world: World, kind: str):
    """What is done in a month is done in its middle. Stripe's events come as they should."""
    world.begin(BEGIN)
    plan, doings = KINDS[kind]
    world.post = PostOffice(world, timedelta())
    one = Organisation(world, plan)
    one.agrees()
    for month in range(MONTHS):
        world.to(one.start + timedelta(days=13))
        if month in doings:
            doings[month](one)
            one.agrees()
        one.period_ends(month)
        one.agrees()


@pytest.mark.req("EN-4", "EN-1")
def test_fourteen_months_under_a_contract(world: World):
    """Each month it uses more than is included on some days; each month's invoice asks for exactly that."""
    world.begin(BEGIN)
    holder = key_of(*organisation("Globex"))
    contract(holder.account, charged(100, "1.5"), title="Globex", starts_at=BEGIN)
    expected: list[int] = []
    for month in range(MONTHS):
        start, end = months_after(BEGIN, month), months_after(BEGIN, month + 1)
        over = 0
        for day in range(3, 3 + month % 4):
            world.to(start + timedelta(days=day))
            units = 100 + 11 * month + day
            assert usage_consume(
                account_id=holder.account.pk, metric=METRIC, units=units, credential_id=holder.credential.pk
            ).allowed
            over += units - 100
        world.to(end + timedelta(minutes=2))
        periods_close(now=world.tick())
        period_invoices_carry_out(now=world.tick())
        if over:
            expected.append(half_up(Fraction(over * 3, 2)))
        holder.account.refresh_from_db()
        there = world.objects("invoice", customer=holder.account.stripe_customer_id) if expected else []
        assert [one["total"] for one in there] == expected
        for one in there:
            if one["status"] == "open":
                api().invoices.pay(one["id"], {"paid_out_of_band": True})
        assert books.verify_all() == []
