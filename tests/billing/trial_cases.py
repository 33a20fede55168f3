"""The table of changes in mid-trial: both ways of going up, down, ends; with a card and without; and trials just over."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from tests.billing.cases import EXTRAS, LATE_PAYERS, PAYERS, PENDING, Case
from tests.billing.reference import AMOUNTS, FREE, is_upgrade, plan_of

AT_ONCE = "nothing, at once"
"""The subscription is ended in the trial, not at its end."""
DAYS = {"basic": 7, "premium": 14}
MOMENTS = ("middle", "last second", "trial over")  # and nobody has told us that it is
PAID = [one for one in AMOUNTS if one != FREE]
BY_THE_MONTH = ("basic/month", "premium/month")
PAID_NOW = ("basic/month", "premium/month")
"""The way up to a plan without a trial, on which everything that can happen to a payment is shown."""
PAYMENTS = ("declined", "insufficient", "provider down", "needs action", *PAYERS)


@dataclass(frozen=True)
class TrialCase(Case):
    """`trial_goes_on`: the plan above has a trial too. Neither trial asks for a card."""

    has_card: bool = True
    trial_goes_on: bool = True

    def __str__(self) -> str:
        parts = [f"{self.source} to {self.target}", self.moment, self.payment, self.pending, self.extra]
        parts += [] if self.has_card else ["without a card"]
        parts += [] if self.trial_goes_on else ["which has no trial"]
        return ", ".join(part for part in parts if part not in ("paid", PENDING[0], EXTRAS[0]))

    @property
    def upgrades(self) -> bool:
        return self.target != AT_ONCE and is_upgrade(self.source, self.target)

    @property
    def trials(self) -> dict[str, int]:
        """In days, of the plans that have one."""
        if self.trial_goes_on or plan_of(self.source) == "premium":
            return DAYS
        return {plan: days for plan, days in DAYS.items() if plan == plan_of(self.source)}


def _case(source: str, target: str, moment: str = "middle", **more: object) -> TrialCase:
    usual = {"payment": "paid", "pending": PENDING[0], "extra": EXTRAS[0]}
    return TrialCase(source, target, moment, **(usual | more))  # type: ignore[arg-type]


def trial_cases() -> list[TrialCase]:
    return [*_with_a_card(), *_without_a_card(), *_paid_now(), *_with_more()]


def _with_a_card() -> list[TrialCase]:
    """Every change in the middle; those of who pays by the month also in the last second, and some when it is over."""
    pairs = [(a, b) for a, b in product(PAID, [*AMOUNTS, AT_ONCE]) if a != b]
    both = [("middle", *pair) for pair in pairs]
    both += [("last second", a, b) for a, b in pairs if a in BY_THE_MONTH and b != AT_ONCE]
    found = [_case(a, b, moment) for moment, a, b in both]
    found += [
        _case(a, b, moment, trial_goes_on=False)
        for moment, a, b in both
        if b != AT_ONCE and is_upgrade(a, b) and plan_of(a) != plan_of(b)
    ]
    return found + [
        _case(a, b, "trial over")
        for a, b in (
            ("basic/month", "premium/month"),
            ("basic/month", "basic/year"),
            ("premium/month", "basic/month"),
            ("premium/year", "free"),
        )
    ]


def _without_a_card() -> list[TrialCase]:
    """Nothing comes after the trial; what would have to be paid now is refused."""
    ways = [("basic/month", "premium/month"), ("basic/month", "basic/year"), ("premium/month", "basic/month")]
    found = [_case(a, b, moment, has_card=False) for moment in ("middle", "last second") for a, b in ways]
    found += [_case("basic/month", end, has_card=False) for end in (FREE, AT_ONCE)]
    return [*found, _case(*PAID_NOW, payment="no card", has_card=False, trial_goes_on=False)]


def _paid_now() -> list[TrialCase]:
    found = [_case(*PAID_NOW, payment=payment, trial_goes_on=False) for payment in PAYMENTS]
    as_it_ends = ("confirmed", *LATE_PAYERS)
    return found + [
        _case(*PAID_NOW, "last second", payment=payment, trial_goes_on=False) for payment in as_it_ends
    ]


def _with_more() -> list[TrialCase]:
    found = [_case("premium/month", "premium/year", pending=pending) for pending in PENDING[1:]]
    for extra in EXTRAS[1:]:
        found += [_case(*PAID_NOW, extra=extra, trial_goes_on=goes_on) for goes_on in (True, False)]
    return [
        *found,
        _case("premium/month", "basic/month", extra="coupon"),
        _case("basic/month", "premium/year", payment="declined"),
        _case("premium/month", "basic/month", payment="provider down"),
    ]
