"""Quotes: what they pin, when they are stale, what a used one tells."""

from __future__ import annotations

import pytest

from billing.errors import (
    PaymentFailed,
    QuoteStale,
)
from billing.models import PlanChange
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    cancel,
    decline,
    everything,
    preview,
    state,
    subscription,
    undo,
)
from common.clock import database_now
from common.errors import IdempotencyKeyReused


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
    fresh = raised.value.details["preview"]
    assert fresh["due_now"] == {"amount_minor": 2000, "currency": "eur"}
    assert ask(account, "premium", quote=fresh["quote"]).change.status == "applied"


@pytest.mark.req("PC-8")
def test_a_quote_for_another_state_or_target_or_account_is_stale(catalog):
    account, other = person(), person()
    from_free = preview(account, "premium")
    foreign = preview(other, "premium")
    for_basic = preview(account, "basic")
    for quote, plan in ((foreign.quote, "premium"), (for_basic.quote, "premium")):
        before = everything(account, catalog)
        with pytest.raises(QuoteStale):
            ask(account, plan, quote=quote)
        assert everything(account, catalog) == before
    ask(account, "basic")
    before = everything(account, catalog)
    with pytest.raises(QuoteStale) as raised:
        ask(account, "premium", quote=from_free.quote)  # it was worth 20 €; now it is the difference
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
    from billing.gateways.client import api

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
