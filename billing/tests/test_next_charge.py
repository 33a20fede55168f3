"""What is charged next: the same amount in the preview, in the texts and on Stripe's next invoice, to the cent."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing.gateways.client import api
from billing.rules.discounts import Discount
from billing.rules.next_invoice import Charged, TaxRate, asked_for, total_at
from billing.services import next_charge, next_invoice, upcoming
from billing.tests.conftest import person
from billing.tests.helpers import ask, cancel, fault, no_faults, preview, subscription
from billing.tests.stores import spend, store
from billing.tests.test_pages import browser_of, form_of
from common.clock import database_now

OVERVIEW, BILLING = "/account/", "/account/billing/"


@pytest.fixture(autouse=True)
def _listening():
    upcoming.breaker.reset()
    yield
    upcoming.breaker.reset()


def stripes_next(account) -> int:
    """What Stripe itself says the next invoice will ask for."""
    ours = subscription(account)
    asked = {"schedule": ours.stripe_schedule_id} if ours.stripe_schedule_id else {}
    asked = asked or {"subscription": ours.stripe_subscription_id}
    return api().invoices.create_preview(asked).amount_due


def coupon(account, **terms) -> None:
    made = api().coupons.create({"percent_off": 25, "duration": "forever", **terms})
    api().subscriptions.update(
        subscription(account).stripe_subscription_id, {"discounts": [{"coupon": made.id}]}
    )


def balance(account, minor: int) -> None:
    account.refresh_from_db()
    api().customers.update(account.stripe_customer_id, {"balance": minor})


def taxed(account, percent: str, *, inclusive: bool = False) -> None:
    rate = api().tax_rates.create({"display_name": "VAT", "percentage": percent, "inclusive": inclusive})
    api().subscriptions.update(subscription(account).stripe_subscription_id, {"default_tax_rates": [rate.id]})


SITUATIONS = {
    "nothing": lambda _account: None,
    "a coupon": coupon,
    "a coupon for one invoice": lambda account: coupon(account, duration="once"),
    "credit": lambda account: balance(account, -333),
    "more credit than that": lambda account: balance(account, -99_999),
    "all but a few cents": lambda account: balance(account, -480),
    "a debt": lambda account: balance(account, 20),
    "tax on top": lambda account: taxed(account, "20"),
    "tax inside": lambda account: taxed(account, "8.875", inclusive=True),
    "all of it": lambda account: (coupon(account), taxed(account, "5.5"), balance(account, -101)),
}
MOVES = {
    "up": ("basic", "month", "premium", "month"),
    "to the year": ("basic", "month", "basic", "year"),
    "up to a month, which leaves credit": ("basic", "year", "premium", "month"),
    "down": ("premium", "month", "basic", "month"),
    "down to the month": ("basic", "year", "basic", "month"),
}


@pytest.mark.req("PC-8", "AC-5")
@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("move", MOVES)
def test_the_preview_foretells_what_stripe_will_ask_for(travel, situation, move):
    plan, interval, to_plan, to_interval = MOVES[move]
    account = person()
    ask(account, plan, interval)
    travel.by(days=9)
    SITUATIONS[situation](account)
    shown = preview(account, to_plan, to_interval)
    ask(account, to_plan, to_interval, quote=shown.quote)
    coming = next_invoice(subscription=subscription(account), now=database_now())
    assert coming is not None
    assert shown.next_amount.amount_minor == coming.amount_due_minor == stripes_next(account)
    if not move.startswith("down"):  # a new period begins when it is confirmed, seconds after the preview
        assert abs(shown.next_at - subscription(account).current_period_end) < timedelta(minutes=1)


@pytest.mark.req("PC-8", "CR-5")
@pytest.mark.parametrize(("to_plan", "later"), [("starter", 2900 + 28), ("scale", 29900)])
def test_overage_that_waits_is_in_the_invoice_that_takes_it(travel, to_plan, later):
    """Down: the renewal has it. Up: the invoice of the change had it."""
    account = store("growth", credits_left=0)
    spend(account, 2)
    shown = preview(account, to_plan)
    ask(account, to_plan, quote=shown.quote)
    assert shown.next_amount.amount_minor == later == stripes_next(account)


@pytest.mark.req("PC-8")
def test_the_first_invoice_may_leave_credit_for_the_next(catalog):
    account = person()
    balance(account, -2400)
    shown = preview(account, "premium")
    assert (shown.due_now.amount_minor, shown.next_amount.amount_minor) == (0, 1600)
    ask(account, "premium", quote=shown.quote)
    assert stripes_next(account) == 1600


# On the pages -------------------------------------------------------------------------------------------------------


def fact(text: str, name: str = "Next charge") -> str:
    found = re.search(rf"<dt>{name}</dt><dd>(.*?)</dd>", text, re.DOTALL)
    assert found is not None
    return " ".join(re.sub(r"<[^>]+>", " ", found.group(1)).split())


@pytest.mark.req("AC-5", "PC-13")
@pytest.mark.parametrize("page", [OVERVIEW, BILLING])
def test_the_pages_tell_it_with_coupon_and_credit(catalog, page):
    account = person()
    ask(account, "premium")
    coupon(account)
    balance(account, -101)
    assert stripes_next(account) == 1399
    assert fact(browser_of(account).get(page).content.decode()).startswith("€13.99 on ")


@pytest.mark.req("AC-5", "PC-13")
def test_a_result_an_undo_and_a_resumption_tell_it(catalog):
    account = person()
    ask(account, "premium")
    coupon(account)
    client = browser_of(account)
    change = ask(account, "basic").change
    result = client.get(f"{BILLING}changes/{change.pk}/").content.decode()
    assert fact(result).startswith("€3.75 on ")
    undo = f"{BILLING}changes/undo/"
    done = client.post(undo, form_of(client.get(OVERVIEW).content.decode(), undo), follow=True)
    assert "Undone: you stay on Premium. The next charge is €15.00 on " in done.content.decode()
    cancel(account)
    resume = f"{BILLING}resume/"
    done = client.post(resume, form_of(client.get(OVERVIEW).content.decode(), resume), follow=True)
    assert "you keep Premium. Nothing was charged now. The next charge is €15.00 on " in (
        done.content.decode()
    )


@pytest.mark.req("AC-5")
def test_looking_again_asks_stripe_nothing(catalog):
    account = person()
    ask(account, "basic")
    client = browser_of(account)
    first = client.get(OVERVIEW).content.decode()
    before = len(catalog.core.requests.listed())
    assert fact(client.get(OVERVIEW).content.decode()) == fact(first)
    assert len(catalog.core.requests.listed()) == before


@pytest.mark.req("AC-5")
def test_what_changed_is_told_at_once(catalog):
    account = person()
    ask(account, "premium")
    client = browser_of(account)
    assert fact(client.get(OVERVIEW).content.decode()).startswith("€20.00 on ")
    ask(account, "basic")
    assert fact(client.get(OVERVIEW).content.decode()).startswith("€5.00 on ")
    undo = f"{BILLING}changes/undo/"
    client.post(undo, form_of(client.get(OVERVIEW).content.decode(), undo))
    cancel(account)
    assert fact(client.get(OVERVIEW).content.decode()) == "None Free costs nothing"


@pytest.mark.req("AC-5")
def test_a_silent_stripe_leaves_out_the_amount_and_holds_nobody_up(catalog):
    """The first who asks waits; for a while nobody asks again."""
    account = person()
    ask(account, "basic")
    client = browser_of(account)
    fault(catalog, path="/v1/invoices/create_preview", effect="error_before", times=99)
    for _twice in range(2):
        told = fact(client.get(OVERVIEW).content.decode())
        assert re.fullmatch(r"on \d+ \w+ \d{4} ?; the amount cannot be told at the moment", told), told
    tried = [one for one in catalog.core.requests.listed() if one["path"].endswith("/create_preview")]
    no_faults(catalog)
    client.get(OVERVIEW)
    again = [one for one in catalog.core.requests.listed() if one["path"].endswith("/create_preview")]
    assert len(again) == len(tried), "left alone"
    upcoming.breaker.reset()
    assert fact(client.get(OVERVIEW).content.decode()).startswith("€5.00 on ")


@pytest.mark.req("AC-5")
def test_one_refusal_is_not_silence(catalog):
    """What Stripe refuses for one account says nothing about the others."""
    account, other = person(), person()
    ask(account, "basic")
    ask(other, "basic")
    gone = subscription(account)
    gone.stripe_subscription_id = "sub_unknown"
    told = next_charge(subscription=gone, now=database_now())
    assert told is not None
    assert told.amount is None
    told = next_charge(subscription=subscription(other), now=database_now())
    assert told is not None
    assert told.amount is not None
    assert told.amount.amount_minor == 500


# The rule -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("PC-8")
@pytest.mark.parametrize(
    ("lines", "discounts", "rates", "total"),
    [
        ([2000], [], [], 2000),
        ([2000], [(25, None)], [], 1500),
        ([2000], [(33.3, None), (10, None)], [], 1201),
        ([2000], [(None, 9900)], [], 0),
        ([28, 500], [(25, None)], [], 396),
        ([-300, 500], [(50, None)], [], -50),
        ([500], [], [("20", False)], 600),
        ([500], [], [("8.875", True)], 500),
        ([500], [], [("20", True), ("10", False)], 542),
        ([333, 334], [], [("5.5", False)], 703),
    ],
)
def test_a_total(lines, discounts, rates, total):
    found = total_at(
        [Charged(amount) for amount in lines],
        discounts=[Discount(percent_off=percent, amount_off_minor=off) for percent, off in discounts],
        rates=[TaxRate(Decimal(percent), inclusive) for percent, inclusive in rates],
        moment=datetime(2027, 1, 1, tzinfo=UTC),
    )
    assert found == total


@pytest.mark.req("PC-8")
def test_discounts_that_do_not_count():
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    gone = [
        Discount(percent_off=50, amount_off_minor=None, once=True, taken_minor=5),
        Discount(percent_off=50, amount_off_minor=None, ends_at=moment),
        Discount(percent_off=50, amount_off_minor=None, products=("prod_other",)),
    ]
    runs = [
        Discount(percent_off=10, amount_off_minor=None, once=True),
        Discount(percent_off=10, amount_off_minor=None, ends_at=moment + timedelta(seconds=1)),
        Discount(percent_off=10, amount_off_minor=None, products=("prod_this",)),
    ]
    line = Charged(1000, "prod_this")
    assert total_at([line], discounts=gone, rates=[], moment=moment) == 1000
    assert total_at([line], discounts=[*gone, *runs], rates=[], moment=moment) == 729


@pytest.mark.req("PC-8")
@pytest.mark.parametrize(
    ("total", "before", "currency", "asked"),
    [
        (2000, 0, "eur", 2000),
        (2000, -500, "eur", 1500),
        (2000, -1951, "eur", 0),
        (2000, -1950, "eur", 50),
        (2000, -9000, "eur", 0),
        (2000, 20, "eur", 2020),
        (-300, 0, "eur", 0),
        (30, 0, "gbp", 30),
        (49, 0, "xxx", 0),
    ],
)
def test_what_is_asked_for(total, before, currency, asked):
    assert asked_for(total, balance_minor=before, currency=currency) == asked
