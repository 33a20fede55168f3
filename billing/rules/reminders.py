"""How long before something happens people are told of it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from common.periods import add_months

RENEWAL_AHEAD = {"month": timedelta(days=3), "year": timedelta(days=45)}
"""A year's renewal is told early enough to be declined at ease; French law wants one to three months."""
TRIAL_AHEAD = timedelta(days=3)
CHANGE_AHEAD = timedelta(days=3)
CARD_MONTHS = 2
"""A card is told of in the month before its last, or in its last."""
CAP_SHARES = (80, 100)


def month_of(at: datetime) -> datetime:
    """The beginning of the UTC month."""
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def card_ends(*, month: int, year: int) -> datetime:
    """A card is good to the last day of the month that stands on it."""
    return add_months(datetime(year, month, 1, tzinfo=UTC), 1)


def card_expires_soon(*, month: int, year: int, at: datetime, charge_at: datetime | None) -> bool:
    """Whether it ends with this month or the next, or before it is charged the next time. Also when it has ended."""
    ends_at = card_ends(month=month, year=year)
    return ends_at <= add_months(month_of(at), CARD_MONTHS) or (
        charge_at is not None and ends_at <= charge_at
    )


def cap_share(*, spent_minor: int, cap_minor: int) -> int | None:
    """The share of the cap, of those that are told, that has been reached; None below the lowest."""
    reached = [share for share in CAP_SHARES if spent_minor * 100 >= cap_minor * share]
    return max(reached, default=None)
