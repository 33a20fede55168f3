"""Trials: with a card and without, what follows them, once per account, and changes of plan in the middle."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from billing.errors import CatalogInvalid, PaymentFailed
from billing.gateways.client import api
from billing.models import PlanChange
from billing.rules.catalog import read_catalog
from billing.services import catalog_load, catalog_sync, payment_method_add
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    cancel,
    decline,
    everything,
    invoices,
    messages_limit,
    preview,
    start,
    state,
    subscription,
)
from billing.tests.test_next_charge import fact
from billing.tests.test_pages import browser_of
from billing.tests.test_payer import nobody
from billing.tests.test_races import at_once
from common import books
from common.clock import database_now

FILE = Path(__file__).parent / "trials.toml"


@pytest.fixture
def trials(travel):
    catalog_sync(catalog=catalog_load(FILE), now=database_now())
    return travel


def charged(travel) -> list[int]:
    return [one["amount"] for one in state(travel.stand_in)["charges"].values() if one["paid"]]


@pytest.mark.req("PC-13", "PC-8")
@pytest.mark.parametrize(("plan", "days", "price"), [("pro", 14, 2000), ("lite", 7, 500)])
@pytest.mark.parametrize("beginning", ["free", "nothing"])
def test_a_trial_costs_nothing_and_is_charged_when_it_ends(trials, plan, days, price, beginning):
    account = person() if beginning == "free" else nobody(card="pm_card_visa")
    now = database_now()
    if beginning == "free":
        shown = preview(account, plan)
        assert (shown.due_now.amount_minor, shown.next_amount.amount_minor) == (0, price)
        assert abs(shown.trial_end - now - timedelta(days=days)) < timedelta(minutes=1)
        assert shown.next_at == shown.trial_end
        ask(account, plan, quote=shown.quote)
    else:
        start(account, plan, shown_minor=0)
    ours = subscription(account)
    assert (ours.plan.code, ours.status, ours.access) == (plan, "trialing", "full")
    assert abs(ours.trial_end - now - timedelta(days=days)) < timedelta(minutes=1)
    assert charged(trials) == []
    trials.by(days=days, hours=1)
    ours = subscription(account)
    assert (ours.plan.code, ours.status) == (plan, "active")
    assert charged(trials) == [price]
    assert books.verify_all() == []


@pytest.mark.req("PC-13")
def test_a_trial_without_a_card_ends_on_the_free_plan(trials):
    account = person(card=None)
    ask(account, "lite")
    assert (subscription(account).status, messages_limit(account)) == ("trialing", 50)
    trials.by(days=7, hours=1)
    assert (subscription(account).plan.code, messages_limit(account)) == ("free", 5)
    assert charged(trials) == []
    assert [one for one in invoices(trials.stand_in) if one["status"] == "open"] == []
    assert books.verify_all() == []


@pytest.mark.req("PC-13")
@pytest.mark.parametrize("collects", [False, True])
def test_a_trial_that_wants_a_card_does_not_begin_without(trials, collects):
    account = person(card=None)
    before = everything(account, trials.stand_in)
    with pytest.raises(PaymentFailed) as raised:
        ask(account, "pro", collects=collects)
    assert raised.value.details["decline_code"] == "payment_method_missing"
    assert everything(account, trials.stand_in) == before


@pytest.mark.req("PC-13")
def test_one_trial_per_account_ever(trials):
    account = person()
    ask(account, "lite")
    cancel(account, "now")
    assert subscription(account).plan.code == "free"
    shown = preview(account, "pro")
    assert (shown.trial_end, shown.due_now.amount_minor) == (None, 2000)
    ask(account, "pro", quote=shown.quote)
    assert (subscription(account).status, charged(trials)) == ("active", [2000])
    second = PlanChange.objects.get(account=account, trial_days=7)
    second.pk, second._state.adding = uuid.uuid4(), True
    with pytest.raises(IntegrityError, match="plan_change_trial_once"), transaction.atomic():
        second.save()
    assert books.verify_all() == []


@pytest.mark.req("PC-13")
def test_a_trial_promised_to_two_tabs_is_given_once(trials):
    """Both saw "free for two weeks". One of them gets it; the other is refused, not charged."""
    account = person()
    quotes = {plan: preview(account, plan).quote for plan in ("lite", "pro")}

    def begin(plan):
        from common.errors import DomainError

        try:
            return ask(account, plan, quote=quotes[plan]).change.status
        except DomainError as error:
            return error.code

    results = at_once([partial(begin, "lite"), partial(begin, "pro")])
    assert results.count("applied") == 1
    assert charged(trials) == []
    assert PlanChange.objects.filter(trial_days__isnull=False).exclude(status="failed").count() == 1


@pytest.mark.req("PC-13", "PC-8")
@pytest.mark.parametrize(("percent_off", "left"), [(0, 2000), (15, 1700)])
def test_up_in_mid_trial_to_a_plan_with_a_trial_goes_on_free(trials, percent_off, left):
    account = person()
    ask(account, "lite")
    if percent_off:
        coupon = api().coupons.create({"percent_off": percent_off, "duration": "once"})
        api().subscriptions.update(
            subscription(account).stripe_subscription_id, {"discounts": [{"coupon": coupon.id}]}
        )
    ends = subscription(account).trial_end
    trials.by(days=2)
    shown = preview(account, "pro")
    assert (shown.due_now.amount_minor, shown.trial_end, shown.next_at) == (0, ends, ends)
    assert (shown.lines, shown.discount, shown.next_amount.amount_minor) == ((), None, left)
    assert ask(account, "pro", quote=shown.quote).change.status == "applied"
    assert (subscription(account).status, subscription(account).trial_end) == ("trialing", ends)
    assert messages_limit(account) == 1000
    trials.by(days=5, hours=1)
    assert charged(trials) == [left]
    assert books.verify_all() == []


@pytest.mark.req("PC-13", "PC-8")
def test_up_in_mid_trial_to_a_plan_without_one_is_paid_now(trials):
    account = person()
    ask(account, "lite")
    trials.by(days=2)
    now = database_now()
    shown = preview(account, "max")
    assert (shown.due_now.amount_minor, shown.trial_end) == (5000, None)
    done = ask(account, "max", quote=shown.quote).change
    assert (done.status, done.charged_minor) == ("applied", 5000)
    ours = subscription(account)
    assert (ours.status, ours.plan.code) == ("active", "max")
    assert abs(ours.current_period_start - now) < timedelta(minutes=1)
    assert abs(shown.next_at - ours.current_period_end) < timedelta(minutes=1)
    assert charged(trials) == [5000]
    assert books.verify_all() == []


@pytest.mark.req("PC-13", "PC-2")
def test_up_in_mid_trial_with_a_refused_card_leaves_the_trial(trials):
    account = person()
    ask(account, "lite")
    decline(account)
    trials.by(days=2)
    before = everything(account, trials.stand_in)
    with pytest.raises(PaymentFailed):
        ask(account, "max")
    after = everything(account, trials.stand_in)
    assert after["subscriptions"] == before["subscriptions"]
    assert after["there"]["subscriptions"] == before["there"]["subscriptions"]
    assert subscription(account).status == "trialing"


@pytest.mark.req("PC-13")
def test_down_in_mid_trial_waits_for_its_end(trials):
    account = person()
    ask(account, "pro")
    ends = subscription(account).trial_end
    trials.by(days=2)
    change = ask(account, "lite").change
    assert (change.status, change.effective_at) == ("scheduled", ends)
    assert (subscription(account).status, subscription(account).trial_end) == ("trialing", ends)
    assert messages_limit(account) == 1000
    trials.by(days=12, hours=1)
    assert (subscription(account).plan.code, subscription(account).status) == ("lite", "active")
    assert charged(trials) == [500]
    assert books.verify_all() == []


@pytest.mark.req("PC-13")
def test_cancelled_in_mid_trial_nothing_is_ever_charged(trials):
    account = person()
    ask(account, "pro")
    trials.by(days=2)
    assert cancel(account).change.status == "scheduled"
    trials.by(days=13)
    assert subscription(account).plan.code == "free"
    assert charged(trials) == []
    assert books.verify_all() == []


@pytest.mark.req("PC-13")
def test_a_trial_whose_card_is_refused_at_its_end(trials):
    account = person()
    ask(account, "pro")
    decline(account)
    trials.by(days=14, hours=1)
    assert subscription(account).status == "past_due"
    assert charged(trials) == []
    assert books.verify_all() == []


@pytest.mark.req("PC-13")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"trial_days": 731}, "at most 730"),
        ({"trial_days": -1}, "0 or more"),
        ({"trial_card": "none"}, "without trial_days"),
        ({"trial_days": 7, "trial_card": "maybe"}, "trial_card must be one of"),
        ({"trial_days": 7, "prices": {"month": 0}}, "needs no trial"),
    ],
)
def test_a_trial_that_makes_no_sense_is_refused(change, says):
    plan = {
        "rank": 1,
        "audience": "consumer",
        "currency": "eur",
        "name": {"en": "A", "fr": "A"},
        "prices": {"month": 100},
        **change,
    }
    with pytest.raises(CatalogInvalid) as raised:
        read_catalog({"plans": {"a": plan}})
    assert says in str(raised.value)


@pytest.mark.req("PC-13", "AC-5")
@pytest.mark.parametrize("path", ["/account/", "/account/billing/"])
def test_without_a_card_no_charge_is_promised(trials, path):
    """It ends with the trial; with a card the charge is told, at once."""
    account = person(card=None)
    ask(account, "lite")
    client = browser_of(account)
    text = client.get(path).content.decode()
    assert fact(text) == "None without a card the plan ends with the trial"
    assert "payment service does not answer" not in text
    assert "To be charged" not in text
    payment_method_add(account=account, payment_method_id="pm_card_visa")
    assert fact(client.get(path).content.decode()).startswith("€5.00 on ")


@pytest.mark.req("PC-13", "PC-9")
def test_plans_say_that_they_can_be_tried_to_whom_they_can(trials):
    account = person()
    client = browser_of(account)
    plans = client.get("/account/billing/plans/").content.decode()
    assert "The first 7 days are free, without a card." in plans
    assert "The first 14 days are free." in plans
    change = ask(account, "pro").change
    assert "Your trial runs until" in client.get(f"/account/billing/changes/{change.pk}/").content.decode()
    assert "days are free" not in client.get("/account/billing/plans/").content.decode()
    assert "Trial until" in client.get("/account/").content.decode()
    trials.by(days=15)
    assert "Trial until" not in client.get("/account/").content.decode()


@pytest.mark.req("PC-13", "BI-8")
def test_cancelling_a_trial_is_told_as_that(trials):
    account = person()
    ask(account, "pro")
    text = browser_of(account).get("/account/billing/cancel/").content.decode()
    for words in ("At the end of the trial,", "and nothing is charged", "there is no second trial"):
        assert words in text
    assert "What was paid is not returned" not in text


@pytest.mark.req("PC-13")
def test_the_front_page_says_of_each_plan_what_is_free(trials):
    text = Client().get("/").content.decode()
    said = re.findall(r"<strong>(The first[^<]*)</strong>", text)
    assert said == ["The first 7 days are free, without a card.", "The first 14 days are free."]
