"""Changes of plan with tax rates set at Stripe: on top or inside, odd ones, with a coupon, with credit.

As in the table: what is previewed is what is invoiced, to the cent, and what the reference reckons. The period that is
credited was billed with the tax.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from billing.tests.helpers import ask
from tests.billing.reference import interval_of, is_upgrade, plan_of
from tests.billing.subscribers import Life
from tests.billing.world import World

RATES = (("20", False), ("20", True), ("8.875", False), ("5.5", True))
MOVES = (
    ("basic/month", "premium/month"),
    ("basic/month", "basic/year"),
    ("basic/year", "premium/month"),
    ("premium/month", "basic/month"),
    ("basic/month", "free"),
)
EXTRAS = ("plain", "coupon", "credit", "last second")
BEGINNING = datetime(2027, 3, 31, 9, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Taxed:
    source: str
    target: str
    percent: str
    inclusive: bool
    extra: str

    def __str__(self) -> str:
        return f"{self.source} to {self.target}, {self.percent} % {'inside' if self.inclusive else 'on top'}, {self.extra}"


def taxed_cases() -> list[Taxed]:
    """Every move with every rate; and the unusual with the plainest rate and the oddest."""
    everything = [Taxed(*move, *rate, extra) for move, rate, extra in product(MOVES, RATES, EXTRAS)]
    return [one for one in everything if one.extra == "plain" or one.percent in ("8.875", "5.5")]


@pytest.mark.req("PC-1", "PC-2", "PC-13")
@pytest.mark.parametrize("case", taxed_cases(), ids=str)
def test_a_taxed_change_of_plan(world: World, case: Taxed):
    life = _arrived(world, case)
    life.agree()
    seen = life.preview(case.target)
    if is_upgrade(case.source, case.target):
        bill = life.model.upgraded(case.target, life.second)
        assert bill is not None
        assert seen.due_now.amount_minor == bill.due
        assert [line.amount_minor for line in seen.lines] == list(bill.lines)
        world.tick()
        change = ask(life.account, plan_of(case.target), interval_of(case.target), quote=seen.quote).change
        assert (change.status, change.due_minor, change.charged_minor) == ("applied", bill.due, bill.due)
    else:
        assert seen.due_now.amount_minor == 0
        life.change(case.target, quote=seen.quote)
        assert all(phase["default_tax_rates"] for phase in _phases(life))
    life.agree()
    assert life.model.end is not None
    life.live_to(life.model.end, told=True)
    life.agree()


def _arrived(world: World, case: Taxed) -> Life:
    world.begin(BEGINNING)
    life = Life(world)
    life.change(case.source)
    life.is_taxed(case.percent, inclusive=case.inclusive)
    if case.extra == "coupon":
        life.has_coupon(25)
    assert life.model.end is not None
    life.live_to(life.model.end, told=True)
    assert life.model.end is not None
    assert life.model.start is not None
    middle = life.model.start + (life.model.end - life.model.start) / 2
    at = life.model.end - timedelta(seconds=1) if case.extra == "last second" else middle
    life.live_to(at.replace(microsecond=0))
    if case.extra == "credit":
        life.has_balance(-777)
    return life


def _phases(life: Life) -> list[dict[str, Any]]:
    """Of the schedule at Stripe; none of an end."""
    (there,) = life.world.objects("subscription", customer=life.account.stripe_customer_id)
    found = [one for one in life.world.objects("subscription_schedule") if one["id"] == there["schedule"]]
    return [phase for one in found for phase in one["phases"]]
