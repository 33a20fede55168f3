"""What a later invoice will ask for: lines, what discounts leave of them, tax, and the payer's balance. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.rules.discounts import Discount, discounted
from common.money import allocate, round_half_up

SMALLEST_CHARGE_MINOR = {
    "usd": 50,
    "eur": 50,
    "gbp": 30,
    "chf": 50,
    "cad": 50,
    "aud": 50,
    "jpy": 50,
    "sek": 300,
}
"""Less than this no card is charged, says Stripe: it is carried over to the invoice after."""
SMALLEST_ELSEWHERE_MINOR = 50


@dataclass(frozen=True, slots=True)
class TaxRate:
    """`percent` as Stripe writes it, of the amount without the taxes inside it. `inclusive`: inside the price."""

    percent: Decimal
    inclusive: bool


@dataclass(frozen=True, slots=True)
class Charged:
    """One line. `product`: Stripe's id of what it is for; empty for what belongs to none."""

    amount_minor: int
    product: str = ""


def total_at(
    lines: Sequence[Charged], *, discounts: Iterable[Discount], rates: Sequence[TaxRate], moment: datetime
) -> int:
    """The total of an invoice of that moment, in minor units: one discount after the other, without those that are used
    up or over, then each line's tax, rounded by itself.
    """
    left = [one.amount_minor for one in lines]
    for discount in discounts:
        used_up = discount.once and discount.taken_minor > 0
        over = discount.ends_at is not None and discount.ends_at <= moment
        if not used_up and not over:
            _take_off(discount, lines, left)
    return sum(left) + sum(_on_top(amount, rates) for amount in left)


def _take_off(discount: Discount, lines: Sequence[Charged], left: list[int]) -> None:
    """Shared out over the lines it is for; a credit is not made smaller."""
    covered = [
        index
        for index, one in enumerate(lines)
        if left[index] > 0 and (not discount.products or one.product in discount.products)
    ]
    if not covered:
        return
    whole = sum(left[index] for index in covered)
    remaining = discounted(
        whole, percent_off=discount.percent_off, amount_off_minor=discount.amount_off_minor
    )
    shares = allocate(whole - remaining, [left[index] for index in covered])
    for index, share in zip(covered, shares, strict=True):
        left[index] -= share


def _on_top(amount_minor: int, rates: Sequence[TaxRate]) -> int:
    inside = sum((one.percent for one in rates if one.inclusive), Decimal(0))
    base = Decimal(amount_minor) * 100 / (100 + inside)
    return sum(round_half_up(base * one.percent / 100) for one in rates if not one.inclusive)


def asked_for(total_minor: int, *, balance_minor: int, currency: str) -> int:
    """What the payer is asked for. `balance_minor` below zero is their credit, above it what is still owed."""
    owed = total_minor + balance_minor
    smallest = SMALLEST_CHARGE_MINOR.get(currency, SMALLEST_ELSEWHERE_MINOR)
    return owed if owed >= smallest else 0
