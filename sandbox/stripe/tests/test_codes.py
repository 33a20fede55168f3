"""Promotion codes and who may use them; tax ids and their forms."""

from typing import Any

import pytest
import stripe

from sandbox.stripe.tests.conftest import World, refused


def code(world: World, text: str = "Welcome20", **extra: Any) -> Any:
    coupon = world.v1.coupons.create({"percent_off": 20, "duration": "once"})
    return world.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": text, **extra}
    )


@pytest.mark.req("PC-13")
def test_a_code_is_found_whatever_its_case(world: World):
    made = code(world)
    listed = world.v1.promotion_codes.list(
        {"code": "WELCOME20", "active": True, "expand": ["data.promotion.coupon"]}
    ).data
    assert [(row.id, row.promotion.coupon.percent_off) for row in listed] == [(made.id, 20)]
    assert world.v1.promotion_codes.list({"code": "welcome2"}).data == []
    error = refused(
        stripe.InvalidRequestError,
        world.v1.promotion_codes.create,
        {"promotion": {"type": "coupon", "coupon": listed[0].promotion.coupon.id}, "code": "WELCOME20"},
    )
    assert error["code"] == "resource_already_exists"


@pytest.mark.req("PC-13")
@pytest.mark.parametrize("why", ["customer", "first", "minimum", "inactive", "expired", "used"])
def test_a_code_that_is_not_for_this_customer(world: World, why: str):
    price, customer = world.price("Basic", 500), world.customer()
    if why == "first":
        world.v1.subscriptions.cancel(world.subscribe(price, customer).id)
    terms = {
        "customer": {"customer": world.customer()},
        "first": {"restrictions": {"first_time_transaction": True}},
        "minimum": {"restrictions": {"minimum_amount": 501, "minimum_amount_currency": "eur"}},
        "inactive": {"active": False},
        "expired": {"expires_at": world.now + 60},
        "used": {"max_redemptions": 1},
    }[why]
    made = code(world, **terms)
    if why == "used":
        world.subscribe(price, discounts=[{"promotion_code": made.id}])
    if why == "expired":
        world.advance(seconds=61)
    before = world.state()
    wanted = {"customer": customer, "items": [{"price": price}], "discounts": [{"promotion_code": made.id}]}
    refused(stripe.InvalidRequestError, world.v1.subscriptions.create, wanted)
    assert world.state() == before


@pytest.mark.req("BI-4")
@pytest.mark.parametrize(
    ("kind", "value", "status"),
    [
        ("eu_vat", "FR12345678901", "pending"),
        ("eu_vat", "DE000000000", "verified"),
        ("eu_vat", "DE111111111", "unverified"),
        ("gb_vat", "GB123456789", "pending"),
    ],
)
def test_a_tax_id_is_verified_as_its_test_value_says(world: World, kind: str, value: str, status: str):
    customer = world.customer(tax_id_data=[{"type": kind, "value": value}])
    found = world.v1.customers.tax_ids.list(customer).data[0]
    assert found.verification.status == status
    told = [event.type for event in world.events("customer.tax_id.created", "customer.tax_id.updated")]
    assert told == ["customer.tax_id.created"] + ["customer.tax_id.updated"] * (status != "pending")


@pytest.mark.req("BI-4")
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("eu_vat", "FR1"),
        ("eu_vat", "ZZ123456789"),
        ("eu_vat", "DE12345678"),
        ("gb_vat", "GB1"),
        ("us_ein", "1"),
    ],
)
def test_a_tax_id_of_a_wrong_form_is_refused(world: World, kind: str, value: str):
    customer = world.customer()
    before = world.state()
    params = {"type": kind, "value": value}
    error = refused(stripe.InvalidRequestError, world.v1.customers.tax_ids.create, customer, params)
    assert error["code"] == "tax_id_invalid"
    assert world.state() == before
