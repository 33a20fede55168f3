"""When use and refusals are unlike usual: pure arithmetic."""

DAYS = 28
LEAST_DAYS = 7
TIMES = 3
LEAST_UNITS = 100
LEAST_REFUSALS = 50
REFUSALS_TIMES = 5


def is_unusual_use(*, today: int, highest: int, days: int) -> bool:
    """More than three times the highest of the account's last 28 days, where it has used it on 7 of them at least.

    Little use is no news, whatever it is a multiple of.
    """
    return days >= LEAST_DAYS and today >= LEAST_UNITS and today > TIMES * highest


def is_jump_of_refusals(*, last_hour: int, usual_hour: float) -> bool:
    """More than five times the usual hour of the week before, and not just a few."""
    return last_hour >= LEAST_REFUSALS and last_hour > REFUSALS_TIMES * usual_hour
