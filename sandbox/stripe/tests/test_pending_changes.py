"""Changes that wait for their payment: nothing of them holds until it came."""

from typing import Any

import pytest

from sandbox.stripe.tests.conftest import World

pytestmark = pytest.mark.req("PC-3")


def waiting(world: World) -> Any:
    """A subscription to Basic whose change to Premium the card on file does not pay."""
    sub = world.subscribe(world.price("Basic", 500), metadata={"plan": "basic"})
    broken = world.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": sub.customer})
    world.v1.subscriptions.update(sub.id, {"default_payment_method": broken.id})
    return world.change(
        sub,
        world.price("Premium", 2000),
        proration_behavior="always_invoice",
        payment_behavior="pending_if_incomplete",
        metadata={"plan": "premium"},
    )


def amount(sub: Any) -> int:
    return sub["items"].data[0].price.unit_amount


def test_items_and_metadata_wait_for_the_payment(world: World):
    sub = waiting(world)
    assert (amount(sub), sub.metadata["plan"]) == (500, "basic")
    assert sub.pending_update.metadata["plan"] == "premium"
    good = world.v1.payment_methods.attach("pm_card_visa", {"customer": sub.customer})
    world.v1.invoices.pay(sub.latest_invoice.id, {"payment_method": good.id})
    sub = world.v1.subscriptions.retrieve(sub.id)
    assert (amount(sub), sub.metadata["plan"], sub.pending_update) == (2000, "premium", None)
    assert len(world.events("customer.subscription.pending_update_applied")) == 1


def test_voiding_its_invoice_drops_the_change(world: World):
    sub = waiting(world)
    intent = sub.latest_invoice.id
    world.v1.invoices.void_invoice(intent)
    sub = world.v1.subscriptions.retrieve(sub.id)
    assert (amount(sub), sub.metadata["plan"], sub.pending_update, sub.status) == (
        500,
        "basic",
        None,
        "active",
    )
    payments = world.v1.invoice_payments.list({"invoice": intent, "expand": ["data.payment.payment_intent"]})
    assert payments.data[0].payment.payment_intent.status == "canceled"
    world.advance(days=2)  # past the pending update's end
    assert world.events("customer.subscription.pending_update_expired") == []


def test_nobody_pays_in_time(world: World):
    sub = waiting(world)
    world.advance(hours=24)
    sub = world.v1.subscriptions.retrieve(sub.id)
    assert (amount(sub), sub.metadata["plan"], sub.pending_update) == (500, "basic", None)
    assert len(world.events("customer.subscription.pending_update_expired")) == 1
