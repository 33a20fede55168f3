"""Prorations: the unused part of what was billed, credited; the remaining part of what is new, charged.

Each line is rounded by itself, half up: `round(amount × remaining seconds / seconds of the period)`.

In flexible billing mode (the default of this API version) the credit is for what was last *billed* for the item, so a
change made without proration is not credited at a price nobody paid. In classic mode it is for the item's price.
"""

from dataclasses import dataclass

from sandbox.stripe import rules
from sandbox.stripe.engine import lines
from sandbox.stripe.events import emit
from sandbox.stripe.store import Object, Tx


@dataclass(frozen=True)
class Basis:
    """A full amount and the full period it is for."""

    amount: int
    start: int
    end: int

    def share(self, at: int) -> int:
        return rules.prorate(self.amount, remaining_s=self.end - at, period_s=self.end - self.start)


def full_period(tx: Tx, sub: Object, item: Object) -> tuple[int, int]:
    """The whole interval that ends where the item's period ends, also where the item began in the middle of it."""
    recurring = tx.get("price", item["price"])["recurring"]
    cycle = (sub["billing_cycle_anchor"], recurring["interval"], recurring["interval_count"])
    start, end = item["current_period_start"], item["current_period_end"]
    if rules.period_end(*cycle, end - 1) != end:
        return start, end  # cut short, by a trial's end for instance
    return rules.period_start(*cycle, end), end


def basis_of(tx: Tx, sub: Object, item: Object) -> Basis:
    start, end = full_period(tx, sub, item)
    return Basis(lines.item_amount(tx, item), start, end)


def note_billed(tx: Tx, sub: Object, item: Object, line: Object | None = None) -> None:
    """Remembers what an item was billed for, which a later change will credit."""
    basis = basis_of(tx, sub, item)
    sub["_billed"][item["id"]] = {
        "amount": basis.amount,
        "start": basis.start,
        "end": basis.end,
        "line": line["id"] if line else None,
        "price": item["price"],
        "quantity": item["quantity"],
    }


def note_discounts(sub: Object, rows: list[Object]) -> None:
    """Takes from what was billed for each item the share that discounts took off its line."""
    for line in rows:
        billed = sub["_billed"].get(line.get("_item"))
        off = sum(row["amount"] for row in line["discount_amounts"])
        if billed and off:
            billed["amount"] -= rules.prorate(billed["amount"], remaining_s=off, period_s=line["amount"])


def create(tx: Tx, sub: Object, before: list[Object], at: int, *, debit: bool) -> list[Object]:
    """The invoice items that a change of items at `at` brings: credits, then, with `debit`, charges.

    Where a new period begins at once, the new items are billed by that period's lines and `debit` is False.
    """
    after = {item["id"]: item for item in sub["items"]["data"]}
    created = []
    for old in before:
        new = after.get(old["id"])
        changed = new is None or (old["price"], old["quantity"]) != (new["price"], new["quantity"])
        if changed or not debit:
            created += _credit(tx, sub, old, at)
    if debit:
        same = {old["id"]: (old["price"], old["quantity"]) for old in before}
        for item in sub["items"]["data"]:
            if same.get(item["id"]) != (item["price"], item["quantity"]):
                created += _debit(tx, sub, item, at)
    return created


def _credit(tx: Tx, sub: Object, old: Object, at: int) -> list[Object]:
    billed = sub["_billed"].get(old["id"])
    if sub["billing_mode"]["type"] == "classic":
        basis = basis_of(tx, sub, old)
    elif billed:
        basis = Basis(billed["amount"], billed["start"], billed["end"])
        old = old | {"price": billed["price"], "quantity": billed["quantity"]}
    else:
        return []
    if not basis.start <= at < basis.end:
        return []
    description = f"Unused time on {lines.counted_name(tx, old)} after {rules.day_text(at)}"
    credited = _credited(tx, billed["line"] if billed else None)
    sub["_billed"].pop(old["id"], None)
    credit = Share(-basis.share(at), (at, basis.end), description, credited)
    return [_item(tx, sub, old, credit)]


def _credited(tx: Tx, line_id: str | None) -> Object | None:
    invoice = tx.peek("line_item", line_id) if line_id else None
    return {"invoice": invoice["invoice"], "invoice_line_items": [line_id]} if invoice else None


def _debit(tx: Tx, sub: Object, item: Object, at: int) -> list[Object]:
    basis = basis_of(tx, sub, item)
    if at >= basis.end:
        return []
    description = f"Remaining time on {lines.counted_name(tx, item)} after {rules.day_text(at)}"
    created = _item(tx, sub, item, Share(basis.share(at), (at, basis.end), description))
    note_billed(tx, sub, item)
    return [created]


@dataclass(frozen=True)
class Share:
    """One proration: what it comes to, for when, and what earlier line it credits."""

    amount: int
    period: tuple[int, int]
    description: str
    credited: Object | None = None


def _item(tx: Tx, sub: Object, item: Object, share: Share) -> Object:
    created = lines.new_invoice_item(
        tx,
        customer=sub["customer"],
        amount=share.amount,
        currency=sub["currency"],
        period=share.period,
        description=share.description,
        discountable=share.amount > 0,  # a credit is for what was paid, discounts already off
        parent={
            "type": "subscription_details",
            "subscription_details": {"subscription": sub["id"], "subscription_item": item["id"]},
        },
        pricing=lines.pricing(tx.get("price", item["price"])),
        proration=True,
        proration_details={"credited_items": _public_credit(share.credited), "discount_amounts": []},
        quantity=item["quantity"],
        quantity_decimal=str(item["quantity"]),
        tax_rates=list(item["tax_rates"]),
        metadata=dict(sub["metadata"]),
        _credited=share.credited,
    )
    emit(tx, "invoiceitem.created", created)
    return created


def _public_credit(credited: Object | None) -> Object | None:
    if credited is None:
        return None
    return {"type": "invoice_line_items", "invoice_item": None, "invoice_line_item_details": credited}
