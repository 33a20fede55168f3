"""What a promotion code leaves of an amount."""

from decimal import ROUND_HALF_UP, Decimal


def discounted(amount_minor: int, *, percent_off: float | None, amount_off_minor: int | None) -> int:
    """The amount after the discount, never below 0; a share of a cent is rounded half up, as Stripe rounds it."""
    if percent_off is not None:
        share = Decimal(amount_minor) * Decimal(str(percent_off)) / 100
        return amount_minor - int(share.quantize(Decimal(1), ROUND_HALF_UP))
    return max(amount_minor - (amount_off_minor or 0), 0)
