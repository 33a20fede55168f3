"""Promotion codes: what they take off stands in the preview, the quote and the invoice, to the cent."""

from __future__ import annotations

from datetime import timedelta

import pytest
import stripe

from billing.gateways.client import api
from billing.models import Plan, PlanChange
from billing.rules.discounts import discounted
from billing.tests.conftest import person
from billing.tests.helpers import ask, everything, invoices, only, preview, start, state, subscription
from billing.tests.test_payer import ASKS, asked, nobody, pay, sweep
from common import books
from common.errors import ValidationError


@pytest.fixture
def code(catalog):
    """Makes a code at Stripe."""
    client = stripe.StripeClient(catalog.secret_key, base_addresses={"api": catalog.url})

    def make(name: str = "LANDING", *, active: bool = True, **coupon):
        who = {key: coupon.pop(key) for key in ("customer", "restrictions") if key in coupon}
        terms = {"percent_off": 20, "duration": "once", **coupon}
        if "amount_off" in coupon:
            terms.pop("percent_off")
        made = client.v1.coupons.create(terms)
        return client.v1.promotion_codes.create(
            {"promotion": {"type": "coupon", "coupon": made.id}, "code": name, "active": active, **who}
        )

    return make


COUPONS = {
    "a fifth, once": ({"percent_off": 20}, 1600, 2000),
    "a fifth, for good": ({"percent_off": 20, "duration": "forever"}, 1600, 1600),
    "an odd share": ({"percent_off": 33.3, "duration": "forever"}, 1334, 1334),
    "three euros": ({"amount_off": 300, "currency": "eur"}, 1700, 2000),
    "more than it costs": ({"amount_off": 9900, "currency": "eur"}, 0, 2000),
    "all of it": ({"percent_off": 100}, 0, 2000),
}


@pytest.mark.req("PC-13", "PC-8")
@pytest.mark.parametrize("coupon", COUPONS)
@pytest.mark.parametrize("beginning", ["free", "nothing"])
def test_the_preview_is_the_invoice(catalog, code, coupon, beginning):
    terms, due, following = COUPONS[coupon]
    code(**terms)
    if beginning == "free":
        account = person()
        shown = preview(account, "premium", promotion_code="landing")  # any spelling
        assert (shown.due_now.amount_minor, shown.next_amount.amount_minor) == (due, following)
        assert (shown.discount.amount_minor, shown.promotion_code) == (2000 - due, "LANDING")
        change = ask(account, "premium", quote=shown.quote).change
    else:
        account = nobody(card="pm_card_visa")
        change = start(account, "premium", promotion_code=" LANDING ", shown_minor=due).change
    assert (change.status, change.charged_minor, change.promotion_code) == ("applied", due, "LANDING")
    assert invoices(catalog)[-1]["amount_paid"] == due
    assert subscription(account).plan.code == "premium"
    assert books.verify_all() == []


@pytest.mark.req("PC-13", "PC-8")
def test_on_an_upgrade_it_is_taken_off_what_is_paid_now(catalog, code):
    code(percent_off=50)
    account = person()
    ask(account, "basic")
    full = preview(account, "premium").due_now.amount_minor
    shown = preview(account, "premium", promotion_code="LANDING")
    assert 0 < shown.due_now.amount_minor < full
    done = ask(account, "premium", quote=shown.quote).change
    assert done.charged_minor == shown.due_now.amount_minor == invoices(catalog)[-1]["amount_paid"]


@pytest.mark.req("PC-13", "PC-8")
def test_a_discount_there_is_already_stays_beside_the_new_one(catalog, code):
    code("FIRST", percent_off=10, duration="forever")
    code("SECOND", percent_off=10, duration="forever")
    account = person()
    ask(account, "basic", promotion_code="FIRST")
    ask(account, "premium", promotion_code="SECOND")
    (there,) = state(catalog)["subscriptions"].values()
    assert len(there["discounts"]) == 2


@pytest.mark.req("PC-13")
@pytest.mark.parametrize(
    ("begin", "only_for"),
    [
        (preview, "others"),
        (preview, "first purchases"),
        (preview, "larger sums"),
        (ask, "first purchases"),
        (start, "others"),
    ],
)
def test_a_code_that_is_not_for_this_payer_is_told_at_its_field(catalog, code, only_for, begin):
    """Stripe knows whom a code is for; that it says no is not its failure, and nothing is bought without the code."""
    if begin is start:
        account = nobody(card="pm_card_visa")
    else:
        account = person()
        ask(account, "basic")
    customer = api().customers.create({})
    code(
        **{
            "others": {"customer": customer.id},
            "first purchases": {"restrictions": {"first_time_transaction": True}},
            "larger sums": {"restrictions": {"minimum_amount": 9900, "minimum_amount_currency": "eur"}},
        }[only_for]
    )
    before = state(catalog)["charges"]
    with pytest.raises(ValidationError) as raised:
        begin(account, "premium", promotion_code="LANDING")
    (wrong,) = raised.value.details["fields"]
    assert (wrong["field"], wrong["code"]) == ("promotion_code", "not_applicable")
    assert state(catalog)["charges"] == before
    assert not PlanChange.objects.filter(account=account, status="pending").exists()


@pytest.mark.req("PC-13", "BI-3")
def test_with_a_bank_that_asks(catalog, code):
    code()
    account = person(card=ASKS)
    shown = preview(account, "premium", promotion_code="LANDING")
    action = asked(lambda: ask(account, "premium", quote=shown.quote))
    assert action.details["amount"] == shown.due_now.as_json()
    pay(catalog, action, authenticate=True)
    sweep()
    assert PlanChange.objects.get(account=account).charged_minor == 1600


@pytest.mark.req("PC-13")
@pytest.mark.parametrize(
    ("make", "plan", "typed", "wrong"),
    [
        (None, "premium", "NOSUCH", "invalid"),
        (None, "premium", "x" * 81, "invalid"),
        ({"active": False}, "premium", "LANDING", "expired"),
        ({"amount_off": 300, "currency": "usd"}, "premium", "LANDING", "invalid"),
    ],
)
def test_a_code_that_cannot_be_used(catalog, code, make, plan, typed, wrong):
    if make is not None:
        code(**make)
    account = person()
    before = everything(account, catalog)
    for act in (preview, ask):
        with pytest.raises(ValidationError) as raised:
            act(account, plan, promotion_code=typed)
        (field,) = raised.value.details["fields"]
        assert (field["field"], field["code"]) == ("promotion_code", wrong)
    assert everything(account, catalog) == before


@pytest.mark.req("PC-13")
def test_a_code_is_not_lost_on_a_change_that_is_paid_later(catalog, code):
    code()
    account = person()
    ask(account, "premium")
    before = everything(account, catalog)
    for act in (preview, ask):
        with pytest.raises(ValidationError):
            act(account, "basic", promotion_code="LANDING")
    assert everything(account, catalog) == before


@pytest.mark.req("PC-13", "PC-8")
def test_a_code_that_ran_out_after_the_preview(catalog, code):
    """Shown with it, confirmed without: refused, not charged in full."""
    from billing.errors import PaymentProviderUnavailable, QuoteStale

    made = code()
    account = person()
    shown = preview(account, "premium", promotion_code="LANDING")
    stripe.StripeClient(catalog.secret_key, base_addresses={"api": catalog.url}).v1.promotion_codes.update(
        made.id, {"active": False}
    )
    with pytest.raises((QuoteStale, PaymentProviderUnavailable, ValidationError)):
        ask(account, "premium", quote=shown.quote)
    assert subscription(account).plan.code == "free"
    assert state(catalog)["charges"] == {}


@pytest.mark.req("PC-13")
@pytest.mark.parametrize(
    ("amount", "percent", "off", "left"),
    [
        (1000, 25.0, None, 750),
        (999, 33.3, None, 666),  # 332.667 → 333
        (1, 50.0, None, 0),  # 0.5 → 1
        (500, None, 300, 200),
        (500, None, 900, 0),
    ],
)
def test_shares_of_a_cent(amount, percent, off, left):
    assert discounted(amount, percent_off=percent, amount_off_minor=off) == left


RUNNING = {
    "a quarter, for good": ({"percent_off": 25, "duration": "forever"}, True),
    "an odd share": ({"percent_off": 33.3, "duration": "forever"}, True),
    "an amount, for good": ({"amount_off": 123, "currency": "eur", "duration": "forever"}, True),
    "once, and there is a bill before": ({"percent_off": 25, "duration": "once"}, False),
    "not over by then": ({"percent_off": 25, "duration": "repeating", "duration_in_months": 2}, True),
    "for another plan": ({"percent_off": 25, "duration": "forever", "for": "premium"}, False),
}


def _redeem(account, **terms) -> None:
    """A coupon that somebody gives the subscriber by hand at Stripe."""
    if plan := terms.pop("for", None):
        terms["applies_to"] = {"products": [Plan.objects.get(code=plan).stripe_product_id]}
    coupon = api().coupons.create(terms)
    api().subscriptions.update(
        subscription(account).stripe_subscription_id, {"discounts": [{"coupon": coupon.id}]}
    )


def _renewal(travel, account) -> int:
    """What the next period is really invoiced at."""
    before = {one["id"] for one in invoices(travel.stand_in)}
    travel.to(subscription(account).current_period_end + timedelta(hours=2))
    (made,) = (one for one in invoices(travel.stand_in) if one["id"] not in before)
    return made["total"]


@pytest.mark.req("PC-13", "PC-8")
@pytest.mark.parametrize("coupon", RUNNING)
def test_the_next_invoice_after_an_upgrade_has_the_coupon_that_runs(travel, coupon):
    terms, counts = RUNNING[coupon]
    account = person()
    ask(account, "basic", "month")
    _redeem(account, **{**terms, "for": "basic"} if "for" in terms else terms)
    shown = preview(account, "premium", "month")
    ask(account, "premium", "month", quote=shown.quote)
    assert (shown.next_amount.amount_minor < 2000) == counts
    assert _renewal(travel, account) == shown.next_amount.amount_minor


@pytest.mark.req("PC-13", "PC-8")
@pytest.mark.parametrize("coupon", RUNNING)
def test_the_next_invoice_after_a_downgrade_has_the_coupon_that_runs(travel, coupon):
    terms, counts = RUNNING[coupon]
    account = person()
    ask(account, "premium", "month")
    travel.by(days=3)
    _redeem(account, **terms)
    shown = preview(account, "basic", "month")
    ask(account, "basic", "month", quote=shown.quote)
    counts = counts or "for" not in terms  # nothing is billed before, and the month of the coupon is not over
    assert (shown.next_amount.amount_minor < 500) == counts
    assert _renewal(travel, account) == shown.next_amount.amount_minor


@pytest.mark.req("PC-13", "PC-8")
def test_a_coupon_that_is_over_by_then_is_not_foretold(travel):
    account = person()
    ask(account, "basic", "month")
    _redeem(account, percent_off=25, duration="repeating", duration_in_months=1)
    shown = preview(account, "basic", "year")
    assert (shown.discount.amount_minor, shown.next_amount.amount_minor) == (1250, 5000)
    ask(account, "basic", "year", quote=shown.quote)
    assert _renewal(travel, account) == 5000


@pytest.mark.req("PC-13", "PC-8")
def test_one_coupon_after_the_other(travel):
    """A tenth of what a third leaves, each rounded by itself."""
    account = person()
    ask(account, "basic", "month")
    _redeem(account, percent_off=33.3, duration="forever")
    second = api().coupons.create({"percent_off": 10, "duration": "forever"})
    theirs = api().subscriptions.retrieve(subscription(account).stripe_subscription_id)
    api().subscriptions.update(
        theirs.id, {"discounts": [{"discount": theirs.discounts[0]}, {"coupon": second.id}]}
    )
    shown = preview(account, "premium", "month")
    assert shown.next_amount.amount_minor == 2000 - 666 - 133
    ask(account, "premium", "month", quote=shown.quote)
    assert _renewal(travel, account) == shown.next_amount.amount_minor


@pytest.mark.req("PC-13", "PC-2")
def test_a_scheduled_switch_keeps_the_coupons_that_run(travel):
    """A phase that names none would take them away."""
    account = person()
    ask(account, "premium", "month")
    _redeem(account, percent_off=25, duration="forever")
    (running,) = only(state(travel.stand_in)["subscriptions"])["discounts"]
    ask(account, "basic", "month")
    sent = [
        one["params"]
        for one in travel.stand_in.core.requests.listed()
        if one["method"] == "POST" and one["path"].startswith("/v1/subscription_schedules/")
    ]
    assert str(sent[-1]).count(running) == 2
