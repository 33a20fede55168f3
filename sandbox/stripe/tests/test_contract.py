"""Every object the stand-in emits has the shape of the pinned SDK, and of Stripe's own published samples."""

import json
from pathlib import Path
from typing import Any

import pytest
import stripe

from sandbox.stripe import params
from sandbox.stripe.routing import ROUTES
from sandbox.stripe.tests.conftest import World
from sandbox.stripe.tests.contract import findings
from sandbox.stripe.tests.crowd import everything

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
