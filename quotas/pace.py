"""Where use will be at its window's end when it goes on as until now. Pure: plain values in and out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

MICROSECOND = timedelta(microseconds=1)
SHORTEST_SHARE = 20
"""Before a twentieth of the window has passed, what came until then tells nothing about the rest."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`units` at the end of the window, and when the limit will be reached; None when it will not, or is already."""

    units: int
    reached_at: datetime | None


def pace_of(
    *, used: int, limit: int | None, starts_at: datetime, ends_at: datetime | None, at: datetime
) -> Pace | None:
    """None where nothing can be said: no use yet, a window without end, or hardly begun."""
    if used <= 0 or ends_at is None or not starts_at < at < ends_at:
        return None
    gone, whole = (at - starts_at) // MICROSECOND, (ends_at - starts_at) // MICROSECOND
    if gone * SHORTEST_SHARE < whole:
        return None
    units = -(-used * whole // gone)
    reached_at = None
    if limit is not None and used < limit < units:
        reached_at = starts_at + gone * limit // used * MICROSECOND
    return Pace(units=units, reached_at=reached_at)
