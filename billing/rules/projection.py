"""What a period will have cost when it goes on as it began. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from common.money import round_half_up

MICROSECOND = timedelta(microseconds=1)
SHORTEST_LOOK = timedelta(days=1)
"""Less than a day tells nothing about a month: what came in the first hours counts as a whole day's."""


def projected_minor(*, spent_minor: int, start: datetime, end: datetime, at: datetime) -> int:
    """Minor units at `end`; never less than what is spent."""
    whole = end - start
    seen = min(max(at - start, SHORTEST_LOOK), whole)
    if seen <= timedelta():
        return spent_minor
    parts = Decimal(whole // MICROSECOND) / Decimal(seen // MICROSECOND)
    return max(spent_minor, round_half_up(spent_minor * parts))
