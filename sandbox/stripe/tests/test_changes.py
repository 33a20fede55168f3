"""Changes of plan: what is credited, what is charged, and that the preview says the same to the cent."""

from datetime import timedelta
from typing import Any

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.stripe.rules import add_months, as_datetime, day_text
from sandbox.stripe.tests.conftest import START, World, refused

pytestmark = pytest.mark.req("PC-1")

# From 31 Jan 2027 12:00 to 28 Feb 12:00: 28 days. Each: price before, after, days into the period, credit, debit.
TABLE = [
    (500, 2000, 14, -250, 1000),
    (500, 2000, 7, -375, 1500),
    (500, 2000, 27, -18, 71),  # 500/28 = 17.857…, 2000/28 = 71.43
    (999, 2999, 14, -500, 1500),  # 499.5 and 1499.5: each half up
    (2000, 500, 14, -1000, 250),
]


@pytest.mark.parametrize(("old", "new", "days", "credit", "debit"), TABLE)
def test_prorations_to_the_cent(fresh: World, old: int, new: int, days: int, credit: int, debit: int):
    sub = fresh.subscribe(fresh.price("Old", old))
    at = int((as_datetime(sub.billing_cycle_anchor) + timedelta(days=days)).timestamp())
    fresh.to(at)
    how = {"proration_behavior": "always_invoice", "proration_date": at}
    preview = fresh.preview(sub, fresh.price("New", new), **how)
    sub = fresh.change(sub, fresh.price("New", new), **how)
    lines = sub.latest_invoice.lines.data
    assert [line.amount for line in lines] == [credit, debit]
    assert [line.amount for line in preview.lines.data] == [credit, debit]
    assert [line.description for line in lines] == [
        f"Unused time on Old after {day_text(at)}",
        f"Remaining time on New after {day_text(at)}",
    ]
    assert all(line.parent.subscription_item_details.proration for line in lines)
    credited = lines[0].parent.subscription_item_details.proration_details.credited_items
    assert credited.invoice == fresh.invoices(sub.customer)[0].id
    assert sub.latest_invoice.billing_reason == "subscription_update"
    assert sub.latest_invoice.amount_due == preview.amount_due == max(credit + debit, 0)


def test_a_downgrade_now_becomes_credit_that_the_next_invoice_uses(fresh: World):
    sub = fresh.subscribe(fresh.price("Premium", 2000))
    fresh.advance(days=14)
    sub = fresh.change(sub, fresh.price("Basic", 500), proration_behavior="always_invoice")
    total = sub.latest_invoice.total
    assert total < 0
    assert (sub.latest_invoice.amount_due, sub.latest_invoice.status) == (0, "paid")
    assert fresh.v1.customers.retrieve(sub.customer).balance == total
    fresh.to(sub["items"].data[0].current_period_end)
    renewal = fresh.invoices(sub.customer)[-1]
    assert (renewal.total, renewal.starting_balance) == (500, total)
    assert renewal.amount_due == max(500 + total, 0)
    rows = fresh.v1.customers.balance_transactions.list(sub.customer).data
    assert fresh.v1.customers.retrieve(sub.customer).balance == sum(row.amount for row in rows)


def test_create_prorations_wait_for_the_renewal(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    fresh.advance(days=14)
    fresh.change(sub, fresh.price("Premium", 2000), proration_behavior="create_prorations")
    assert len(fresh.invoices(sub.customer)) == 1
    pending = fresh.v1.invoice_items.list({"customer": sub.customer, "pending": True}).data
    assert len(pending) == 2
    preview = fresh.preview(sub)
    fresh.to(sub["items"].data[0].current_period_end)
    renewal = fresh.invoices(sub.customer)[-1]
    assert renewal.total == preview.total == 2000 + sum(item.amount for item in pending)
    assert len(renewal.lines.data) == 3
    assert fresh.v1.invoice_items.list({"customer": sub.customer, "pending": True}).data == []


def test_none_changes_the_price_and_bills_nothing_until_the_renewal(fresh: World):
    sub = fresh.subscribe(fresh.price("Premium", 2000))
    fresh.advance(days=10)
    sub = fresh.change(sub, fresh.price("Basic", 500), proration_behavior="none")
    assert sub["items"].data[0].price.unit_amount == 500
    fresh.to(sub["items"].data[0].current_period_end)
    assert [invoice.total for invoice in fresh.invoices(sub.customer)] == [2000, 500]


def test_what_was_not_billed_is_not_credited(fresh: World):
    """Premium was paid for the whole period, so going back up costs nothing."""
    sub = fresh.subscribe(fresh.price("Premium", 2000))
    fresh.advance(days=10)
    fresh.change(sub, fresh.price("Basic", 500), proration_behavior="none")
    at = fresh.now
    sub = fresh.change(
        sub, fresh.price("Premium", 2000), proration_behavior="always_invoice", proration_date=at
    )
    assert sub.latest_invoice.total == 0


def test_another_interval_begins_a_new_period_now(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    fresh.advance(days=14)
    how = {"proration_behavior": "always_invoice", "proration_date": fresh.now}
    preview = fresh.preview(sub, fresh.price("Basic yearly", 5000, "year"), **how)
    sub = fresh.change(sub, fresh.price("Basic yearly", 5000, "year"), **how)
    assert [line.amount for line in sub.latest_invoice.lines.data] == [-250, 5000]
    assert preview.total == sub.latest_invoice.total == 4750
    item = sub["items"].data[0]
    assert item.current_period_start == sub.billing_cycle_anchor
    assert item.current_period_end == add_months(item.current_period_start, 12)


def test_from_free_to_paid_begins_a_new_period_now(fresh: World):
    sub = fresh.subscribe(fresh.price("Free", 0), fresh.customer())
    fresh.advance(days=10)
    sub = fresh.change(sub, fresh.price("Basic", 500))
    assert sub.latest_invoice.total == 500
    assert sub.billing_cycle_anchor == sub.latest_invoice.created
    assert sub["items"].data[0].current_period_start == sub.latest_invoice.created


def test_anchor_now_without_proration_charges_the_whole(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    fresh.advance(days=14)
    sub = fresh.v1.subscriptions.update(
        sub.id, {"billing_cycle_anchor": "now", "proration_behavior": "none", "expand": ["latest_invoice"]}
    )
    assert [line.amount for line in sub.latest_invoice.lines.data] == [500]


def test_a_later_first_anchor_charges_the_part_before_it(fresh: World):
    anchor = fresh.now + 14 * 86_400
    sub = fresh.subscribe(fresh.price("Basic", 2800), billing_cycle_anchor=anchor, expand=["latest_invoice"])
    assert sub["items"].data[0].current_period_end == anchor
    assert 0 < sub.latest_invoice.total < 2800
    fresh.to(anchor)
    assert fresh.invoices(sub.customer)[-1].total == 2800
    free = fresh.subscribe(
        fresh.price("Basic", 2800),
        billing_cycle_anchor=fresh.now + 86_400,
        proration_behavior="none",
        expand=["latest_invoice"],
    )
    assert free.latest_invoice.total == 0
    assert free.status == "active"


def test_a_refused_upgrade_changes_nothing(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    broken = fresh.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": sub.customer})
    fresh.v1.subscriptions.update(sub.id, {"default_payment_method": broken.id})
    fresh.advance(days=5)
    premium = fresh.price("Premium", 2000)
    before = fresh.state()
    item = sub["items"].data[0].id
    error = refused(
        stripe.CardError,
        fresh.v1.subscriptions.update,
        sub.id,
        {
            "items": [{"id": item, "price": premium}],
            "proration_behavior": "always_invoice",
            "payment_behavior": "error_if_incomplete",
        },
    )
    assert error["decline_code"] == "generic_decline"
    assert fresh.state() == before


def test_a_pending_update_is_applied_when_paid(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    broken = fresh.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": sub.customer})
    fresh.v1.subscriptions.update(sub.id, {"default_payment_method": broken.id})
    premium = fresh.price("Premium", 2000)
    how = {"proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}
    sub = fresh.change(sub, premium, **how)
    assert sub["items"].data[0].price.unit_amount == 500
    assert sub.pending_update.subscription_items[0].price.id == premium
    assert sub.status == "active"
    good = fresh.v1.payment_methods.attach("pm_card_visa", {"customer": sub.customer})
    fresh.v1.invoices.pay(sub.latest_invoice.id, {"payment_method": good.id})
    sub = fresh.v1.subscriptions.retrieve(sub.id)
    assert (sub.pending_update, sub["items"].data[0].price.id) == (None, premium)


def test_a_pending_update_expires(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    broken = fresh.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": sub.customer})
    fresh.v1.subscriptions.update(sub.id, {"default_payment_method": broken.id})
    how = {"proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}
    sub = fresh.change(sub, fresh.price("Premium", 2000), **how)
    fresh.advance(hours=23.1)
    after = fresh.v1.subscriptions.retrieve(sub.id)
    assert (after.pending_update, after["items"].data[0].price.unit_amount) == (None, 500)
    assert fresh.v1.invoices.retrieve(sub.latest_invoice.id).status == "void"


@pytest.mark.parametrize("trial", [False, True])
def test_a_pending_update_does_not_outlive_its_period(fresh: World, trial: bool):
    """Paid afterwards it would bring back a period that is over."""
    sub = fresh.subscribe(fresh.price("Basic", 500), **({"trial_period_days": 7} if trial else {}))
    broken = fresh.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": sub.customer})
    fresh.v1.subscriptions.update(sub.id, {"default_payment_method": broken.id})
    end = sub["items"].data[0].current_period_end
    fresh.to(end - 3_600)
    how = {"proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}
    changed = fresh.change(
        sub, fresh.price("Premium", 200_000), **how, **({"trial_end": "now"} if trial else {})
    )
    assert changed.pending_update.expires_at == end
    fresh.to(end)
    after = fresh.v1.subscriptions.retrieve(sub.id)
    assert (after.pending_update, after["items"].data[0].price.unit_amount) == (None, 500)
    assert after["items"].data[0].current_period_start == end
    assert fresh.v1.invoices.retrieve(changed.latest_invoice.id).status == "void"


def test_a_change_to_be_paid_at_once_needs_something_to_pay_with(fresh: World):
    """In a trial that began without a card, for instance: told as for a start, not as a card that was refused."""
    sub = fresh.subscribe(fresh.price("Basic", 500), customer=fresh.customer(card=None), trial_period_days=7)
    before = fresh.state()
    error = refused(
        stripe.InvalidRequestError,
        fresh.v1.subscriptions.update,
        sub.id,
        {
            "items": [{"id": sub["items"].data[0].id, "price": fresh.price("Premium", 2000)}],
            "trial_end": "now",
            "proration_behavior": "always_invoice",
            "payment_behavior": "error_if_incomplete",
        },
    )
    assert (error["status"], error["code"]) == (400, "resource_missing")
    assert fresh.state()["subscriptions"] == before["subscriptions"]


def test_a_difference_too_small_to_charge_is_carried_over(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    fresh.to(sub["items"].data[0].current_period_end - 86_400)
    how = {"proration_behavior": "always_invoice", "proration_date": fresh.now}
    preview = fresh.preview(sub, fresh.price("Plus", 1000), **how)
    sub = fresh.change(sub, fresh.price("Plus", 1000), **how)
    invoice = sub.latest_invoice
    assert invoice.total == preview.total == 18
    assert (invoice.status, invoice.amount_due, preview.amount_due) == ("paid", 0, 0)
    assert fresh.v1.customers.retrieve(sub.customer).balance == 18


def test_an_overage_item_is_on_the_next_invoice(fresh: World):
    sub = fresh.subscribe(fresh.price("Growth", 9900, currency="usd"))
    fresh.v1.invoice_items.create(
        {
            "customer": sub.customer,
            "subscription": sub.id,
            "amount": 14,
            "currency": "usd",
            "description": "Overage",
        }
    )
    preview = fresh.preview(sub)
    assert sorted(line.amount for line in preview.lines.data) == [14, 9900]
    fresh.to(sub["items"].data[0].current_period_end)
    renewal = fresh.invoices(sub.customer)[-1]
    assert (renewal.total, renewal.status) == (9914, "paid")
    parents = {line.amount: line.parent for line in renewal.lines.data}
    assert parents[14].type == "invoice_item_details"
    assert parents[9900].subscription_item_details.proration is False


def test_a_new_subscription_is_previewed_for_a_customer_or_for_nobody(fresh: World):
    details = {"items": [{"price": fresh.price("Basic", 500)}]}
    for who in ({"customer": fresh.customer()}, {"currency": "eur"}):
        preview = fresh.v1.invoices.create_preview({**who, "subscription_details": details})
        assert (preview.total, preview.status, preview.billing_reason) == (500, "draft", "upcoming")
    assert fresh.state()["subscriptions"] == {}
    assert len(fresh.state()["customers"]) == 1


def test_a_preview_leaves_no_trace(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    premium = fresh.price("Premium", 2000)
    before = fresh.state()
    for behavior in ("none", "create_prorations", "always_invoice"):
        fresh.preview(sub, premium, proration_behavior=behavior)
    assert fresh.state() == before


CHANGE = st.fixed_dictionaries(
    {
        "amount": st.sampled_from([0, 1, 499, 500, 999, 2000, 9999, 123457]),
        "interval": st.sampled_from(["month", "year", "week"]),
        "quantity": st.integers(1, 4),
        "behavior": st.sampled_from(["none", "create_prorations", "always_invoice"]),
        "wait_s": st.integers(0, 45 * 86_400),
        "anchor_now": st.booleans(),
        "extra": st.one_of(st.none(), st.integers(-700, 900)),
    }
)


@pytest.mark.req("PC-2")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.sampled_from([0, 500, 999, 2000]), changes=st.lists(CHANGE, min_size=1, max_size=4))
def test_the_preview_is_the_invoice(world: World, first: int, changes: list[dict[str, Any]]):
    """Whatever the change: the previewed invoice and the one that comes of it have the same lines, to the cent."""
    world.stand_in.core.reset()
    world.prices.clear()
    sub = world.subscribe(world.price("First", first))
    for change in changes:
        world.advance(seconds=change["wait_s"])
        if change["extra"]:
            world.v1.invoice_items.create(
                {"customer": sub.customer, "amount": change["extra"], "currency": "eur"}
            )
        _preview_then_change(world, sub, change)
    _preview_then_renew(world, sub)


def _wanted(world: World, sub: Any, change: dict[str, Any]) -> dict[str, Any]:
    price = world.price("P", change["amount"], change["interval"])
    item = world.v1.subscriptions.retrieve(sub.id)["items"].data[0].id
    wanted: dict[str, Any] = {
        "items": [{"id": item, "price": price, "quantity": change["quantity"]}],
        "proration_behavior": change["behavior"],
        "proration_date": world.now,
    }
    if change["anchor_now"]:
        wanted["billing_cycle_anchor"] = "now"
    return wanted


def _preview_then_change(world: World, sub: Any, change: dict[str, Any]) -> None:
    wanted = _wanted(world, sub, change)
    known = {invoice.id for invoice in world.invoices(sub.customer)}
    preview = world.v1.invoices.create_preview({"subscription": sub.id, "subscription_details": wanted})
    world.v1.subscriptions.update(sub.id, wanted)
    made = [invoice for invoice in world.invoices(sub.customer) if invoice.id not in known]
    if made:
        assert len(made) == 1
        _same(preview, made[0])


def _preview_then_renew(world: World, sub: Any) -> None:
    preview = world.preview(sub)
    end = world.v1.subscriptions.retrieve(sub.id)["items"].data[0].current_period_end
    world.to(end)
    _same(preview, world.invoices(sub.customer)[-1])


def _same(preview: Any, invoice: Any) -> None:
    assert _lines(preview) == _lines(invoice)
    for name in ("subtotal", "total", "amount_due", "starting_balance", "currency"):
        assert preview[name] == invoice[name], name


def _lines(invoice: Any) -> list[tuple[Any, ...]]:
    return [(line.description, line.amount, line.quantity) for line in invoice.lines.data]


def test_start_of_the_tests_is_where_months_are_short():
    assert (START.month, START.day) == (1, 31)
