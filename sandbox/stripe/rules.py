"""Arithmetic of time and money, as Stripe bills: no I/O, no state.

Instants are Unix seconds (int, UTC); amounts are integers in the currency's minor unit; periods are half-open.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

DAY_S = 86_400
HOUR_S = 3_600

# What Stripe refuses to charge below, by currency: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
MINIMUM_CHARGE = {"usd": 50, "eur": 50, "gbp": 30, "chf": 50, "cad": 50, "aud": 50, "jpy": 50, "sek": 300}
ZERO_DECIMAL = {
    "bif",
    "clp",
    "djf",
    "gnf",
    "jpy",
    "kmf",
    "krw",
    "mga",
    "pyg",
    "rwf",
    "ugx",
    "vnd",
    "vuv",
    "xaf",
}
SYMBOLS = {"eur": "€", "usd": "$", "gbp": "£", "jpy": "¥"}


def as_datetime(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def add_months(at: int, months: int) -> int:
    """`at` moved by whole calendar months; a day the target month lacks becomes its last day."""
    moment = as_datetime(at)
    index = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(index, 12)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return int(moment.replace(year=year, month=month + 1, day=day).timestamp())


def boundary(anchor: int, interval: str, count: int, index: int) -> int:
    """The `index`-th period boundary counted from the anchor, so that 31 Jan gives 28 Feb and then 31 Mar."""
    if interval == "month":
        return add_months(anchor, count * index)
    if interval == "year":
        return add_months(anchor, 12 * count * index)
    days = {"day": 1, "week": 7}[interval] * count * index
    return int((as_datetime(anchor) + timedelta(days=days)).timestamp())


def period_end(anchor: int, interval: str, count: int, start: int) -> int:
    """The first boundary after `start`."""
    rough_s = {"day": DAY_S, "week": 7 * DAY_S, "month": 31 * DAY_S, "year": 366 * DAY_S}[interval] * count
    index = (start - anchor) // rough_s
    while boundary(anchor, interval, count, index) <= start:
        index += 1
    return boundary(anchor, interval, count, index)


def period_start(anchor: int, interval: str, count: int, end: int) -> int:
    """The last boundary before `end`."""
    start = end
    while start >= end:
        start = boundary(start, interval, count, -1)
    while (following := period_end(anchor, interval, count, start)) < end:
        start = following
    return start


def round_half_up(value: Decimal) -> int:
    """To the nearest integer, halves away from zero, so that a credit mirrors its debit."""
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def prorate(amount: int, *, remaining_s: int, period_s: int) -> int:
    """The share of `amount` that the remaining seconds of a period are worth, each line rounded by itself."""
    if period_s <= 0:
        return 0
    remaining_s = max(0, min(remaining_s, period_s))
    numerator, denominator = abs(amount) * remaining_s, period_s
    share = (2 * numerator + denominator) // (2 * denominator)
    return share if amount >= 0 else -share


@dataclass(frozen=True)
class Settlement:
    """How an invoice's total meets the customer's balance (a negative balance is credit)."""

    amount_due: int
    ending_balance: int


def settle(*, total: int, balance: int, currency: str) -> Settlement:
    """Applies credit, turns a negative total into credit, and carries over what is too small to charge."""
    owed = total + balance
    if owed < MINIMUM_CHARGE.get(currency, 50):
        return Settlement(amount_due=0, ending_balance=owed)
    return Settlement(amount_due=owed, ending_balance=0)


def percent_of(amount: int, percent: float) -> int:
    return round_half_up(Decimal(amount) * Decimal(str(percent)) / 100)


def allocate(total: int, weights: list[int]) -> list[int]:
    """`total` split in proportion to the weights by largest remainder; the parts sum to it exactly."""
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in order[: total - sum(parts)]:
        parts[i] += 1
    return parts


def money_text(amount: int, currency: str) -> str:
    sign = "-" if amount < 0 else ""
    digits = 0 if currency in ZERO_DECIMAL else 2
    number = f"{Decimal(abs(amount)).scaleb(-digits):,.{digits}f}"
    symbol = SYMBOLS.get(currency)
    return f"{sign}{symbol}{number}" if symbol else f"{sign}{number} {currency.upper()}"


def day_text(at: int) -> str:
    moment = as_datetime(at)
    return f"{moment.day:02d} {moment:%b %Y}"


def interval_text(interval: str, count: int) -> str:
    return interval if count == 1 else f"every {count} {interval}s"
