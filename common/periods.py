"""Anchored calendar arithmetic: 31 January plus one month is 28 or 29 February, plus two is 31 March again."""

import calendar
from datetime import datetime


def add_months(anchor: datetime, months: int) -> datetime:
    """`anchor` plus whole months, always counted from the anchor so that short months do not wear the day down."""
    index = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(index, 12)
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)


def anchored_period(*, anchor: datetime, months: int, at: datetime) -> tuple[datetime, datetime]:
    """The period [start, end) of `months` months, counted from `anchor`, that holds `at` (`at` may be before)."""
    elapsed = (at.year - anchor.year) * 12 + at.month - anchor.month
    index = elapsed // months
    if add_months(anchor, index * months) > at:
        index -= 1
    elif add_months(anchor, (index + 1) * months) <= at:
        index += 1
    return add_months(anchor, index * months), add_months(anchor, (index + 1) * months)
