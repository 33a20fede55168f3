"""Manual tax rates: what they add to a line, or what of it they are.

Each line's tax is rounded by itself, half away from zero, on what discounts leave of it. A line's own rates go before the
invoice's default ones. Exclusive tax comes on top; inclusive tax is inside:
`tax = round(amount × rate ÷ (100 + all inclusive rates))`. Exclusive rates are taken of the amount without inclusive tax.
"""

from decimal import Decimal
from typing import Any

from sandbox.stripe.errors import invalid
from sandbox.stripe.render import render
from sandbox.stripe.rules import round_half_up
from sandbox.stripe.store import Object, Tx

EXEMPT_REASONS = {"exempt": "customer_exempt", "reverse": "reverse_charge"}
MAX_RATES = 5


def checked(tx: Tx, given: Any, param: str) -> list[str]:
    """The ids of active tax rates; none when unset. Raises StripeError for any other."""
    ids = list(given or [])
    if len(ids) > MAX_RATES:
        raise invalid(f"You may pass at most {MAX_RATES} tax rates.", param)
    for rate_id in ids:
        if not tx.get("tax_rate", rate_id, param=param)["active"]:
            raise invalid(f"The tax rate {rate_id} is archived and cannot be used.", param)
    if len(set(ids)) < len(ids):
        raise invalid("A tax rate may be given only once.", param)
    return ids


def shown(tx: Tx, rate_ids: list[str]) -> list[Object]:
    return [render(tx, tx.get("tax_rate", rate_id)) for rate_id in rate_ids]


def of_amount(tx: Tx, amount: int, rate_ids: list[str], exempt: str = "none") -> list[Object]:
    """The taxes of an amount (minor units, discounts taken off), one for each rate."""
    rates = [tx.get("tax_rate", rate_id) for rate_id in rate_ids]
    inside = sum((Decimal(str(rate["percentage"])) for rate in rates if rate["inclusive"]), Decimal(0))
    return [_tax(amount, rate, inside, exempt) for rate in rates]


def _tax(amount: int, rate: Object, inside: Decimal, exempt: str) -> Object:
    percentage = Decimal(str(rate["percentage"]))
    base = Decimal(amount) * 100 / (100 + inside)
    untaxed = exempt in EXEMPT_REASONS
    return {
        "amount": 0 if untaxed else round_half_up(base * percentage / 100),
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": EXEMPT_REASONS.get(exempt, "not_available"),
        "taxable_amount": 0 if untaxed else round_half_up(base),
        "type": "tax_rate_details",
    }


def apply(tx: Tx, invoice: Object, rows: list[Object]) -> None:
    """Sets each line's taxes and the invoice's `total_taxes`."""
    exempt = invoice["customer_tax_exempt"] or "none"
    for line in rows:
        off = sum(row["amount"] for row in line["discount_amounts"])
        rate_ids = rates_of(invoice, line)
        line["taxes"] = of_amount(tx, line["amount"] - off, rate_ids, exempt)
    invoice["total_taxes"] = summed([tax for line in rows for tax in line["taxes"]])


def rates_of(invoice: Object, line: Object) -> list[str]:
    rate_ids: list[str] = line.get("_tax_rates") or invoice["default_tax_rates"]
    return rate_ids


def summed(taxes: list[Object]) -> list[Object]:
    """One row for each rate and reason."""
    rows: dict[tuple[str, str], Object] = {}
    for tax in taxes:
        key = (tax["tax_rate_details"]["tax_rate"], tax["taxability_reason"])
        if key not in rows:
            rows[key] = dict(tax)
        else:
            for name in ("amount", "taxable_amount"):
                rows[key][name] += tax[name]
    return list(rows.values())


def on_top(taxes: list[Object]) -> int:
    return sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")


def within(tx: Tx, invoice: Object, rows: list[Object]) -> int:
    """The inclusive tax in the lines before discounts."""
    exempt = invoice["customer_tax_exempt"] or "none"
    taxes = [tax for row in rows for tax in of_amount(tx, row["amount"], rates_of(invoice, row), exempt)]
    return sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "inclusive")
