"""What overage costs, and what it will have cost. Pure: plain values in and out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from common.money import round_half_up

SHORTEST_LOOK = timedelta(days=1)
"""Less than a day of use tells nothing about a month: what came in the first hours counts as a whole day's."""


@dataclass(frozen=True, slots=True)
class Priced:
    """Units past the limits of one metric, and the price of one, in minor units."""

    metric: str
    units: int
    unit_price: Decimal

    @property
    def amount_minor(self) -> int:
        """The whole line is rounded once, to the nearest minor unit, half away from zero."""
        return round_half_up(self.units * self.unit_price)


def merged(lines: Iterable[Priced]) -> list[Priced]:
    """One line for each metric and price, in the order they first occur; without lines of no units."""
    sums: dict[tuple[str, Decimal], int] = {}
    for line in lines:
        sums[line.metric, line.unit_price] = sums.get((line.metric, line.unit_price), 0) + line.units
    return [Priced(metric, units, price) for (metric, price), units in sums.items() if units > 0]


def total_minor(lines: Iterable[Priced]) -> int:
    """The sum of the rounded lines, as an invoice sums them."""
    return sum(line.amount_minor for line in lines)


def projected_units(*, units: int, limit: int | None, start: datetime, end: datetime, at: datetime) -> int:
    """Units past `limit` at `end`, when use goes on as from `start` until `at`.

    With a limit: of what will have been used by then, what lies beyond. Without one `units` are overage already, as
    with a limit per day, and simply go on.
    """
    whole = end - start
    seen = min(max(at - start, SHORTEST_LOOK), whole)
    will_be = -(-units * whole // seen) if units else 0
    return max(will_be - (limit or 0), 0)
