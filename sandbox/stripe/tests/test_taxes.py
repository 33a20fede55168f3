"""Manual tax rates: on top or inside, with discounts, prorations, balances and credit notes."""

import re
from typing import Any

import pytest
import requests
import stripe

from sandbox.stripe.tests.conftest import World, refused

pytestmark = pytest.mark.req("BI-5")


def rate(world: World, percentage: float = 20.0, *, inclusive: bool = False) -> str:
    params = {"display_name": "TVA", "percentage": percentage, "inclusive": inclusive, "country": "FR"}
    return world.v1.tax_rates.create(params).id


def invoice_of(world: World, sub: Any) -> Any:
    return world.v1.invoices.retrieve(sub.latest_invoice)


@pytest.mark.parametrize(
    ("rates", "total", "excluding", "amounts"),
    [
        ([(20.0, False)], 600, 500, [100]),
        ([(5.5, False)], 528, 500, [28]),  # 27.5 is rounded up
        ([(20.0, True)], 500, 417, [83]),  # 500 × 20 ÷ 120 = 83.33
        ([(20.0, True), (5.0, True)], 500, 400, [80, 20]),  # 500 ÷ 1.25 = 400
        ([(20.0, True), (10.0, False)], 542, 417, [83, 42]),  # 10 % of 416.67
        ([(0.0, False)], 500, 500, [0]),
    ],
)
def test_tax_on_top_and_inside(
    world: World, rates: list[tuple[float, bool]], total: int, excluding: int, amounts: list[int]
):
    ids = [rate(world, percentage, inclusive=inclusive) for percentage, inclusive in rates]
    sub = world.subscribe(world.price("Basic", 500), default_tax_rates=ids)
    invoice = invoice_of(world, sub)
    assert (invoice.subtotal, invoice.total, invoice.amount_paid) == (500, total, total)
    assert (invoice.total_excluding_tax, [tax.amount for tax in invoice.total_taxes]) == (excluding, amounts)
    assert [row.id for row in invoice.default_tax_rates] == ids
    assert [row.id for row in world.v1.subscriptions.retrieve(sub.id).default_tax_rates] == ids
    behaviors = [tax.tax_behavior for tax in invoice.lines.data[0].taxes]
    assert behaviors == ["inclusive" if inclusive else "exclusive" for _, inclusive in rates]


def test_tax_is_on_what_discounts_leave(world: World):
    coupon = world.v1.coupons.create({"percent_off": 50, "duration": "once"})
    sub = world.subscribe(
        world.price("Basic", 500), default_tax_rates=[rate(world)], discounts=[{"coupon": coupon.id}]
    )
    invoice = invoice_of(world, sub)
    assert (invoice.subtotal, invoice.total_excluding_tax, invoice.total) == (500, 250, 300)


def test_a_proration_credits_and_charges_its_tax(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500), default_tax_rates=[rate(fresh)])
    item = sub["items"].data[0]
    middle = item.current_period_start + (item.current_period_end - item.current_period_start) // 2
    fresh.to(middle)
    details = {"proration_behavior": "always_invoice", "proration_date": middle}
    foreseen = fresh.preview(sub, fresh.price("Premium", 2000), **details)
    changed = fresh.change(sub, fresh.price("Premium", 2000), **details)
    invoice = changed.latest_invoice
    assert [line.amount for line in invoice.lines.data] == [-250, 1000]
    assert [line.taxes[0].amount for line in invoice.lines.data] == [-50, 200]
    assert (invoice.subtotal, invoice.total) == (750, 900)
    assert (foreseen.total, foreseen.total_taxes[0].amount) == (900, 150)


def test_a_lines_own_rates_go_before_the_default_ones(world: World):
    price, customer = world.price("Basic", 500), world.customer()
    sub = world.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": price, "tax_rates": [rate(world, 10.0)]}],
            "default_tax_rates": [rate(world)],
        }
    )
    assert invoice_of(world, sub).total == 550
    item = {"customer": customer, "amount": 1000, "currency": "eur", "tax_rates": [rate(world, 2.1)]}
    world.v1.invoice_items.create(item)
    made = world.v1.invoices.create(
        {
            "customer": customer,
            "pending_invoice_items_behavior": "include",
            "default_tax_rates": [rate(world)],
        }
    )
    assert made.total == 1021
    world.v1.invoice_items.create(
        {"customer": customer, "invoice": made.id, "amount": 100, "currency": "eur"}
    )
    assert world.v1.invoices.finalize_invoice(made.id).total == 1021 + 120


@pytest.mark.parametrize(("exempt", "reason"), [("exempt", "customer_exempt"), ("reverse", "reverse_charge")])
def test_customers_who_pay_no_tax(world: World, exempt: str, reason: str):
    sub = world.subscribe(
        world.price("Basic", 500), world.customer(tax_exempt=exempt), default_tax_rates=[rate(world)]
    )
    invoice = invoice_of(world, sub)
    assert (invoice.total, invoice.total_taxes[0].taxability_reason) == (500, reason)


def test_renewals_and_credit_balance(world: World):
    customer = world.customer(balance=-100)
    sub = world.subscribe(world.price("Basic", 500), customer, default_tax_rates=[rate(world)])
    assert (invoice_of(world, sub).total, invoice_of(world, sub).amount_due) == (600, 500)
    world.to(sub["items"].data[0].current_period_end)
    assert [invoice.total for invoice in world.invoices(customer)] == [600, 600]


def test_a_credit_note_gives_the_tax_back(world: World):
    sub = world.subscribe(world.price("Basic", 500), default_tax_rates=[rate(world)])
    line = invoice_of(world, sub).lines.data[0].id
    wanted = {
        "invoice": sub.latest_invoice,
        "lines": [{"type": "invoice_line_item", "invoice_line_item": line, "amount": 250}],
        "refund_amount": 300,
    }
    foreseen = world.v1.credit_notes.preview(wanted)
    note = world.v1.credit_notes.create(wanted)
    for seen in (foreseen, note):
        assert (seen.subtotal, seen.total, seen.total_taxes[0].amount) == (250, 300, 50)
        assert seen.total_excluding_tax == 250
    charge = world.v1.charges.list({"customer": sub.customer}).data[0]
    assert (charge.amount_refunded, charge.refunded) == (300, False)


def test_rates_that_cannot_be_used(world: World):
    price, customer = world.price("Basic", 500), world.customer()
    archived = rate(world)
    world.v1.tax_rates.update(archived, {"active": False})
    twice = rate(world)
    before = world.state()
    for rates in (["txr_none"], [archived], [twice, twice]):
        params = {"customer": customer, "items": [{"price": price}], "default_tax_rates": rates}
        refused(stripe.InvalidRequestError, world.v1.subscriptions.create, params)
    refused(
        stripe.InvalidRequestError,
        world.v1.tax_rates.create,
        {"display_name": "x", "percentage": 101, "inclusive": True},
    )
    assert world.state() == before
    assert [row.id for row in world.v1.tax_rates.list({"active": False}).data] == [archived]


def text_of(url: str) -> list[str]:
    """The texts of a PDF, after its cross-reference table was found to point at every object."""
    content = requests.get(url, timeout=10).content
    start = int(content.rsplit(b"startxref\n", 1)[1].split()[0])
    table = content[start:].split(b"\n")[3:]
    offsets = [int(row.split()[0]) for row in table if row.endswith(b" 00000 n ")]
    for number, offset in enumerate(offsets, start=1):
        assert content[offset:].startswith(b"%d 0 obj" % number)
    return [text.decode("cp1252") for text in re.findall(rb"\(((?:\\.|[^()\\])*)\) Tj", content)]


def test_the_pdf_has_every_line_the_sums_and_the_tax_id(world: World):
    customer = world.customer(
        name="Café Élan", tax_id_data=[{"type": "eu_vat", "value": "FR12345678901"}], balance=-100
    )
    for number in range(60):
        item = {"customer": customer, "amount": 100, "currency": "eur", "description": f"Line {number}"}
        world.v1.invoice_items.create(item)
    invoice = world.v1.invoices.create(
        {
            "customer": customer,
            "pending_invoice_items_behavior": "include",
            "default_tax_rates": [rate(world)],
        }
    )
    paid = world.v1.invoices.pay(invoice.id)
    texts = text_of(paid.invoice_pdf)
    assert [f"Line {number}" for number in range(60)] == [text for text in texts if text.startswith("Line")]
    assert {"Café Élan", "EU VAT: FR12345678901", "TVA 20 %", "€12.00", "€72.00", "-€1.00", "€71.00"} <= set(
        texts
    )
    note = world.v1.credit_notes.create({"invoice": paid.id, "amount": 100, "refund_amount": 100})
    assert "€1.00" in text_of(note.pdf)
