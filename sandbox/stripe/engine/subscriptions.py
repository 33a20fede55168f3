"""The life of a subscription: begun, changed, renewed, ended."""

from sandbox.stripe import rules
from sandbox.stripe.engine import collecting, discounts, invoicing, lines, proration, setups
from sandbox.stripe.engine.refusals import card_error
from sandbox.stripe.errors import CardError, invalid
from sandbox.stripe.events import emit, emit_updated, on
from sandbox.stripe.rules import HOUR_S
from sandbox.stripe.store import Object, Tx, copied

LIVE = ("trialing", "active", "past_due", "unpaid", "paused", "incomplete")
INCOMPLETE_S = 23 * HOUR_S


def period(sub: Object) -> tuple[int, int]:
    first = sub["items"]["data"][0]
    return first["current_period_start"], first["current_period_end"]


def set_period(sub: Object, start: int, end: int) -> None:
    for item in sub["items"]["data"]:
        item |= {"current_period_start": start, "current_period_end": end}


def cycle(tx: Tx, data: list[Object]) -> tuple[str, int]:
    recurring = tx.get("price", data[0]["price"])["recurring"]
    return recurring["interval"], recurring["interval_count"]


def cost(tx: Tx, data: list[Object]) -> int:
    return sum(lines.item_amount(tx, item) for item in data)


def trial_days_left(tx: Tx, sub: Object) -> bool:
    return sub["trial_end"] is not None and sub["trial_end"] > tx.now


# Invoices of a subscription ------------------------------------------------------------------------------------------


def invoice_period(tx: Tx, sub: Object, reason: str, *, usage: tuple[int, int] | None = None) -> Object:
    """The draft for the period that has now begun, with whatever invoice items were waiting."""
    invoice = _open_invoice(tx, sub, reason, usage)
    invoicing.take_pending(tx, invoice, sub)
    trial = trial_days_left(tx, sub)
    for item in sub["items"]["data"]:
        amount = _period_amount(tx, sub, item, trial=trial)
        line = lines.period_line(tx, sub, item, amount=amount, trial=trial)
        invoicing.add_line(tx, invoice, line)
        if trial or (amount == 0 and lines.item_amount(tx, item) > 0):
            sub["_billed"].pop(item["id"], None)
        else:
            proration.note_billed(tx, sub, item, line)
    _open(tx, sub, invoice)
    return invoice


def _open(tx: Tx, sub: Object, invoice: Object) -> None:
    """Announces the draft; what discounts took off was not billed, and will not be credited."""
    invoicing.open_draft(tx, invoice)
    proration.note_discounts(sub, invoicing.lines_of(tx, invoice))
    discounts.use_up(tx, sub, invoice)


def _period_amount(tx: Tx, sub: Object, item: Object, *, trial: bool) -> int:
    """The full price, or its share when the first period is cut short by a later anchor."""
    if trial or sub["_free_until_anchor"]:
        return 0
    full_start, end = proration.full_period(tx, sub, item)
    start = item["current_period_start"]
    amount = lines.item_amount(tx, item)
    if full_start == start:
        return amount
    return rules.prorate(amount, remaining_s=end - start, period_s=end - full_start)


def invoice_changes(tx: Tx, sub: Object, reason: str = "subscription_update") -> Object:
    """The draft for what is pending, between two periods."""
    invoice = _open_invoice(tx, sub, reason, None)
    invoicing.take_pending(tx, invoice, sub)
    _open(tx, sub, invoice)
    return invoice


def _open_invoice(tx: Tx, sub: Object, reason: str, usage: tuple[int, int] | None) -> Object:
    customer = tx.get("customer", sub["customer"])
    invoice = invoicing.new_invoice(
        tx,
        customer=customer,
        reason=reason,
        sub=sub,
        period=usage,
        discounts=discounts.running(tx, sub),
        default_payment_method=None,
    )
    sub["latest_invoice"] = invoice["id"]
    return invoice


# Beginning -----------------------------------------------------------------------------------------------------------


def begin(tx: Tx, sub: Object, *, behavior: str) -> Object:
    """Bills the first period of a subscription whose items and period are set, and lets it begin."""
    emit(tx, "customer.subscription.created", sub)
    invoice = invoice_period(tx, sub, "subscription_create")
    if tx.preview:
        return sub
    if sub["collection_method"] == "send_invoice":
        invoice["auto_advance"] = True
        invoice["automatically_finalizes_at"] = tx.now + HOUR_S
        sub["status"] = "trialing" if trial_days_left(tx, sub) else "active"
    else:
        invoicing.finalize(tx, invoice)
        if invoice["status"] == "open":
            _collect_first(tx, invoice, behavior)
        elif cost(tx, sub["items"]["data"]) > 0:
            setups.expect_card(tx, sub, collecting.default_method(tx, invoice))
    emit_updated(tx, "customer.subscription.updated", sub)
    return sub


def _collect_first(tx: Tx, invoice: Object, behavior: str) -> None:
    if behavior == "default_incomplete":
        prefill(tx, invoice)
        return
    check_can_collect(tx, invoice)
    result = collecting.collect(tx, invoice, off_session=False)
    if result != "succeeded" and behavior == "error_if_incomplete":
        raise refused(tx, invoice)


def check_can_collect(tx: Tx, invoice: Object) -> None:
    """Stripe's refusal of a request that is to be paid at once by nothing."""
    if collecting.default_method(tx, invoice) is None:
        raise invalid(
            "This customer has no attached payment source or default payment method. Please consider adding a default "
            "payment method. For more information, visit https://stripe.com/docs/billing/subscriptions/payment-methods-setting.",
            code="resource_missing",
        )


def prefill(tx: Tx, invoice: Object) -> None:
    """`default_incomplete` leaves the confirmation to the payer; the method on file is already chosen."""
    method = collecting.default_method(tx, invoice)
    if method is not None:
        intent = tx.get("payment_intent", invoice["_payment_intent"])
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}


def refused(tx: Tx, invoice: Object) -> CardError:
    """The 402 of a payment that had to succeed; nothing of the request stands."""
    intent = tx.get("payment_intent", invoice["_payment_intent"])
    if intent["status"] == "requires_action":
        error = CardError(
            "Payment for this subscription requires additional user action before it can be completed successfully.",
            code="subscription_payment_intent_requires_action",
        )
    else:
        error = card_error(intent["last_payment_error"])
    error.keep = False
    return error


def start_period(tx: Tx, sub: Object, start: int, *, trial_end: int | None = None) -> None:
    """A new cycle from `start`: a trial until `trial_end` when that is later, or a paid period."""
    sub["_free_until_anchor"] = False
    sub["_trial_warned"] = False
    if trial_end is not None and trial_end > start:
        began = sub["trial_start"] if sub["status"] == "trialing" else start
        sub |= {
            "trial_start": began,
            "trial_end": trial_end,
            "billing_cycle_anchor": trial_end,
            "status": "trialing",
        }
        set_period(sub, start, trial_end)
        return
    if trial_days_left(tx, sub) or sub["status"] == "trialing":
        sub["trial_end"] = min(sub["trial_end"] or start, start)
        sub["status"] = "active"
    sub["billing_cycle_anchor"] = start
    set_period(sub, start, rules.period_end(start, *cycle(tx, sub["items"]["data"]), start))


# Renewing ------------------------------------------------------------------------------------------------------------


def renew(tx: Tx, sub: Object) -> None:
    """The period is over: the next one begins and is billed."""
    usage = period(sub)
    ends_trial = sub["status"] == "trialing"
    if ends_trial and _trial_ends_unpaid(tx, sub):
        return
    sub["_free_until_anchor"] = False
    anchor, start = sub["billing_cycle_anchor"], usage[1]
    set_period(sub, start, rules.period_end(anchor, *cycle(tx, sub["items"]["data"]), start))
    if ends_trial:
        sub["status"] = "active"
    invoice = invoice_period(tx, sub, "subscription_cycle", usage=usage)
    emit_updated(tx, "customer.subscription.updated", sub)
    if tx.preview or paused(tx, sub, invoice):
        return
    if sub["status"] == "unpaid":
        invoice["auto_advance"] = False
        return
    delay_s = HOUR_S if sub["collection_method"] == "send_invoice" else tx.settings.renewal_draft_s
    if delay_s:
        invoice["automatically_finalizes_at"] = tx.now + delay_s
    else:
        advance(tx, invoice)


def paused(tx: Tx, sub: Object, invoice: Object) -> bool:
    """What `pause_collection` does to an invoice: it stays a draft, is voided, or given up."""
    pause = sub["pause_collection"]
    if pause is None:
        return False
    invoice["auto_advance"] = False
    if pause["behavior"] != "keep_as_draft":
        invoicing.finalize(tx, invoice)
        if invoice["status"] == "open":
            invoicing.close_unpaid(tx, invoice, "void" if pause["behavior"] == "void" else "uncollectible")
    return True


def advance(tx: Tx, invoice: Object) -> None:
    """Finalises a draft whose time has come, and collects it."""
    invoicing.finalize(tx, invoice)
    if invoice["status"] != "open":
        return
    if invoice["collection_method"] == "charge_automatically":
        collect_again(tx, invoice)
    else:
        emit(tx, "invoice.sent", invoice)


def collect_again(tx: Tx, invoice: Object) -> None:
    """An automatic attempt. After the last one the subscription goes where the settings send it."""
    if collecting.collect(tx, invoice, automatic=True) == "succeeded":
        return
    emit_updated(tx, "invoice.updated", invoice)
    sub = tx.maybe("subscription", invoicing.subscription_id(invoice))
    if sub is None or invoice["billing_reason"] == "manual":
        return
    if sub["status"] not in ("active", "trialing", "past_due"):
        return
    sub["status"] = "past_due"
    if invoice["next_payment_attempt"] is None and invoice["auto_advance"]:
        invoice["auto_advance"] = False
        if tx.settings.after_retries == "canceled":
            end(tx, sub, reason="payment_failed")
            return
        sub["status"] = tx.settings.after_retries
    emit_updated(tx, "customer.subscription.updated", sub)


def _trial_ends_unpaid(tx: Tx, sub: Object) -> bool:
    """What `trial_settings` say about a trial that ends without a payment method."""
    wanted = sub["trial_settings"]["end_behavior"]["missing_payment_method"]
    customer = tx.get("customer", sub["customer"])
    has_method = sub["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    if wanted == "create_invoice" or has_method or cost(tx, sub["items"]["data"]) == 0:
        return False
    if wanted == "cancel":
        end(tx, sub, reason="payment_failed")
    else:
        sub["status"] = "paused"
        emit_updated(tx, "customer.subscription.updated", sub)
        emit(tx, "customer.subscription.paused", sub)
    return True


def warn_of_trial_end(tx: Tx, sub: Object) -> None:
    sub["_trial_warned"] = True
    emit(tx, "customer.subscription.trial_will_end", sub)


# Ending --------------------------------------------------------------------------------------------------------------


def end(tx: Tx, sub: Object, *, reason: str | None = None) -> None:
    """Canceled, now."""
    sub["status"] = "canceled"
    sub["ended_at"] = tx.now
    sub["canceled_at"] = sub["canceled_at"] or tx.now
    if reason and sub["cancellation_details"]["reason"] is None:
        sub["cancellation_details"]["reason"] = reason
    _stop_collecting(tx, sub)
    _cancel_schedule(tx, sub)
    setups.forget(tx, sub)
    emit(tx, "customer.subscription.deleted", sub)


def _stop_collecting(tx: Tx, sub: Object) -> None:
    for invoice in tx.find("invoice", customer=sub["customer"]):
        if invoicing.subscription_id(invoice) == sub["id"] and invoice["status"] in ("open", "draft"):
            invoice |= {
                "auto_advance": False,
                "next_payment_attempt": None,
                "automatically_finalizes_at": None,
            }


def _cancel_schedule(tx: Tx, sub: Object) -> None:
    schedule = tx.maybe("subscription_schedule", sub["schedule"])
    if schedule is not None and schedule["status"] in ("active", "not_started"):
        schedule |= {"status": "canceled", "canceled_at": tx.now, "current_phase": None}
        emit(tx, "subscription_schedule.canceled", schedule)


def end_as_planned(tx: Tx, sub: Object) -> None:
    """`cancel_at` has come. What is still pending is billed first; unused time is credited when that was asked for."""
    if sub["_prorate_cancel"]:
        for old in copied({"v": sub["items"]["data"]})["v"]:
            proration.create(tx, sub | {"items": {"data": []}}, [old], tx.now, debit=False)
    pending = invoicing.pending_items(tx, sub["customer"], sub["currency"], sub)
    if any(item["parent"] for item in pending):
        invoice = invoice_changes(tx, sub, "subscription_cycle")
        if not tx.preview:
            advance(tx, invoice)
    if sub["status"] != "canceled":
        end(tx, sub, reason="cancellation_requested")


def expire_incomplete(tx: Tx, sub: Object) -> None:
    """The first payment never came."""
    sub |= {"status": "incomplete_expired", "ended_at": tx.now}
    setups.forget(tx, sub)
    invoice = tx.maybe("invoice", sub["latest_invoice"])
    if invoice is not None and invoice["status"] == "open":
        invoicing.close_unpaid(tx, invoice, "void")
    emit_updated(tx, "customer.subscription.updated", sub)


# What an invoice's fate does to its subscription ---------------------------------------------------------------------


@on("invoice.paid")
def _invoice_paid(tx: Tx, invoice: Object) -> None:
    sub = tx.maybe("subscription", invoicing.subscription_id(invoice))
    if sub is None:
        return
    if sub["_pending"] and sub["_pending"]["invoice"] == invoice["id"]:
        after = sub["_pending"]["after"]
        sub |= after | {"pending_update": None, "_pending": None}
        emit(tx, "customer.subscription.pending_update_applied", sub)
    if sub["latest_invoice"] == invoice["id"]:
        _recover(tx, sub)


def drop_pending(sub: Object) -> None:
    """The change that waited for its payment will not come."""
    sub |= {"pending_update": None, "_pending": None}


@on("invoice.voided")
@on("invoice.marked_uncollectible")
def _invoice_closed(tx: Tx, invoice: Object) -> None:
    sub = tx.maybe("subscription", invoicing.subscription_id(invoice))
    if sub is None:
        return
    if sub["_pending"] and sub["_pending"]["invoice"] == invoice["id"]:
        drop_pending(sub)
        emit_updated(tx, "customer.subscription.updated", sub)
    if sub["latest_invoice"] != invoice["id"]:
        return
    if sub["status"] == "incomplete":
        sub |= {"status": "incomplete_expired", "ended_at": tx.now}
        emit_updated(tx, "customer.subscription.updated", sub)
    else:
        _recover(tx, sub)


def _recover(tx: Tx, sub: Object) -> None:
    if sub["status"] in ("incomplete", "past_due", "unpaid"):
        sub["status"] = "trialing" if trial_days_left(tx, sub) else "active"
        emit_updated(tx, "customer.subscription.updated", sub)
