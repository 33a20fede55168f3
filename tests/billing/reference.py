"""What a subscriber owes, computed a second time: by docs/money.md alone, sharing no line with what it judges.

Every second counts the same; each line is rounded by itself, halves away from zero; a period is counted in calendar
months from its anchor; less than 50 cents is carried to the next invoice; credit is used up before a card is charged; a
trial costs nothing, and without a card nothing comes after it.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

FREE = "free"
RANKS = {"free": 0, "basic": 10, "premium": 20}
AMOUNTS = {"free": 0, "basic/month": 500, "basic/year": 5000, "premium/month": 2000, "premium/year": 20000}
MESSAGES_A_DAY = {"free": 5, "basic": 50, "premium": 1000}
LEAST_CHARGE = 50
MONTHS = {"month": 1, "year": 12}


def plan_of(offer: str) -> str:
    return offer.partition("/")[0]


def interval_of(offer: str) -> str:
    return offer.partition("/")[2] or "month"


def half_up(exact: Fraction) -> int:
    """Halves away from zero."""
    whole = (abs(exact) * 2 + 1) // 2
    return int(whole if exact >= 0 else -whole)


def months_after(anchor: datetime, months: int) -> datetime:
    """The same day and time of day, or the month's last day where it has no such day."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return anchor.replace(year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1]))


def is_upgrade(source: str, target: str) -> bool:
    """By rank; on one plan the year is the upgrade."""
    if plan_of(source) != plan_of(target):
        return RANKS[plan_of(target)] > RANKS[plan_of(source)]
    return interval_of(target) == "year"


@dataclass(frozen=True)
class Bill:
    """An invoice: `lines` before what a coupon takes off, `total` after it, `due` what the card is charged."""

    lines: tuple[int, ...]
    total: int
    due: int


@dataclass
class Coupon:
    """So many `percent`, or an `amount`, off each invoice before `ends` (None: for good); `once`: off one, then `used`."""

    percent: Fraction = Fraction(0)
    amount: int = 0
    once: bool = False
    ends: datetime | None = None
    used: bool = False

    def off(self, amount: int, at: datetime) -> int:
        """What it takes off an invoice of that moment."""
        if self.used or (self.ends is not None and self.ends <= at):
            return 0
        return half_up(amount * self.percent / 100) if self.percent else min(self.amount, amount)


@dataclass
class Subscriber:
    """One subscriber's life, as it has to be. `balance` below zero is credit; `billed` what the period has cost; `trials`
    the plans that have one, in days, of which an account gets the first it takes.
    """

    offer: str = FREE
    anchor: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    trials: dict[str, int] = field(default_factory=dict)
    trial_end: datetime | None = None
    had_trial: bool = False
    has_card: bool = True
    billed: int = 0
    coupons: list[Coupon] = field(default_factory=list)  # one after the other
    tax_on_top: Fraction = Fraction(0)  # percent; what is included changes no sum
    balance: int = 0
    following: str | None = None  # what comes at the period's end, when it is something else
    bills: list[Bill] = field(default_factory=list)

    def upgraded(self, target: str, at: datetime) -> Bill | None:
        """The invoice that this upgrade makes at that second, and the subscriber afterwards. None: it makes none."""
        in_trial = self.trial_end is not None and at < self.trial_end
        if in_trial and plan_of(target) in self.trials:
            self.offer = target
            return None
        if self.offer == FREE and plan_of(target) in self.trials and not self.had_trial:
            self._tries(target, at)
            return None
        is_billed = self.offer != FREE and not in_trial
        unused = [-self._share(self.billed, at)] if is_billed else []
        if is_billed and interval_of(self.offer) == interval_of(target):
            charge = self._share(AMOUNTS[target], at)
        else:
            charge = AMOUNTS[target]
            self.anchor = self.start = at
            self.end, self.trial_end = months_after(at, MONTHS[interval_of(target)]), None
        self.offer = target
        off = self._taken_off(charge, at)
        self.billed = AMOUNTS[target] - (half_up(Fraction(AMOUNTS[target] * off, charge)) if charge else 0)
        return self._bill([*unused, charge], off)

    def _tries(self, target: str, at: datetime) -> None:
        """Nothing is owed before the trial's end, and from there periods are counted."""
        self.offer, self.start, self.had_trial = target, at, True
        self.anchor = self.end = self.trial_end = at + timedelta(days=self.trials[plan_of(target)])

    def _taken_off(self, amount: int, at: datetime) -> int:
        """By the coupons, of which those that are for one invoice have had it."""
        left = amount
        for coupon in self.coupons:
            off = coupon.off(left, at)
            coupon.used = coupon.used or (coupon.once and off > 0)
            left -= off
        return amount - left

    def _share(self, amount: int, at: datetime) -> int:
        assert self.start is not None
        assert self.end is not None
        left, whole = (int(span.total_seconds()) for span in (self.end - at, self.end - self.start))
        return half_up(Fraction(amount * left, whole))

    def _bill(self, lines: list[int], off: int) -> Bill:
        total = sum(lines) - off + self._taxes([*lines[:-1], lines[-1] - off])
        owed = total + self.balance
        due = owed if owed >= LEAST_CHARGE else 0
        self.balance = owed - due
        bill = Bill(tuple(lines), total, due)
        self.bills.append(bill)
        return bill

    def _taxes(self, net: list[int]) -> int:
        """Each line's by itself, on what a coupon leaves of it; a credit gives its tax back."""
        return sum(half_up(amount * self.tax_on_top / 100) for amount in net)

    def ended(self) -> None:
        """What was paid stays paid; nothing is given back."""
        self.offer, self.following = FREE, None
        self.anchor = self.start = self.end = self.trial_end = None
        self.billed, self.coupons = 0, []

    def lived_to(self, moment: datetime) -> None:
        """Renewals, switches and ends up to that instant, itself included."""
        while self.end is not None and self.end <= moment:
            self._turn(self.end)

    def _turn(self, at: datetime) -> None:
        target, self.following = self.following or self.offer, None
        if target == FREE or (self.trial_end is not None and not self.has_card):
            self.ended()
            return
        if interval_of(target) != interval_of(self.offer):
            self.anchor = at
        if self.trial_end is not None:
            self.anchor, self.trial_end = at, None
        assert self.anchor is not None
        self.offer, self.start = target, at
        self.end = self._boundary_after(at)
        off = self._taken_off(AMOUNTS[target], at)
        self.billed = AMOUNTS[target] - off
        self._bill([AMOUNTS[target]], off)

    def next_total(self) -> int:
        """What the next invoice asks for, as it stands: the credit there is covers part of it, what is owed comes on top."""
        assert self.end is not None
        net = AMOUNTS[self.following or self.offer]
        for coupon in self.coupons:
            net -= coupon.off(net, self.end)
        owed = net + self._taxes([net]) + self.balance
        return owed if owed >= LEAST_CHARGE else 0

    def _boundary_after(self, at: datetime) -> datetime:
        assert self.anchor is not None
        step = MONTHS[interval_of(self.offer)]
        periods = 1
        while (boundary := months_after(self.anchor, periods * step)) <= at:
            periods += 1
        return boundary
