"""Every object the stand-in emits has the shape of the pinned SDK, and of Stripe's own published samples."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from sandbox.stripe import params
from sandbox.stripe.routing import ROUTES
from sandbox.stripe.tests.conftest import World
from sandbox.stripe.tests.contract import findings

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "stripe" / "fixtures3.json"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_call_is_one_of_the_sdk(route: Any):
    assert isinstance(params.schema(route.params), dict)


def test_the_checker_sees_what_is_wrong(world: World):
    customer = world.v1.customers.retrieve(world.customer()).to_dict()
    assert findings(customer) == []
    assert findings(customer | {"plan_b": 1}) == ["customer.plan_b: unknown to the SDK"]
    assert findings(customer | {"livemode": None}) == ["customer.livemode: null"]
    assert findings(customer | {"tax_exempt": "maybe"}) == [
        "customer.tax_exempt: 'maybe' is not one of its literals"
    ]
    assert findings({k: v for k, v in customer.items() if k != "created"}) == ["customer.created: missing"]
    assert len(findings(customer | {"invoice_settings": {"x": 1}})) == 1


def everything(world: World) -> list[dict[str, Any]]:
    """A crowded year: at least one object of each kind, in as many states as come about."""
    basic, premium = world.price("Basic", 500), world.price("Premium", 2000)
    sub = world.subscribe(basic, world.customer(name="Ada", address={"city": "Paris", "country": "FR"}))
    world.change(sub, premium, proration_behavior="always_invoice", proration_date=world.now)
    world.change(sub, world.price("Yearly", 20000, "year"))
    schedule = world.v1.subscription_schedules.create({"from_subscription": sub.id})
    phase = schedule.phases[0]
    world.v1.subscription_schedules.update(
        schedule.id,
        {
            "phases": [
                {
                    "items": [{"price": phase["items"][0].price}],
                    "start_date": phase.start_date,
                    "end_date": phase.end_date,
                },
                {"items": [{"price": basic}]},
            ]
        },
    )
    trial = world.subscribe(basic, world.customer(card=None), trial_period_days=5)
    world.v1.subscriptions.update(trial.id, {"cancel_at_period_end": True})
    refusing = world.subscribe(premium, world.customer("pm_card_chargeCustomerFail"))
    world.subscribe(premium, world.customer("pm_card_authenticationRequired"))
    world.v1.invoices.void_invoice(refusing.latest_invoice)
    late = world.subscribe(basic)
    broken = world.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": late.customer})
    world.v1.subscriptions.update(late.id, {"default_payment_method": broken.id})
    world.change(late, premium, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete")
    world.v1.setup_intents.create(
        {"customer": sub.customer, "payment_method": "pm_card_visa", "confirm": True}
    )
    world.v1.payment_intents.create(
        {"amount": 999, "currency": "eur", "payment_method": "pm_card_mastercard", "confirm": True}
    )
    world.v1.invoice_items.create({"customer": sub.customer, "amount": 123, "currency": "eur"})
    world.v1.customers.balance_transactions.create(sub.customer, {"amount": -700, "currency": "eur"})
    world.v1.webhook_endpoints.create({"url": "http://127.0.0.1:1/", "enabled_events": ["*"]})
    _given_back(world, sub.customer)
    _in_a_browser(world)
    world.advance(days=40)
    objects = [obj for kind in world.state().values() for obj in kind.values()]
    objects += [event["data"]["object"] for event in objects if event["object"] == "event"]
    objects += [world.preview(late).to_dict(), world.v1.accounts.retrieve_current().to_dict()]
    return objects


def _given_back(world: World, customer: str) -> None:
    coupon = world.v1.coupons.create({"percent_off": 10, "duration": "forever", "name": "Ten"})
    code = world.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}})
    discounted = world.subscribe(world.price("Basic", 500), discounts=[{"promotion_code": code.id}])
    world.v1.credit_notes.create({"invoice": discounted.latest_invoice, "amount": 100, "refund_amount": 100})
    world.v1.credit_notes.create({"invoice": discounted.latest_invoice, "amount": 100, "credit_amount": 100})
    world.v1.customers.tax_ids.create(customer, {"type": "eu_vat", "value": "FR12345678901"})


def _in_a_browser(world: World) -> None:
    items = [{"price": world.price("Basic", 500), "quantity": 1}]
    session = world.v1.checkout.sessions.create({"mode": "subscription", "line_items": items})
    requests.post(session.url, data={"number": "4242424242424242", "email": "a@palier.test"}, timeout=10)
    session = world.v1.checkout.sessions.create({"mode": "subscription", "line_items": items})
    customer = next(iter(world.state()["customers"]))
    world.v1.billing_portal.sessions.create({"customer": customer})


def test_every_object_has_the_shape_of_the_sdk(world: World):
    wrong = sorted({finding for obj in everything(world) for finding in findings(obj)})
    assert wrong == []


# What Stripe's samples have beyond this API version, or only for what the stand-in does not speak.
OLDER = {
    "invoice": {"subscription"},
    "charge": {"refunds"},  # only when expanded, since 2022-11-15
}


def test_every_object_has_the_fields_of_stripes_samples(world: World):
    """Fields that the samples always show are there. (The samples are random in their values, so only names are compared.)"""
    if not SAMPLES.exists():
        pytest.skip("Stripe's samples are not beside this checkout")
    samples = json.loads(SAMPLES.read_text())["resources"]
    wrong = set()
    for obj in everything(world):
        sample = samples[obj["object"]]
        missing = set(sample) - set(obj) - OLDER.get(obj["object"], set()) - absent_when_null(obj)
        wrong |= {f"{obj['object']}.{name}" for name in missing}
    assert wrong == set()


def absent_when_null(obj: dict[str, Any]) -> set[str]:
    """Optional fields of the SDK that Stripe's samples fill with inventions."""
    from stripe._object_classes import get_object_class

    from sandbox.stripe.tests.contract import _optional, fields

    known = fields(get_object_class("V1", obj["object"]))
    invented = {"managed_payments", "transform_usage"}
    return {name for name in invented if name not in known or _optional(known[name])}


def test_the_client_reads_what_dj_stripe_reads(world: World):
    """The expansions that dj-stripe asks for, each answered."""
    sub = world.subscribe(world.price("Basic", 500))
    invoice = sub.latest_invoice
    charge = world.v1.charges.list({"customer": sub.customer}).data[0]
    assert (
        world.v1.charges.retrieve(charge.id, {"expand": ["balance_transaction"]}).balance_transaction.net > 0
    )
    price = world.v1.prices.retrieve(
        world.price("Basic", 500), {"expand": ["currency_options", "product", "tiers"]}
    )
    assert price.currency_options["eur"].unit_amount == 500
    world.v1.customers.retrieve(sub.customer, {"expand": ["default_source", "sources"]})
    world.v1.invoices.retrieve(invoice, {"expand": ["discounts", "lines.data.discounts"]})
    listed = world.v1.subscriptions.list({"expand": ["data.latest_invoice.payments", "data.customer"]}).data[
        0
    ]
    assert listed.customer.email == "someone@palier.test"
    assert listed.latest_invoice.payments.data[0].status == "paid"


def test_what_cannot_be_expanded_is_refused(world: World):
    sub = world.subscribe(world.price("Basic", 500))
    for path in ("nonsense", "status.x", "customer.invoice_settings.nonsense"):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            world.v1.subscriptions.retrieve(sub.id, {"expand": [path]})
        assert "cannot be expanded" in str(refused.value)
