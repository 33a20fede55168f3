"""The table of plan-change cases: a product of everything that may differ, pruned to what can differ together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from zlib import crc32

from tests.billing.reference import AMOUNTS, FREE, is_upgrade

OFFERS = tuple(AMOUNTS)
MOMENTS = (
    "middle",  # exactly half of the period is left
    "first second",
    "last second",
    "from leap day",  # anchored on 29 February
    "on leap day",  # anchored elsewhere, changed in the last second of 29 February
    "from the 31st",  # in the period after the one that February cut short
    "second of the day",  # another change was made six hours ago
    "after the switch",  # the first second of what a scheduled change brought, of which nobody has told us
)
PAYMENTS = ("paid", "declined", "insufficient", "needs action", "provider down")
PAYERS = ("confirmed", "refused by the bank", "abandoned", "confirmed too late")
"""What payers do, beside, whose bank asks; "needs action": they leave it, come back, and close the browser."""
LATE_PAYERS = PAYERS[2:]
ASKED = (PAYMENTS[3], *PAYERS)
PENDING = ("nothing pending", "scheduled downgrade", "cancel at end", "end set at Stripe")
EXTRAS = ("plain", "coupon", "credit", "debt")
PLAIN = {
    "moment": MOMENTS[0],
    "payment": PAYMENTS[0],
    "pending": PENDING[0],
    "extra": EXTRAS[0],
}
WAYS_UP = (
    ("basic/month", "premium/month"),
    ("basic/month", "basic/year"),
    ("basic/year", "premium/month"),
    ("free", "basic/month"),
    ("free", "premium/year"),
)
ONE_IN = 24  # of the combinations of two unusual things
BEFORE = {
    "basic/month": "premium/month",
    "basic/year": "premium/year",
    "premium/month": "premium/year",
    "free": "basic/month",
}
"""From which offer a scheduled change leads to this one; nothing leads down to premium for a year."""


@dataclass(frozen=True)
class Case:
    source: str
    target: str
    moment: str
    payment: str
    pending: str
    extra: str

    def __str__(self) -> str:
        unusual = [getattr(self, name) for name in PLAIN if getattr(self, name) != PLAIN[name]]
        return ", ".join([f"{self.source} to {self.target}", *unusual])

    @property
    def upgrades(self) -> bool:
        return is_upgrade(self.source, self.target)

    @property
    def unusual(self) -> int:
        return sum(getattr(self, name) != usual for name, usual in PLAIN.items())


def cases() -> list[Case]:
    """All of them; the same ones in every run."""
    everything = product(OFFERS, OFFERS, MOMENTS, PAYMENTS + PAYERS, PENDING, EXTRAS)
    return [
        one for one in (Case(*values) for values in everything) if _is_possible(one) and _is_worth_it(one)
    ]


def _is_possible(case: Case) -> bool:
    if case.source == case.target:
        return False
    if case.source == FREE:
        periodless = case.moment in ("last second", "on leap day")
        return not periodless and case.pending == PENDING[0] and case.extra in ("plain", "credit", "debt")
    if case.moment == "after the switch":
        by_hand = case.pending == "end set at Stripe"  # which Stripe refuses while the schedule is there
        return case.source in BEFORE and not by_hand
    return True


def _is_worth_it(case: Case) -> bool:
    """Every pair at every moment; everything else beside the plainest moment; and some of two unusual things."""
    if case.payment in PAYERS:
        return _shows_more_of_payers(case)
    if case.unusual <= 1:
        return case.upgrades or _differs_for_what_waits(case)
    if case.unusual > 2 or (case.pending != PENDING[0] and case.payment != "paid"):
        return False  # a refusal for what is pending never reaches the card
    return case.upgrades and crc32(str(case).encode()) % ONE_IN == 0


def _shows_more_of_payers(case: Case) -> bool:
    """What they do on each kind of way up; where a period ends meanwhile or has just begun; with what an open invoice
    holds: a balance, a coupon.
    """
    way = (case.source, case.target)
    if case.unusual == 1:
        return way in WAYS_UP
    if case.unusual > 2 or case.pending != PENDING[0]:
        return False
    upgrade, longer = WAYS_UP[:2]
    if way == longer:
        return case.moment == "last second"
    has_more = case.moment == "after the switch" or case.extra == "credit"
    return way == upgrade and (has_more or (case.extra == "coupon" and case.payment in LATE_PAYERS))


def _differs_for_what_waits(case: Case) -> bool:
    """What waits for the period's end meets no card and no balance before, and no second is like another to it."""
    return (
        case.payment in ("paid", "provider down")
        and case.extra in ("plain", "coupon")
        and case.moment not in ("first second", "on leap day")
        and (case.pending == PENDING[0] or case.target != FREE)
    )
