"""The life of a subscription, through the official client."""

from itertools import pairwise

import pytest
import stripe

from sandbox.stripe.rules import DAY_S, add_months
from sandbox.stripe.tests.conftest import World, refused

pytestmark = pytest.mark.req("BI-1")


def test_a_paid_subscription_is_active_at_once(world: World):
    sub = world.subscribe(
        world.price("Basic", 500),
        expand=["latest_invoice.payments.data.payment.payment_intent", "latest_invoice.confirmation_secret"],
    )
    invoice = sub.latest_invoice
    assert (sub.status, invoice.status, invoice.amount_paid, invoice.billing_reason) == (
        "active",
        "paid",
        500,
        "subscription_create",
    )
    assert invoice.parent.subscription_details.subscription == sub.id
    assert invoice.payments.data[0].payment.payment_intent.status == "succeeded"
    assert invoice.lines.data[0].description == "1 × Basic (at €5.00 / month)"
    item = sub["items"].data[0]
    assert item.current_period_end == add_months(item.current_period_start, 1)
    kinds = [event.type for event in world.events()]
    assert kinds.index("customer.subscription.created") < kinds.index("invoice.paid")
    changed = world.events("customer.subscription.updated")[-1].data
    assert changed.previous_attributes["status"] == "incomplete"
    assert changed.object.status == "active"


def test_without_a_payment_method_nothing_is_made(world: World):
    price, customer = world.price("Basic", 500), world.customer(card=None)
    error = refused(
        stripe.InvalidRequestError,
        world.v1.subscriptions.create,
        {"customer": customer, "items": [{"price": price}]},
    )
    assert error["code"] == "resource_missing"
    assert world.state()["subscriptions"] == {}
    assert world.state()["invoices"] == {}


def test_a_refused_card_leaves_it_incomplete_and_then_expired(world: World):
    sub = world.subscribe(world.price("Basic", 500), world.customer("pm_card_chargeCustomerFail"))
    assert sub.status == "incomplete"
    world.advance(hours=23.1)
    assert world.v1.subscriptions.retrieve(sub.id).status == "incomplete_expired"
    assert world.v1.invoices.retrieve(sub.latest_invoice).status == "void"


def test_error_if_incomplete_leaves_nothing(world: World):
    price, customer = world.price("Basic", 500), world.customer("pm_card_chargeCustomerFail")
    error = refused(
        stripe.CardError,
        world.v1.subscriptions.create,
        {"customer": customer, "items": [{"price": price}], "payment_behavior": "error_if_incomplete"},
    )
    assert (error["status"], error["code"], error["decline_code"]) == (
        402,
        "card_declined",
        "generic_decline",
    )
    assert world.state()["subscriptions"] == {}
    assert world.state()["payment_intents"] == {}


def test_default_incomplete_waits_for_the_payer(world: World):
    sub = world.subscribe(
        world.price("Basic", 500),
        world.customer(card=None),
        payment_behavior="default_incomplete",
        expand=["latest_invoice.confirmation_secret"],
    )
    assert sub.status == "incomplete"
    secret = sub.latest_invoice.confirmation_secret.client_secret
    intent = world.control(
        "payer", {"intent": secret, "payment_method": "pm_card_authenticationRequired", "authenticate": True}
    )
    assert intent["status"] == "succeeded"
    sub = world.v1.subscriptions.retrieve(sub.id, {"expand": ["latest_invoice"]})
    assert (sub.status, sub.latest_invoice.status) == ("active", "paid")


def test_three_d_secure_that_fails_can_be_tried_again(world: World):
    sub = world.subscribe(
        world.price("Basic", 500),
        world.customer("pm_card_authenticationRequired"),
        expand=["latest_invoice.confirmation_secret"],
    )
    assert sub.status == "incomplete"
    assert world.events("invoice.payment_action_required")
    secret = sub.latest_invoice.confirmation_secret.client_secret
    failed = world.control("payer", {"intent": secret, "authenticate": False})
    assert failed["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    world.control("payer", {"intent": secret, "payment_method": "pm_card_visa"})
    assert world.v1.subscriptions.retrieve(sub.id).status == "active"


def test_a_year_renews_on_the_same_day(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 5000, "year"))
    start = sub["items"].data[0].current_period_start
    fresh.advance(days=366)
    item = fresh.v1.subscriptions.retrieve(sub.id)["items"].data[0]
    assert item.current_period_start == add_months(start, 12)
    assert [invoice.total for invoice in fresh.invoices(sub.customer)] == [5000, 5000]


def test_fourteen_months_of_renewals_from_31_january(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    start = sub.billing_cycle_anchor
    fresh.advance(days=430)
    invoices = fresh.invoices(sub.customer)
    assert len(invoices) == 15
    for index, invoice in enumerate(invoices):
        line = invoice.lines.data[0]
        assert line.period.start == add_months(start, index)
        assert line.period.end == add_months(start, index + 1)
        assert (invoice.status, invoice.total) == ("paid", 500)
        assert invoice.created == line.period.start
    numbers = [invoice.number for invoice in invoices]
    assert numbers == sorted(set(numbers))


def test_cancel_at_period_end_and_back(world: World):
    sub = world.subscribe(world.price("Basic", 500))
    end = sub["items"].data[0].current_period_end
    sub = world.v1.subscriptions.update(sub.id, {"cancel_at_period_end": True})
    assert (sub.cancel_at_period_end, sub.cancel_at, sub.cancellation_details.reason) == (
        True,
        end,
        "cancellation_requested",
    )
    sub = world.v1.subscriptions.update(sub.id, {"cancel_at_period_end": False})
    assert (sub.cancel_at_period_end, sub.cancel_at, sub.canceled_at) == (False, None, None)
    world.v1.subscriptions.update(sub.id, {"cancel_at_period_end": True})
    error = refused(stripe.InvalidRequestError, world.v1.invoices.create_preview, {"subscription": sub.id})
    assert error["code"] == "invoice_upcoming_none"
    world.to(end)
    sub = world.v1.subscriptions.retrieve(sub.id)
    assert (sub.status, sub.ended_at) == ("canceled", end)
    assert len(world.invoices(sub.customer)) == 1
    assert world.events("customer.subscription.deleted")


def test_cancel_now_with_a_credit(world: World):
    sub = world.subscribe(world.price("Basic", 3000))
    item = sub["items"].data[0]
    middle = (item.current_period_start + item.current_period_end) // 2
    world.to(middle)
    world.v1.subscriptions.cancel(sub.id, {"prorate": True, "invoice_now": True})
    last = world.invoices(sub.customer)[-1]
    assert abs(last.total + 1500) <= 1
    assert last.status == "paid"
    assert world.v1.customers.retrieve(sub.customer).balance == last.total
    refused(stripe.InvalidRequestError, world.v1.subscriptions.cancel, sub.id)


def test_lists_leave_out_the_canceled_unless_asked(world: World):
    price, customer = world.price("Basic", 500), world.customer()
    first = world.subscribe(price, customer)
    second = world.subscribe(price, customer)
    world.v1.subscriptions.cancel(first.id)
    listed = world.v1.subscriptions.list({"customer": customer})
    assert [sub.id for sub in listed.data] == [second.id]
    assert len(world.v1.subscriptions.list({"customer": customer, "status": "all"}).data) == 2
    assert [s.id for s in world.v1.subscriptions.list({"status": "canceled"}).data] == [first.id]
    assert [s.id for s in world.v1.subscriptions.list({"price": price}).data] == [second.id]


def test_a_trial_warns_and_then_charges(world: World):
    sub = world.subscribe(world.price("Basic", 500), trial_period_days=14)
    assert sub.status == "trialing"
    first = world.v1.invoices.retrieve(sub.latest_invoice)
    assert (first.total, first.lines.data[0].description) == (0, "Trial period for Basic")
    world.to(sub.trial_end - 3 * DAY_S)
    assert len(world.events("customer.subscription.trial_will_end")) == 1
    world.to(sub.trial_end)
    sub = world.v1.subscriptions.retrieve(sub.id)
    assert (sub.status, sub.billing_cycle_anchor) == ("active", sub.trial_end)
    assert [invoice.total for invoice in world.invoices(sub.customer)] == [0, 500]


@pytest.mark.parametrize(
    ("wanted", "status"), [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "past_due")]
)
def test_a_trial_that_ends_without_a_card(world: World, wanted: str, status: str):
    sub = world.subscribe(
        world.price("Basic", 500),
        world.customer(card=None),
        trial_period_days=7,
        trial_settings={"end_behavior": {"missing_payment_method": wanted}},
    )
    world.advance(days=7.1)
    assert world.v1.subscriptions.retrieve(sub.id).status == status


def test_a_trial_changed_costs_nothing_and_ended_now_charges(world: World):
    sub = world.subscribe(world.price("Basic", 500), trial_period_days=14)
    world.advance(days=3)
    sub = world.change(sub, world.price("Premium", 2000), proration_behavior="always_invoice")
    assert sub.status == "trialing"
    assert [invoice.total for invoice in world.invoices(sub.customer)] == [0]
    sub = world.v1.subscriptions.update(sub.id, {"trial_end": "now"})
    assert sub.status == "active"
    assert [invoice.total for invoice in world.invoices(sub.customer)] == [0, 2000]


@pytest.mark.parametrize(
    ("after", "status"), [("canceled", "canceled"), ("unpaid", "unpaid"), ("past_due", "past_due")]
)
def test_failed_renewals_are_retried_on_the_declared_days(world: World, after: str, status: str):
    world.control("settings", {"after_retries": after})
    sub = world.subscribe(world.price("Basic", 500))
    broken = world.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": sub.customer})
    world.v1.subscriptions.update(sub.id, {"default_payment_method": broken.id})
    end = sub["items"].data[0].current_period_end
    world.to(end)
    assert world.v1.subscriptions.retrieve(sub.id).status == "past_due"
    invoice = world.invoices(sub.customer)[-1]
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    attempts = [end]
    while invoice.next_payment_attempt:
        attempts.append(invoice.next_payment_attempt)
        world.to(invoice.next_payment_attempt)
        invoice = world.v1.invoices.retrieve(invoice.id)
    assert [(b - a) // DAY_S for a, b in pairwise(attempts)] == [3, 5, 7]
    assert invoice.attempt_count == 4
    assert world.v1.subscriptions.retrieve(sub.id).status == status


def test_automatic_collection_can_be_switched_on_and_off(world: World):
    """What a change made is tried once; with `auto_advance` it is tried again by the schedule, as a renewal is."""
    sub = world.subscribe(world.price("Basic", 500))
    broken = world.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": sub.customer})
    world.v1.subscriptions.update(sub.id, {"default_payment_method": broken.id})
    world.v1.subscriptions.update(sub.id, {"billing_cycle_anchor": "now", "proration_behavior": "none"})
    invoice = world.invoices(sub.customer)[-1]
    assert (invoice.status, invoice.attempt_count, invoice.next_payment_attempt) == ("open", 1, None)
    on = world.v1.invoices.update(invoice.id, {"auto_advance": True})
    assert on.next_payment_attempt == invoice.created + 3 * DAY_S
    off = world.v1.invoices.update(invoice.id, {"auto_advance": False})
    assert off.next_payment_attempt is None
    world.advance(days=4)
    assert world.v1.invoices.retrieve(invoice.id).attempt_count == 1
    again = world.v1.invoices.update(invoice.id, {"auto_advance": True})
    world.to(again.next_payment_attempt)
    assert world.v1.invoices.retrieve(invoice.id).attempt_count == 2


def test_a_new_card_cures_past_due(world: World):
    sub = world.subscribe(world.price("Basic", 500))
    broken = world.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": sub.customer})
    world.v1.subscriptions.update(sub.id, {"default_payment_method": broken.id})
    world.to(sub["items"].data[0].current_period_end)
    assert world.v1.customers.retrieve(sub.customer).delinquent is True
    good = world.v1.payment_methods.attach("pm_card_visa", {"customer": sub.customer})
    world.v1.subscriptions.update(sub.id, {"default_payment_method": good.id})
    world.advance(days=3)
    assert world.v1.subscriptions.retrieve(sub.id).status == "active"
    assert world.v1.customers.retrieve(sub.customer).delinquent is False


def test_past_due_cured_by_paying_the_invoice(world: World):
    sub = world.subscribe(world.price("Basic", 500))
    broken = world.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": sub.customer})
    world.v1.subscriptions.update(sub.id, {"default_payment_method": broken.id})
    world.to(sub["items"].data[0].current_period_end)
    invoice = world.invoices(sub.customer)[-1]
    error = refused(stripe.CardError, world.v1.invoices.pay, invoice.id)
    assert error["payment_intent"]["status"] == "requires_payment_method"
    good = world.v1.payment_methods.attach("pm_card_visa", {"customer": sub.customer})
    paid = world.v1.invoices.pay(invoice.id, {"payment_method": good.id})
    assert (paid.status, paid.attempt_count) == ("paid", 1)  # only automatic attempts count
    assert world.v1.subscriptions.retrieve(sub.id).status == "active"


def test_a_draft_hour_before_renewals_are_charged(world: World):
    world.control("settings", {"renewal_draft_s": 3600})
    sub = world.subscribe(world.price("Basic", 500))
    world.to(sub["items"].data[0].current_period_end)
    invoice = world.invoices(sub.customer)[-1]
    assert invoice.status == "draft"
    world.v1.invoice_items.create(
        {"customer": sub.customer, "invoice": invoice.id, "amount": 250, "currency": "eur"}
    )
    world.advance(hours=1)
    invoice = world.v1.invoices.retrieve(invoice.id)
    assert (invoice.status, invoice.total) == ("paid", 750)


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("void", "void"), ("mark_uncollectible", "uncollectible"), ("keep_as_draft", "draft")],
)
def test_paused_collection(world: World, behavior: str, status: str):
    sub = world.subscribe(world.price("Basic", 500))
    end = sub["items"].data[0].current_period_end
    world.v1.subscriptions.update(
        sub.id, {"pause_collection": {"behavior": behavior, "resumes_at": end + 5 * DAY_S}}
    )
    world.to(end)
    assert world.invoices(sub.customer)[-1].status == status
    world.to(end + 5 * DAY_S)
    sub = world.v1.subscriptions.retrieve(sub.id)
    assert (sub.pause_collection, sub.status) == (None, "active")


def test_metadata_is_merged_and_unset(world: World):
    sub = world.subscribe(world.price("Basic", 500), metadata={"a": "1", "b": "2", "_own": "x", "7": "seven"})
    sub = world.v1.subscriptions.update(sub.id, {"metadata": {"a": "", "c": "3"}})
    assert sub.metadata.to_dict() == {"b": "2", "c": "3", "_own": "x", "7": "seven"}
    assert world.v1.subscriptions.update(sub.id, {"metadata": ""}).metadata.to_dict() == {}


def test_what_is_not_spoken_is_refused_not_ignored(world: World):
    price, customer = world.price("Basic", 500), world.customer()
    before = world.state()
    error = refused(
        stripe.InvalidRequestError,
        world.v1.subscriptions.create,
        {"customer": customer, "items": [{"price": price}], "application_fee_percent": 5},
    )
    assert "not spoken" in error["message"]
    assert world.state() == before
