"""The arithmetic of admission: pure, on plain values.

A batch of operations is decided in the order of arrival. Each is granted whole or not at all; one that does not fit
leaves the room to those after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quotas.enums import Mode


class InvalidCounterError(ValueError):
    """A counter would become what it cannot be: something else wrote it, or it was wrong before."""


@dataclass(slots=True)
class Counter:
    """A bucket while a batch is being decided: the stored figures plus what this batch granted so far."""

    limit: int | None
    mode: str
    used: int
    reserved: int

    def beyond(self, units: int) -> int:
        """How many of the last `units` used are past the limit and so charged; none where the limit refuses.

        A limit that refuses can still be exceeded by what was used before it was lowered: nobody pays for that.
        """
        if self.limit is None or self.mode != Mode.OVERAGE:
            return 0
        return min(max(self.used - self.limit, 0), units)

    def allows(self, units: int) -> bool:
        """Whether `units` more may be taken: they fit, or what exceeds is charged."""
        return (
            self.limit is None or self.mode == Mode.OVERAGE or self.used + self.reserved + units <= self.limit
        )


def admit(counters: Sequence[Counter], units: int) -> tuple[bool, ...]:
    """What each of the stacked `counters` says to `units` more. Granted when there are any and all say yes."""
    return tuple(counter.allows(units) for counter in counters)


def take(counters: Sequence[Counter], units: int) -> int:
    """Count `units` as used on each counter; the overage among them.

    Overage is the largest part that lies past any one limit: stacked limits do not charge the same unit twice.
    """
    for counter in counters:
        counter.used += units
    return max((counter.beyond(units) for counter in counters), default=0)


def hold(counters: Sequence[Counter], units: int) -> None:
    """Set `units` aside on each counter."""
    for counter in counters:
        counter.reserved += units


def let_go(counters: Sequence[Counter], units: int) -> None:
    """Give `units` set aside back on each counter."""
    if any(counter.reserved < units for counter in counters):
        raise InvalidCounterError("less is reserved than the reservation holds")
    for counter in counters:
        counter.reserved -= units


def give_back(counters: Sequence[Counter], units: int) -> None:
    """Uncount `units` of things that no longer exist."""
    if any(counter.used < units for counter in counters):
        raise InvalidCounterError("more given back than was used")
    for counter in counters:
        counter.used -= units


@dataclass(frozen=True, slots=True)
class Parts:
    """What `units` are paid with: the limit's own allowance, then credits, then past them."""

    allowance: int
    credits: int
    overage: int

    @property
    def units(self) -> int:
        return self.allowance + self.credits + self.overage

    def first(self, units: int) -> Parts:
        """The parts of the first `units` of these; allowance is used first, what is past the credits last."""
        allowance = min(units, self.allowance)
        paid = min(units - allowance, self.credits)
        return Parts(allowance, paid, units - allowance - paid)


def split(counters: Sequence[Counter], units: int, *, payable_units: int, charged_units: int = 0) -> Parts:
    """How `units` are paid where credits pay past the limits of `counters`; credits pay for at most `payable_units`.

    `charged_units` of them are charged already: they are past the credits whatever is left of those.
    """
    to_pay = units - charged_units
    rooms = [
        max(counter.limit - counter.used - counter.reserved, 0)
        for counter in counters
        if counter.mode == Mode.CREDITS and counter.limit is not None
    ]
    allowance = min([to_pay, *rooms])
    paid = min(to_pay - allowance, payable_units)
    return Parts(allowance, paid, units - allowance - paid)


@dataclass(slots=True)
class Purse:
    """One grant's credits left, while a batch is being decided. Kept in the order they are spent in."""

    grant_id: int
    remaining: int


def spend(purses: Sequence[Purse], credit_count: int) -> list[tuple[int, int]]:
    """Take credits from the first purses on; (grant, how many) for each that gave."""
    taken = []
    for purse in purses:
        share = min(purse.remaining, credit_count)
        if share:
            purse.remaining -= share
            credit_count -= share
            taken.append((purse.grant_id, share))
    if credit_count:
        raise InvalidCounterError("more credits asked for than there are")
    return taken


def refund(taken: Sequence[tuple[int, int]], credit_count: int) -> list[tuple[int, int]]:
    """Of what was `taken`, the last `credit_count` credits: those that would have expired last come back first."""
    back = []
    for grant_id, units in reversed(taken):
        share = min(units, credit_count)
        if share:
            credit_count -= share
            back.append((grant_id, share))
    if credit_count:
        raise InvalidCounterError("more credits given back than were taken")
    return back
