"""Changes of a running subscription: of its items, its anchor, its trial; billed now, later, or once paid."""

from dataclasses import dataclass
from typing import Any

from sandbox.stripe.engine import collecting, invoicing, proration, subscriptions
from sandbox.stripe.engine import items as item_rules
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.rules import HOUR_S
from sandbox.stripe.store import Object, Tx, copied

PENDING_S = 23 * HOUR_S


@dataclass
class Change:
    """How a change of items, anchor or trial is to be billed."""

    items: list[Object] | None = None
    behavior: str = "create_prorations"
    at: int = 0  # the instant prorations are computed for
    anchor_now: bool = False
    trial_end: int | None = None  # the new end; `tx.now` ends the trial
    payment: str = "allow_incomplete"


# What a change may touch, and what waits with it when it waits for its payment.
BILLED_FIELDS = (
    "items",
    "_billed",
    "billing_cycle_anchor",
    "default_tax_rates",
    "discounts",
    "metadata",
    "trial_end",
    "trial_start",
    "status",
)


def snapshot(sub: Object) -> Object:
    """What the subscription is before a request begins to change it."""
    return copied({name: sub[name] for name in BILLED_FIELDS})


def change(tx: Tx, sub: Object, wanted: Change, before: Object | None = None) -> None:
    """Applies a change and bills it: prorations now or later, or a new period at once. `before` is what to go back to
    while the change waits for its payment; without it, what the subscription is now.
    """
    before = before or snapshot(sub)
    old_items: list[Object] = before["items"]["data"]
    was_trial = subscriptions.trial_days_left(tx, sub)
    if wanted.items is not None:
        item_rules.check_together(tx, wanted.items, sub["currency"])
        sub["items"]["data"] = wanted.items
    resets = _resets_cycle(tx, sub, wanted, old_items, was_trial=was_trial)
    created: list[Object] = []
    if wanted.behavior != "none" and not was_trial:
        created = proration.create(tx, sub, old_items, wanted.at, debit=not resets)
    _forget_removed(sub)
    invoice = None
    if resets:
        invoice = _restart(tx, sub, wanted)
    elif created and wanted.behavior == "always_invoice":
        invoice = subscriptions.invoice_changes(tx, sub)
    if invoice is not None and not tx.preview:
        _settle_change(tx, sub, invoice, wanted, before)


def _resets_cycle(tx: Tx, sub: Object, wanted: Change, old: list[Object], *, was_trial: bool) -> bool:
    """Whether a new period begins now: on demand, when a trial starts or ends, when the interval changes, or when the
    subscription goes from free to paid or back."""
    if wanted.anchor_now or wanted.trial_end is not None:
        return True
    if wanted.items is None or was_trial:
        return False
    new = sub["items"]["data"]
    if subscriptions.cycle(tx, old) != subscriptions.cycle(tx, new):
        return True
    return (subscriptions.cost(tx, old) == 0) != (subscriptions.cost(tx, new) == 0)


def _forget_removed(sub: Object) -> None:
    there = {item["id"] for item in sub["items"]["data"]}
    sub["_billed"] = {key: value for key, value in sub["_billed"].items() if key in there}


def _restart(tx: Tx, sub: Object, wanted: Change) -> Object:
    usage = (subscriptions.period(sub)[0], tx.now)
    subscriptions.start_period(tx, sub, tx.now, trial_end=wanted.trial_end)
    return subscriptions.invoice_period(tx, sub, "subscription_update", usage=usage)


def _settle_change(tx: Tx, sub: Object, invoice: Object, wanted: Change, before: dict[str, Any]) -> None:
    """Collects the invoice of a change, as the request's `payment_behavior` says."""
    if sub["collection_method"] == "send_invoice":
        invoice["automatically_finalizes_at"] = tx.now + HOUR_S
        return
    if subscriptions.paused(tx, sub, invoice):
        return
    invoicing.finalize(tx, invoice)
    if invoice["status"] != "open":
        return
    if wanted.payment == "default_incomplete":
        subscriptions.prefill(tx, invoice)
        result = "requires_confirmation"
    else:
        if wanted.payment == "error_if_incomplete":
            subscriptions.check_can_collect(tx, invoice)
        result = collecting.collect(tx, invoice, off_session=False)
    if result == "succeeded":
        return
    if wanted.payment == "error_if_incomplete":
        raise subscriptions.refused(tx, invoice)
    if wanted.payment == "pending_if_incomplete":
        _postpone(tx, sub, invoice, before)
    else:
        sub["status"] = "past_due"


def _postpone(tx: Tx, sub: Object, invoice: Object, before: dict[str, Any]) -> None:
    """The change waits until its invoice is paid, or the period or trial that it was made in ends; until then everything
    is as before.
    """
    after = {name: sub[name] for name in BILLED_FIELDS}
    sub |= before
    sub["_pending"] = {"invoice": invoice["id"], "after": after}
    sub["pending_update"] = {
        "billing_cycle_anchor": _if_changed(before, after, "billing_cycle_anchor"),
        "discount": None,
        "discounts": _if_changed(before, after, "discounts"),
        "expires_at": min(tx.now + PENDING_S, subscriptions.period(sub)[1]),
        "metadata": _if_changed(before, after, "metadata"),
        "subscription_items": after["items"]["data"],
        "trial_end": _if_changed(before, after, "trial_end"),
        "trial_from_plan": None,
    }


def _if_changed(before: dict[str, Any], after: dict[str, Any], name: str) -> Any:
    return after[name] if after[name] != before[name] else None


def expire_pending(tx: Tx, sub: Object) -> None:
    """Nobody paid for the pending update in time."""
    invoice = tx.maybe("invoice", sub["_pending"]["invoice"])
    subscriptions.drop_pending(sub)
    if invoice is not None and invoice["status"] == "open":
        invoicing.close_unpaid(tx, invoice, "void")
    emit_updated(tx, "customer.subscription.updated", sub)
    emit(tx, "customer.subscription.pending_update_expired", sub)
