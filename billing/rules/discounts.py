"""What discounts leave of an amount."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal


@dataclass(frozen=True, slots=True)
class Discount:
    """A coupon that runs: a percentage, or an amount in minor units, off each invoice before `ends_at` (None: for good).

    `once`: off one invoice only. `taken_minor`: what it takes off the invoice that shows it. `products`: Stripe's ids of
    what it is for; empty for all.
    """

    percent_off: float | None
    amount_off_minor: int | None
    once: bool = False
    ends_at: datetime | None = None
    taken_minor: int = 0
    products: tuple[str, ...] = ()


def discounted(amount_minor: int, *, percent_off: float | None, amount_off_minor: int | None) -> int:
    """The amount after the discount, never below 0; a share of a cent is rounded half up, as Stripe rounds it."""
    if percent_off is not None:
        share = Decimal(amount_minor) * Decimal(str(percent_off)) / 100
        return amount_minor - int(share.quantize(Decimal(1), ROUND_HALF_UP))
    return max(amount_minor - (amount_off_minor or 0), 0)
