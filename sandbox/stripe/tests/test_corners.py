"""Paths less travelled: endings in the middle, classic mode, sent invoices, items by themselves, other previews."""

from pathlib import Path

import pytest
import requests
import stripe

from sandbox.stripe import StripeStandIn
from sandbox.stripe.rules import DAY_S, HOUR_S
from sandbox.stripe.tests.conftest import World, refused

pytestmark = pytest.mark.req("BI-1")


def test_cancel_at_in_the_middle_credits_what_is_left(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 2800))
    middle = sub.billing_cycle_anchor + 14 * DAY_S
    sub = fresh.v1.subscriptions.update(sub.id, {"cancel_at": middle})
    assert (sub.cancel_at, sub.cancel_at_period_end) == (middle, False)
    fresh.to(middle)
    assert fresh.v1.subscriptions.retrieve(sub.id).status == "canceled"
    assert fresh.invoices(sub.customer)[-1].total == -1400
    assert fresh.v1.customers.retrieve(sub.customer).balance == -1400


def test_cancel_at_without_proration_credits_nothing(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 2800))
    middle = sub.billing_cycle_anchor + 14 * DAY_S
    fresh.v1.subscriptions.update(sub.id, {"cancel_at": middle, "proration_behavior": "none"})
    fresh.to(middle)
    assert fresh.v1.subscriptions.retrieve(sub.id).status == "canceled"
    assert len(fresh.invoices(sub.customer)) == 1


def test_what_is_pending_is_billed_when_a_subscription_ends_as_planned(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    fresh.v1.invoice_items.create(
        {"customer": sub.customer, "subscription": sub.id, "amount": 300, "currency": "eur"}
    )
    fresh.v1.subscriptions.update(sub.id, {"cancel_at_period_end": True})
    preview = fresh.preview(sub)
    fresh.to(sub["items"].data[0].current_period_end)
    assert fresh.invoices(sub.customer)[-1].total == preview.total == 300


def test_classic_mode_credits_the_items_price(fresh: World):
    sub = fresh.subscribe(fresh.price("Premium", 2000), billing_mode={"type": "classic"})
    at = sub.billing_cycle_anchor + 14 * DAY_S
    fresh.to(at)
    fresh.change(sub, fresh.price("Basic", 500), proration_behavior="none")
    sub = fresh.change(
        sub, fresh.price("Premium", 2000), proration_behavior="always_invoice", proration_date=at
    )
    assert [line.amount for line in sub.latest_invoice.lines.data] == [-250, 1000]


def test_an_invoice_that_is_sent(fresh: World):
    sub = fresh.subscribe(
        fresh.price("Basic", 500),
        fresh.customer(card=None),
        collection_method="send_invoice",
        days_until_due=14,
    )
    assert sub.status == "active"
    assert fresh.v1.invoices.retrieve(sub.latest_invoice).status == "draft"
    fresh.advance(hours=1)
    invoice = fresh.v1.invoices.retrieve(sub.latest_invoice)
    assert (invoice.status, invoice.due_date) == (
        "open",
        invoice.status_transitions.finalized_at + 14 * DAY_S,
    )
    assert fresh.v1.invoices.pay(invoice.id, {"paid_out_of_band": True}).status == "paid"


def test_a_paused_subscription_is_resumed(fresh: World):
    sub = fresh.subscribe(
        fresh.price("Basic", 500),
        fresh.customer(card=None),
        trial_period_days=7,
        trial_settings={"end_behavior": {"missing_payment_method": "pause"}},
    )
    refused(stripe.InvalidRequestError, fresh.v1.subscriptions.resume, sub.id)
    fresh.advance(days=10)
    method = fresh.v1.payment_methods.attach("pm_card_visa", {"customer": sub.customer})
    fresh.v1.subscriptions.update(sub.id, {"default_payment_method": method.id})
    sub = fresh.v1.subscriptions.resume(sub.id)
    assert (sub.status, sub.billing_cycle_anchor) == ("active", sub["items"].data[0].current_period_start)
    assert [invoice.total for invoice in fresh.invoices(sub.customer)] == [0, 500]


def test_items_by_themselves(fresh: World):
    sub = fresh.subscribe(fresh.price("Seats", 1000))
    item = sub["items"].data[0].id
    fresh.to(sub.billing_cycle_anchor + 14 * DAY_S)
    how = {"quantity": 3, "proration_behavior": "always_invoice", "proration_date": fresh.now}
    changed = fresh.v1.subscription_items.update(item, how)
    assert changed.quantity == 3
    lines = fresh.invoices(sub.customer)[-1].lines.data
    assert lines[1].description.startswith("Remaining time on 3 × Seats")
    assert [line.amount for line in lines] == [-500, 1500]
    assert fresh.v1.subscription_items.retrieve(item).price.unit_amount == 1000
    assert [row.id for row in fresh.v1.subscription_items.list({"subscription": sub.id}).data] == [item]
    refused(stripe.InvalidRequestError, fresh.v1.subscription_items.retrieve, "si_none")


def test_items_are_added_and_deleted(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 1000))
    fresh.to(sub.billing_cycle_anchor + 14 * DAY_S)
    first = sub["items"].data[0].id
    how = {"proration_behavior": "always_invoice", "proration_date": fresh.now, "expand": ["latest_invoice"]}
    sub = fresh.v1.subscriptions.update(sub.id, how | {"items": [{"price": fresh.price("Extra", 400)}]})
    assert [line.amount for line in sub.latest_invoice.lines.data] == [200]
    sub = fresh.v1.subscriptions.update(sub.id, how | {"items": [{"id": first, "deleted": True}]})
    assert [line.amount for line in sub.latest_invoice.lines.data] == [-500]
    assert len(sub["items"].data) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        [{"price": "price_none"}],
        [{"price": "yearly"}],
        [{"price": "usd"}],
        [{"price": "basic"}, {"price": "basic"}],
        [],
    ],
)
def test_items_that_do_not_go_together(world: World, wrong: list[dict[str, str]]):
    known = {
        "basic": world.price("Basic", 500),
        "yearly": world.price("Yearly", 5000, "year"),
        "usd": world.price("Dollars", 500, currency="usd"),
    }
    sub = world.subscribe(known["basic"])
    before = world.state()
    items = [{"price": known.get(row["price"], row["price"])} for row in wrong]
    if wrong == []:
        items = [{"id": sub["items"].data[0].id, "deleted": True}]
    refused(stripe.InvalidRequestError, world.v1.subscriptions.update, sub.id, {"items": items})
    assert world.state() == before


@pytest.mark.parametrize("offset", [-1, 40 * DAY_S])
def test_prorations_outside_the_period_are_refused(world: World, offset: int):
    sub = world.subscribe(world.price("Basic", 500))
    at = sub.billing_cycle_anchor + offset
    before = world.state()
    item = sub["items"].data[0].id
    params = {"items": [{"id": item, "quantity": 2}], "proration_date": at}
    refused(stripe.InvalidRequestError, world.v1.subscriptions.update, sub.id, params)
    assert world.state() == before


def test_a_preview_of_ending_now_is_the_credit(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 2800))
    fresh.to(sub.billing_cycle_anchor + 14 * DAY_S)
    preview = fresh.preview(sub, cancel_now=True)
    fresh.v1.subscriptions.cancel(sub.id, {"prorate": True, "invoice_now": True})
    real = fresh.invoices(sub.customer)[-1].total
    assert abs(preview.total - real) <= 1  # a second or two lie between the two
    assert real < 0


def test_a_preview_with_a_schedule(fresh: World):
    sub = fresh.subscribe(fresh.price("Premium", 2000))
    start, end = sub.billing_cycle_anchor, sub["items"].data[0].current_period_end
    phases = [
        {"items": [{"price": fresh.price("Premium", 2000)}], "start_date": start, "end_date": end},
        {"items": [{"price": fresh.price("Basic", 500)}], "proration_behavior": "none"},
    ]
    preview = fresh.v1.invoices.create_preview(
        {"subscription": sub.id, "schedule_details": {"phases": phases}}
    )
    assert preview.total == 500
    assert fresh.state()["subscription_schedules"] == {}


def test_a_preview_with_extra_items(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    extra = [{"amount": 250, "currency": "eur", "description": "More"}]
    preview = fresh.v1.invoices.create_preview({"subscription": sub.id, "invoice_items": extra})
    assert preview.total == 750
    assert fresh.state()["invoiceitems"] == {}


def test_a_configured_anchor(fresh: World):
    sub = fresh.subscribe(
        fresh.price("Basic", 2800), billing_cycle_anchor_config={"day_of_month": 14, "hour": 12}
    )
    assert sub.billing_cycle_anchor - sub.created == pytest.approx(14 * DAY_S, abs=HOUR_S)
    fresh.advance(days=80)
    starts = [invoice.lines.data[0].period.start for invoice in fresh.invoices(sub.customer)][1:]
    assert [start - starts[0] for start in starts] == [0, 28 * DAY_S, 59 * DAY_S]


def test_manual_invoices_are_finalised_by_themselves_when_asked(fresh: World):
    customer = fresh.customer()
    fresh.v1.invoice_items.create({"customer": customer, "amount": 600, "currency": "eur"})
    invoice = fresh.v1.invoices.create(
        {"customer": customer, "auto_advance": True, "pending_invoice_items_behavior": "include"}
    )
    fresh.advance(hours=1)
    assert fresh.v1.invoices.retrieve(invoice.id).status == "paid"


def test_draft_invoices_and_items_are_deleted(world: World):
    customer = world.customer()
    item = world.v1.invoice_items.create({"customer": customer, "amount": 600, "currency": "eur"})
    changed = world.v1.invoice_items.update(item.id, {"amount": 700, "description": "Changed"})
    assert (changed.amount, changed.description) == (700, "Changed")
    invoice = world.v1.invoices.create({"customer": customer, "pending_invoice_items_behavior": "include"})
    refused(stripe.InvalidRequestError, world.v1.invoice_items.delete, item.id)
    assert world.v1.invoices.delete(invoice.id).deleted is True
    assert world.v1.invoice_items.delete(item.id).deleted is True
    assert world.state()["invoiceitems"] == {}


def test_settings_last_as_long_as_the_objects(tmp_path: Path):
    state = tmp_path / "stripe.sqlite"
    with StripeStandIn(state=state) as stand_in:
        World(stand_in).control("settings", {"retry_days": [1, 2], "after_retries": "unpaid"})
        wrong = {"retry_days": [9], "after_retries": "forgotten"}
        assert requests.post(f"{stand_in.url}/_sandbox/settings", json=wrong, timeout=10).status_code == 400
    with StripeStandIn(state=state) as stand_in:
        assert World(stand_in).control("settings") == {
            "retry_days": [1, 2],
            "after_retries": "unpaid",
            "renewal_draft_s": 0,
        }
        World(stand_in).control("reset", {})
    with StripeStandIn(state=state) as stand_in:
        assert World(stand_in).control("settings")["after_retries"] == "canceled"
