"""Coupons by promotion code, through starts, upgrades, downgrades and the renewals after them.

As in the tables: what is previewed and foretold is what is invoiced, to the cent, and what the reference reckons: a share
or an amount, off one invoice, off those of two months, or for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import product
from typing import Any

import pytest

from billing.gateways.client import api
from tests.billing.reference import Coupon, is_upgrade, months_after
from tests.billing.subscribers import Life
from tests.billing.world import World

BEGINNING = datetime(2027, 3, 31, 9, 30, tzinfo=UTC)
KINDS: dict[str, dict[str, Any]] = {
    "a quarter": {"percent_off": 25},
    "an odd share": {"percent_off": 33.3},
    "three euros": {"amount_off": 300, "currency": "eur"},
    "more than it costs": {"amount_off": 99_900, "currency": "eur"},
}
USUAL = ("a quarter", "an odd share", "three euros")
MONTHS = 2
DURATIONS: dict[str, dict[str, Any]] = {
    "once": {"duration": "once"},
    "for two months": {"duration": "repeating", "duration_in_months": MONTHS},
    "for good": {"duration": "forever"},
}
FIRST, SECOND = "WELCOME", "AGAIN"
WAYS: dict[str, tuple[tuple[str, str | None], ...]] = {
    "from the start, then up": (("basic/month", FIRST), ("premium/month", None)),
    "on the way up": (("basic/month", None), ("premium/month", FIRST)),
    "from the start, then down": (("premium/month", FIRST), ("basic/month", None)),
    "on the way to a year": (("basic/month", None), ("basic/year", FIRST)),
    "one after the other": (("basic/month", FIRST), ("premium/month", SECOND)),
}
"""What is taken, with which code; a fortnight lies between."""
RENEWALS = 3


@dataclass(frozen=True)
class Coded:
    kind: str
    duration: str
    way: str

    def __str__(self) -> str:
        return f"{self.kind} {self.duration}, {self.way}"

    @property
    def terms(self) -> dict[str, Any]:
        """As Stripe takes them."""
        return KINDS[self.kind] | DURATIONS[self.duration]

    def redeemed(self, at: datetime) -> Coupon:
        """As the reference has it."""
        terms = KINDS[self.kind]
        return Coupon(
            percent=Fraction(str(terms.get("percent_off", 0))),
            amount=terms.get("amount_off", 0),
            once=self.duration == "once",
            ends=months_after(at, MONTHS) if self.duration == "for two months" else None,
        )


def coded_cases() -> list[Coded]:
    """Every coupon from the start and on the way up; the other ways with one coupon of each duration."""
    ways = list(WAYS)
    found = [Coded(*one) for one in product(USUAL, DURATIONS, ways[:2])]
    found += [Coded("a quarter", duration, ways[2]) for duration in DURATIONS]
    found += [Coded("three euros", duration, ways[3]) for duration in DURATIONS]
    found += [Coded(kind, "for good", ways[4]) for kind in USUAL]
    return found + [Coded("more than it costs", duration, ways[0]) for duration in ("once", "for good")]


@pytest.mark.req("PC-13", "PC-8", "PC-1")
@pytest.mark.parametrize("case", coded_cases(), ids=str)
def test_a_promotion_code(world: World, case: Coded):
    world.begin(BEGINNING)
    life = Life(world)
    for code in (FIRST, SECOND):
        coupon = api().coupons.create(case.terms)
        api().promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": code})
    (first, code), (second, other) = WAYS[case.way]
    _takes(life, case, first, code)
    life.live_to(life.second + timedelta(days=13), told=True)
    _takes(life, case, second, other)
    for _ in range(RENEWALS):
        assert life.model.end is not None
        life.live_to(life.model.end, told=True)
        life.agree()


def _takes(life: Life, case: Coded, offer: str, code: str | None) -> None:
    seen = life.preview(offer, promotion_code=code)
    if code is not None:
        life.model.coupons.append(case.redeemed(life.second))
    is_paid_now = is_upgrade(life.model.offer, offer)
    change = life.change(offer, quote=seen.quote)
    if is_paid_now:
        bill = life.model.bills[-1]
        off = sum(bill.lines) - bill.total
        assert seen.due_now.amount_minor == change.charged_minor == bill.due
        assert [line.amount_minor for line in seen.lines] == list(bill.lines)
        assert (seen.discount.amount_minor if seen.discount else 0) == off
        assert (seen.promotion_code, change.promotion_code) == (code or "", code or "")
    assert seen.next_amount is not None
    assert (seen.next_at, seen.next_amount.amount_minor) == (life.model.end, life.model.next_total())
    life.agree()
