"""Refunds, credit notes, coupons and tax ids."""

from typing import Any

import pytest
import stripe

from sandbox.stripe.tests.conftest import World, refused

pytestmark = pytest.mark.req("BI-5")


def paid_invoice(world: World, amount: int = 2000) -> Any:
    sub = world.subscribe(world.price("Premium", amount), expand=["latest_invoice.payments"])
    return sub.latest_invoice


def intent_of(invoice: Any) -> str:
    return str(invoice.payments.data[0].payment.payment_intent)


# Refunds -------------------------------------------------------------------------------------------------------------


def test_a_charge_is_refunded_in_parts_and_never_twice(world: World):
    intent = intent_of(paid_invoice(world))
    first = world.v1.refunds.create(
        {"payment_intent": intent, "amount": 500, "reason": "requested_by_customer"}
    )
    assert (first.status, first.amount) == ("succeeded", 500)
    charge = world.v1.charges.retrieve(first.charge, {"expand": ["refunds"]})
    assert (charge.amount_refunded, charge.refunded, len(charge.refunds.data)) == (500, False, 1)
    refused(stripe.InvalidRequestError, world.v1.refunds.create, {"charge": first.charge, "amount": 1501})
    world.v1.refunds.create({"charge": first.charge})
    charge = world.v1.charges.retrieve(first.charge)
    assert (charge.amount_refunded, charge.refunded) == (2000, True)
    error = refused(stripe.InvalidRequestError, world.v1.refunds.create, {"charge": first.charge})
    assert error["code"] == "charge_already_refunded"
    assert len(world.events("charge.refunded")) == 2
    assert sum(row["net"] for row in world.state()["balance_transactions"].values()) == -(
        2000 * 15 // 1000 + 25
    )


# Credit notes --------------------------------------------------------------------------------------------------------


def test_a_paid_invoice_is_credited_by_a_refund(world: World):
    invoice = paid_invoice(world)
    note = world.v1.credit_notes.create(
        {
            "invoice": invoice.id,
            "lines": [
                {"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id, "amount": 700}
            ],
            "refund_amount": 700,
            "reason": "order_change",
        }
    )
    assert (note.type, note.total, note.number) == ("post_payment", 700, f"{invoice.number}-CN-01")
    assert world.v1.refunds.retrieve(note.refunds[0].refund).amount == 700
    after = world.v1.invoices.retrieve(invoice.id)
    assert (after.status, after.amount_paid, after.post_payment_credit_notes_amount) == ("paid", 2000, 700)


def test_a_paid_invoice_is_credited_to_the_balance(world: World):
    invoice = paid_invoice(world)
    note = world.v1.credit_notes.create({"invoice": invoice.id, "amount": 700, "credit_amount": 700})
    assert world.v1.customers.retrieve(invoice.customer).balance == -700
    row = world.v1.customers.balance_transactions.list(invoice.customer).data[0]
    assert (row.id, row.type, row.credit_note) == (note.customer_balance_transaction, "credit_note", note.id)


def test_an_open_invoice_is_lowered_and_settled(world: World):
    sub = world.subscribe(world.price("Premium", 2000), world.customer("pm_card_chargeCustomerFail"))
    note = world.v1.credit_notes.create({"invoice": sub.latest_invoice, "amount": 500})
    invoice = world.v1.invoices.retrieve(sub.latest_invoice)
    assert (note.type, invoice.amount_due, invoice.amount_remaining) == ("pre_payment", 1500, 1500)
    world.v1.credit_notes.void_credit_note(note.id)
    assert world.v1.invoices.retrieve(invoice.id).amount_due == 2000
    world.v1.credit_notes.create({"invoice": invoice.id, "amount": 2000})
    assert world.v1.invoices.retrieve(invoice.id).status == "paid"
    assert world.v1.subscriptions.retrieve(sub.id).status == "active"


@pytest.mark.parametrize(
    "wanted",
    [
        {"amount": 2001, "refund_amount": 2001},
        {"amount": 700, "refund_amount": 600},
        {"amount": 0},
        {"lines": [{"type": "custom_line_item", "quantity": 1}]},
    ],
)
def test_wrong_credit_notes_move_nothing(world: World, wanted: dict[str, Any]):
    invoice = paid_invoice(world)
    before = world.state()
    refused(stripe.InvalidRequestError, world.v1.credit_notes.create, {"invoice": invoice.id, **wanted})
    assert world.state() == before


def test_a_credit_note_preview_moves_nothing(world: World):
    invoice = paid_invoice(world)
    before = world.state()
    preview = world.v1.credit_notes.preview({"invoice": invoice.id, "amount": 700, "credit_amount": 700})
    assert preview.total == 700
    assert world.state() == before


# Coupons -------------------------------------------------------------------------------------------------------------

COUPONS = [
    # coupon, totals of the first four invoices at 2000
    ({"percent_off": 25, "duration": "once"}, [1500, 2000, 2000, 2000]),
    ({"percent_off": 33.3, "duration": "forever"}, [1334, 1334, 1334, 1334]),
    (
        {"amount_off": 500, "currency": "eur", "duration": "repeating", "duration_in_months": 2},
        [1500, 1500, 2000, 2000],
    ),
    ({"amount_off": 5000, "currency": "eur", "duration": "once"}, [0, 2000, 2000, 2000]),
]


@pytest.mark.req("PC-13")
@pytest.mark.parametrize(("coupon", "totals"), COUPONS)
def test_what_coupons_take_off(fresh: World, coupon: dict[str, Any], totals: list[int]):
    made = fresh.v1.coupons.create(coupon)
    sub = fresh.subscribe(fresh.price("Premium", 2000), discounts=[{"coupon": made.id}])
    for _ in range(3):
        preview = fresh.preview(sub)
        fresh.to(fresh.v1.subscriptions.retrieve(sub.id)["items"].data[0].current_period_end)
        assert fresh.invoices(sub.customer)[-1].total == preview.total
    assert [invoice.total for invoice in fresh.invoices(sub.customer)] == totals
    assert fresh.v1.coupons.retrieve(made.id).times_redeemed == 1


@pytest.mark.req("PC-13")
def test_what_was_not_paid_is_not_credited(fresh: World):
    coupon = fresh.v1.coupons.create({"percent_off": 50, "duration": "once"})
    sub = fresh.subscribe(fresh.price("Basic", 1000), discounts=[{"coupon": coupon.id}])
    at = sub.billing_cycle_anchor + 14 * 86_400
    fresh.to(at)
    sub = fresh.change(
        sub, fresh.price("Premium", 2000), proration_behavior="always_invoice", proration_date=at
    )
    assert [line.amount for line in sub.latest_invoice.lines.data] == [-250, 1000]


@pytest.mark.req("PC-13")
def test_promotion_codes(world: World):
    coupon = world.v1.coupons.create({"percent_off": 10, "duration": "forever", "id": "TEN"})
    code = world.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "WELCOME", "max_redemptions": 1}
    )
    assert [row.id for row in world.v1.promotion_codes.list({"code": "WELCOME"}).data] == [code.id]
    price = world.price("Premium", 2000)
    sub = world.subscribe(
        price, discounts=[{"promotion_code": code.id}], expand=["latest_invoice", "discounts"]
    )
    assert sub.latest_invoice.total == 1800
    assert sub.discounts[0].promotion_code == code.id
    before = world.state()
    params = {
        "customer": sub.customer,
        "items": [{"price": price}],
        "discounts": [{"promotion_code": code.id}],
    }
    refused(stripe.InvalidRequestError, world.v1.subscriptions.create, params)
    assert world.state() == before
    world.v1.subscriptions.delete_discount(sub.id)
    assert world.preview(sub).total == 2000


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"percent_off": 10, "amount_off": 10, "currency": "eur"},
        {"percent_off": 0},
        {"percent_off": 101},
        {"amount_off": 10},
        {"percent_off": 10, "duration": "repeating"},
    ],
)
def test_coupons_that_make_no_sense(world: World, params: dict[str, Any]):
    refused(stripe.InvalidRequestError, world.v1.coupons.create, params)
    assert world.state()["coupons"] == {}


def test_a_coupon_for_another_product(world: World):
    premium = world.price("Premium", 2000)
    other = world.v1.products.create({"name": "Other"})
    coupon = world.v1.coupons.create(
        {"percent_off": 50, "applies_to": {"products": [other.id]}, "duration": "forever"}
    )
    assert world.v1.coupons.retrieve(coupon.id, {"expand": ["applies_to"]}).applies_to.products == [other.id]
    sub = world.subscribe(premium, discounts=[{"coupon": coupon.id}], expand=["latest_invoice"])
    assert sub.latest_invoice.total == 2000


# Tax ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.req("BI-4")
def test_tax_ids(world: World):
    customer, other = world.customer(card=None), world.customer(card=None)
    made = world.v1.customers.tax_ids.create(customer, {"type": "eu_vat", "value": "FR12345678901"})
    assert (made.country, made.verification.status) == ("FR", "pending")
    assert [row.id for row in world.v1.customers.tax_ids.list(customer).data] == [made.id]
    refused(stripe.InvalidRequestError, world.v1.customers.tax_ids.retrieve, other, made.id)
    assert world.v1.customers.tax_ids.delete(customer, made.id).deleted is True
    assert world.v1.customers.tax_ids.list(customer).data == []
