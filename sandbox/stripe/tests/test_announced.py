"""What is told ahead, and invoices that are sent instead of charged."""

import pytest
import stripe

from sandbox.stripe.rules import DAY_S
from sandbox.stripe.tests.conftest import World, refused

pytestmark = pytest.mark.req("BI-2")


def test_the_next_invoice_is_announced_a_week_ahead(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    end = sub["items"].data[0].current_period_end
    fresh.v1.invoice_items.create(
        {"customer": sub.customer, "subscription": sub.id, "amount": 120, "currency": "eur"}
    )
    fresh.to(end - 7 * DAY_S - 1)
    assert fresh.events("invoice.upcoming") == []
    before = fresh.state()["invoices"]
    fresh.to(end - 7 * DAY_S)
    (event,) = fresh.events("invoice.upcoming")
    told = event.data.object
    assert (told.total, told.billing_reason, "id" in told) == (620, "upcoming", False)
    assert told.parent.subscription_details.subscription == sub.id
    assert fresh.state()["invoices"] == before
    fresh.to(end)
    assert fresh.invoices(sub.customer)[-1].total == 620
    fresh.advance(days=25)
    assert len(fresh.events("invoice.upcoming")) == 2


def test_what_will_not_come_is_not_announced(world: World):
    sub = world.subscribe(world.price("Basic", 500))
    world.v1.subscriptions.update(sub.id, {"cancel_at_period_end": True})
    world.advance(days=40)
    assert world.events("invoice.upcoming") == []


def test_an_invoice_that_is_sent_and_not_paid_in_time(world: World):
    sub = world.subscribe(
        world.price("Basic", 500),
        world.customer(card=None),
        collection_method="send_invoice",
        days_until_due=10,
    )
    assert sub.status == "active"
    world.advance(hours=1)
    invoice = world.v1.invoices.retrieve(sub.latest_invoice)
    assert (invoice.status, invoice.attempted) == ("open", False)
    assert invoice.due_date == invoice.effective_at + 10 * DAY_S
    assert len(world.events("invoice.sent")) == 1
    world.to(invoice.due_date)
    assert len(world.events("invoice.overdue")) == 1
    assert world.v1.subscriptions.retrieve(sub.id).status == "past_due"
    world.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert world.v1.subscriptions.retrieve(sub.id).status == "active"


def test_sending_by_hand(world: World):
    customer = world.customer()
    world.v1.invoice_items.create({"customer": customer, "amount": 750, "currency": "eur"})
    made = {"customer": customer, "pending_invoice_items_behavior": "include"}
    invoice = world.v1.invoices.create({**made, "collection_method": "send_invoice", "days_until_due": 5})
    assert world.v1.invoices.send_invoice(invoice.id).status == "open"
    assert len(world.events("invoice.sent")) == 1
    charged = world.v1.invoices.create(made)
    before = world.state()
    refused(stripe.InvalidRequestError, world.v1.invoices.send_invoice, charged.id)
    assert world.state() == before


@pytest.mark.req("CR-8")
def test_items_collected_early_leave_the_subscription_alone(world: World):
    """Overage in the middle of a period: an invoice of its own for what waits for the subscription."""
    sub = world.subscribe(world.price("Basic", 500))
    item = {"customer": sub.customer, "subscription": sub.id, "amount": 320, "currency": "eur"}
    world.v1.invoice_items.create(item)
    world.v1.invoice_items.create({"customer": sub.customer, "amount": 999, "currency": "eur"})
    invoice = world.v1.invoices.create(
        {"customer": sub.customer, "subscription": sub.id, "auto_advance": False}
    )
    assert (invoice.billing_reason, invoice.status) == ("manual", "draft")
    assert [line.amount for line in invoice.lines.data] == [320]  # what is not for it waits for its renewal
    paid = world.v1.invoices.pay(world.v1.invoices.finalize_invoice(invoice.id).id)
    assert (paid.status, paid.amount_paid) == ("paid", 320)
    after = world.v1.subscriptions.retrieve(sub.id)
    assert (after.latest_invoice, after.status) == (sub.latest_invoice, "active")
    world.to(sub["items"].data[0].current_period_end)
    assert world.invoices(sub.customer)[-1].total == 500 + 999


@pytest.mark.req("CR-8")
def test_items_collected_early_that_the_card_refuses(world: World):
    sub = world.subscribe(world.price("Basic", 500))
    broken = world.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": sub.customer})
    world.v1.subscriptions.update(sub.id, {"default_payment_method": broken.id})
    item = {"customer": sub.customer, "subscription": sub.id, "amount": 320, "currency": "eur"}
    world.v1.invoice_items.create(item)
    invoice = world.v1.invoices.create({"customer": sub.customer, "subscription": sub.id})
    refused(stripe.CardError, world.v1.invoices.pay, invoice.id)
    assert world.v1.subscriptions.retrieve(sub.id).status == "active"
    assert world.v1.invoices.void_invoice(invoice.id).status == "void"
    world.to(sub["items"].data[0].current_period_end)
    assert world.invoices(sub.customer)[-1].total == 500  # what was voided does not come back


def test_the_lines_of_a_credit_note_to_be(world: World):
    sub = world.subscribe(world.price("Basic", 500))
    line = world.v1.invoices.retrieve(sub.latest_invoice).lines.data[0].id
    wanted = {
        "invoice": sub.latest_invoice,
        "lines": [{"type": "invoice_line_item", "invoice_line_item": line, "amount": 200}],
    }
    assert [row.amount for row in world.v1.credit_notes.preview_lines.list(wanted).data] == [200]
    assert world.state()["credit_notes"] == {}
