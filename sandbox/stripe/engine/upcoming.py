"""The next invoice before it is one: previewed, and announced a week ahead."""

from sandbox.stripe.engine import due, invoicing
from sandbox.stripe.events import emit_snapshot
from sandbox.stripe.render import render
from sandbox.stripe.store import Object, Tx


def bring_next(tx: Tx, sub: Object) -> bool:
    """Lets time pass for this subscription, in a unit of work that is thrown away, until it makes an invoice. False when
    it never will."""
    while not tx.made_invoices:
        item = due.first_of(tx, sub)
        if item is None:
            return False
        tx.now = max(tx.now, item.at)
        due.perform(tx, item)
    return True


def announce(tx: Tx, sub: Object) -> None:
    """`invoice.upcoming`. Its invoice has no id, for there is none yet."""
    sub["_upcoming_told"] = due.period_end(sub)
    if tx.preview:
        return
    ahead = Tx(tx.store, now=tx.now, ids=tx.ids, settings=tx.settings, base_url=tx.base_url)
    ahead.preview = True
    its = ahead.get("subscription", sub["id"])
    its["_upcoming_told"] = sub["_upcoming_told"]
    if not bring_next(ahead, its):
        return
    invoice = ahead.get("invoice", ahead.made_invoices[-1])
    invoicing.finalize(ahead, invoice)
    shown = render(ahead, invoice | {"billing_reason": "upcoming"})
    emit_snapshot(tx, "invoice.upcoming", {name: value for name, value in shown.items() if name != "id"})
