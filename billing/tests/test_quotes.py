"""Quotes: what they pin, when they are stale, what a used one tells."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from accounts.tests.factories import bearer
from billing.errors import (
    PaymentFailed,
    QuoteStale,
)
from billing.gateways.client import api
from billing.models import PlanChange
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    cancel,
    decline,
    everything,
    invoices,
    leads,
    preview,
    state,
    subscription,
    undo,
)
from common.clock import database_now
from common.errors import DomainError, IdempotencyKeyReused


@pytest.mark.req("PC-8")
def test_preview_changes_nothing(catalog):
    account = person()
    before = everything(account, catalog)
    preview(account, "premium")
    assert everything(account, catalog) == before


@pytest.mark.req("PC-8")
def test_an_expired_quote_is_answered_with_a_new_one(catalog, settings):
    account = person()
    seen = preview(account, "premium")
    before = everything(account, catalog)
    with pytest.raises(QuoteStale) as raised:
        ask(account, "premium", quote=seen.quote, now=database_now() + settings.QUOTE_TTL)
    assert everything(account, catalog) == before
    assert raised.value.details["reason"] == "expired"
    assert "expired" in str(raised.value.message)
    fresh = raised.value.details["preview"]
    assert fresh["due_now"] == {"amount_minor": 2000, "currency": "eur"}
    assert ask(account, "premium", quote=fresh["quote"]).change.status == "applied"


@pytest.mark.req("PC-8")
def test_a_quote_for_another_change_is_said_to_be_for_that(catalog):
    account = person()
    for_basic = preview(account, "basic")
    before = everything(account, catalog)
    with pytest.raises(QuoteStale) as raised:
        ask(account, "premium", quote=for_basic.quote)
    assert everything(account, catalog) == before
    details = raised.value.details
    assert (details["reason"], details["quoted"], details["asked"]) == (
        "for_another_change",
        {"plan": "basic", "interval": "month"},
        {"plan": "premium", "interval": "month"},
    )
    assert "for Basic (month), not for Premium (month)" in str(raised.value.message)
    assert leads(details["remedies"]) == ["confirm"]
    assert ask(account, "premium", quote=details["quote"]).change.status == "applied"


@pytest.mark.req("EN-11", "PC-8")
def test_anothers_quote_is_as_unknown_as_a_forged_one(catalog):
    from common.errors import ValidationError

    account = person()
    foreign = preview(person(), "premium").quote
    before = everything(account, catalog)
    answers = []
    for quote in (foreign, "forged"):
        with pytest.raises(ValidationError) as raised:
            ask(account, "premium", quote=quote)
        answers.append((str(raised.value.message), raised.value.details))
    assert answers[0] == answers[1]
    assert everything(account, catalog) == before


@pytest.mark.req("PC-8", "PC-13")
def test_without_an_interval_the_quotes_own_is_meant(catalog):
    account = person()
    ask(account, "premium")
    yearly = preview(account, "premium", "year")
    done = ask(account, "premium", quote=yearly.quote)
    assert (done.change.status, subscription(account).price.interval) == ("applied", "year")
    assert done.change.charged_minor == yearly.due_now.amount_minor


@pytest.mark.req("PC-8", "PC-13")
def test_a_quote_for_another_interval_is_not_told_as_a_duplicate(catalog):
    account = person()
    ask(account, "premium")
    yearly = preview(account, "premium", "year")
    before = everything(account, catalog)
    with pytest.raises(QuoteStale) as raised:
        ask(account, "premium", "month", quote=yearly.quote)
    assert everything(account, catalog) == before
    details = raised.value.details
    assert (details["reason"], details["quoted"]["interval"]) == ("for_another_change", "year")
    assert "preview" not in details  # there is nothing to change to what it has
    assert leads(details["remedies"]) == ["choose_plan"]


@pytest.mark.req("PC-5", "PC-8")
def test_a_refused_request_is_not_told_as_a_change_that_failed(catalog, settings):
    account = person()
    seen = preview(account, "premium")
    with pytest.raises(QuoteStale):
        ask(account, "premium", quote=seen.quote, now=database_now() + settings.QUOTE_TTL)
    with pytest.raises(DomainError):
        ask(account, "gold")
    with pytest.raises(DomainError):
        ask(account, "free")
    api().customers.balance_transactions.create(
        account.stripe_customer_id, {"amount": -300, "currency": "eur"}
    )
    with pytest.raises(QuoteStale):  # seen only when Stripe is asked once more
        ask(account, "premium", quote=seen.quote)
    history = Client().get("/v1/billing/plan-changes", **bearer(account.personal_owner)).json()["data"]
    assert history == []
    codes = PlanChange.objects.filter(account=account).order_by("requested_at").values_list("error_code")
    assert sorted(code for (code,) in codes) == [
        "duplicate_plan_change",
        "invalid_target_plan",
        "quote_stale",
        "quote_stale",
    ]  # support sees them all
    decline(account)
    with pytest.raises(PaymentFailed):
        ask(account, "premium")
    (failed,) = Client().get("/v1/billing/plan-changes", **bearer(account.personal_owner)).json()["data"]
    assert (failed["status"], failed["error_code"]) == ("failed", "payment_failed")


@pytest.mark.req("PC-8")
@pytest.mark.parametrize(
    ("start", "plan", "interval"),
    [("free", "premium", "month"), ("basic", "premium", "month"), ("basic", "basic", "year")],
)
def test_what_is_bought_begins_at_one_instant(travel, start, plan, interval):
    """In the preview, the history and the invoice's lines; a clock's tick between two calls makes no difference."""
    account = person()
    if start != "free":
        ask(account, start)
    travel.by(days=3)
    seen = preview(account, plan, interval, now=database_now() - timedelta(seconds=2)).as_json()
    (charged,) = [one for one in seen["lines"] if one["amount_minor"] > 0]
    assert seen["effective_at"] == charged["period_start"]
    if seen["next_invoice"] and charged["period_end"]:
        assert seen["next_invoice"]["at"] == charged["period_end"]
    change = ask(account, plan, interval, quote=seen["quote"]).change
    bill = invoices(travel.stand_in)[-1]
    (line,) = [one for one in bill["lines"]["data"] if one["amount"] > 0]
    assert change.effective_at.timestamp() == line["period"]["start"]
    if start == "free" or interval == "year":
        assert change.effective_at == subscription(account).current_period_start


@pytest.mark.req("PC-8")
def test_a_quote_for_another_state_is_stale(catalog):
    account = person()
    from_free = preview(account, "premium")
    ask(account, "basic")
    before = everything(account, catalog)
    with pytest.raises(QuoteStale) as raised:
        ask(account, "premium", quote=from_free.quote)  # it was worth 20 €; now it is the difference
    assert raised.value.details["reason"] == "changed"
    assert raised.value.details["preview"]["due_now"]["amount_minor"] <= 1500
    assert everything(account, catalog) == before


@pytest.mark.req("PC-8")
def test_a_forged_quote_is_no_quote(catalog):
    from common.errors import ValidationError

    account = person()
    seen = preview(account, "premium")
    before = everything(account, catalog)
    for forged in ("x", seen.quote[:-1] + ("A" if seen.quote[-1] != "A" else "B"), "a:b:c"):
        with pytest.raises(ValidationError):
            ask(account, "premium", quote=forged)
    assert everything(account, catalog) == before


@pytest.mark.req("PC-8")
def test_credit_that_appeared_meanwhile_makes_the_quote_stale(catalog):
    account = person()
    seen = preview(account, "premium")
    api().customers.balance_transactions.create(
        account.stripe_customer_id, {"amount": -300, "currency": "eur"}
    )
    with pytest.raises(QuoteStale) as raised:
        ask(account, "premium", quote=seen.quote)
    fresh = raised.value.details["preview"]
    assert fresh["due_now"]["amount_minor"] == 1700
    assert subscription(account).plan.code == "free"
    assert ask(account, "premium", quote=fresh["quote"]).change.charged_minor == 1700


@pytest.mark.req("PC-6", "PC-8")
def test_a_quote_confirmed_again_gives_the_first_outcome(catalog):
    account = person()
    seen = preview(account, "premium")
    first = ask(account, "premium", quote=seen.quote)
    again = ask(account, "premium", quote=seen.quote)
    assert again.change.pk == first.change.pk
    assert len(state(catalog)["charges"]) == 1


@pytest.mark.req("PC-6")
def test_a_key_used_again_gives_the_first_outcome(catalog):
    account = person()
    first = ask(account, "premium", key="one")
    again = ask(account, "premium", key="one")
    assert again.change.pk == first.change.pk
    with pytest.raises(IdempotencyKeyReused):
        ask(account, "basic", key="one")
    assert len(state(catalog)["charges"]) == 1


@pytest.mark.req("PC-6", "PC-8")
def test_a_used_quote_does_not_tell_of_what_was_taken_back(catalog):
    account = person()
    ask(account, "premium")
    seen = preview(account, "basic")
    assert ask(account, "basic", quote=seen.quote).change.status == "scheduled"
    assert ask(account, "basic", quote=seen.quote).change.status == "scheduled"
    undo(account)
    before = everything(account, catalog)
    with pytest.raises(QuoteStale) as raised:
        ask(account, "basic", quote=seen.quote)
    assert raised.value.details["reason"] == "used"
    assert everything(account, catalog) == before
    assert ask(account, "basic", quote=raised.value.details["quote"]).change.status == "scheduled"


@pytest.mark.req("PC-6", "PC-8")
def test_a_used_quote_does_not_tell_of_a_plan_that_has_ended(catalog):
    account = person()
    seen = preview(account, "premium")
    ask(account, "premium", quote=seen.quote)
    assert ask(account, "premium", quote=seen.quote).change.status == "applied"
    cancel(account, "now")
    before = everything(account, catalog)
    with pytest.raises(QuoteStale) as raised:
        ask(account, "premium", quote=seen.quote)
    assert everything(account, catalog) == before
    assert raised.value.details["preview"]["due_now"] == {"amount_minor": 2000, "currency": "eur"}


@pytest.mark.req("PC-6")
def test_a_late_equal_request_without_a_quote_does_not_tell_of_what_was_taken_back(catalog):
    account = person()
    ask(account, "premium")
    arrived_at = database_now()
    ask(account, "basic")
    assert ask(account, "basic", now=arrived_at).change.status == "scheduled"
    undo(account)
    before = everything(account, catalog)
    with pytest.raises(QuoteStale):
        ask(account, "basic", now=arrived_at)
    assert everything(account, catalog) == before


@pytest.mark.req("PC-8")
def test_a_quote_whose_payment_failed_fails_again(catalog):
    account = person()
    decline(account)
    seen = preview(account, "premium")
    for _ in range(2):
        with pytest.raises(PaymentFailed):
            ask(account, "premium", quote=seen.quote)
    assert PlanChange.objects.filter(account=account).count() == 1
