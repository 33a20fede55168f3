"""Subscribing for the first time, cancelling and resuming."""

from __future__ import annotations

import pytest

from billing.errors import (
    AlreadySubscribed,
    DuplicatePlanChange,
    NothingToUndo,
    PaymentFailed,
    PaymentProviderUnavailable,
    PlanChangeNotAllowed,
)
from billing.models import PlanChange, Subscription
from billing.services import (
    subscription_resume,
)
from billing.tests.conftest import person
from billing.tests.helpers import (
    CARD,
    PLANS,
    ask,
    cancel,
    decline,
    everything,
    fault,
    leads,
    messages_limit,
    no_faults,
    nobody,
    only,
    organisation,
    start,
    state,
    subscription,
    undo,
)
from common.clock import database_now
from common.errors import IdempotencyKeyReused


@pytest.mark.req("PC-13")
def test_cancel_at_the_periods_end_and_resume(catalog):
    account = person()
    ask(account, "premium")
    assert cancel(account).change.status == "scheduled"
    resumed = subscription_resume(
        account=account, user=account.personal_owner, request_id="", now=database_now()
    )
    assert resumed.cancel_at is None
    assert only(state(catalog)["subscriptions"])["cancel_at_period_end"] is False


@pytest.mark.req("PC-13")
def test_cancel_now_leaves_the_free_plan(catalog):
    account = person()
    ask(account, "premium")
    result = cancel(account, "now")
    assert (result.change.kind, result.change.status) == ("cancel", "applied")
    assert (subscription(account).plan.code, messages_limit(account)) == ("free", 5)
    assert only(state(catalog)["subscriptions"])["status"] == "canceled"
    assert Subscription.objects.filter(account=account, ended_at=None).count() == 1


@pytest.mark.req("PC-3")
def test_the_free_plan_has_nothing_to_cancel(catalog):
    account = person()
    before = everything(account, catalog)
    with pytest.raises(PlanChangeNotAllowed) as raised:
        cancel(account)
    assert raised.value.details["reason"] == "free_plan"
    assert everything(account, catalog) == before


@pytest.mark.req("PC-5")
@pytest.mark.parametrize(("at", "kind"), [("now", "cancel"), ("period_end", "downgrade")])
def test_a_refused_cancellation_is_history_with_its_kind(catalog, at, kind):
    account = person()
    with pytest.raises(PlanChangeNotAllowed):
        cancel(account, at)
    attempt = PlanChange.objects.get(account=account)
    assert (attempt.kind, attempt.status, attempt.error_code) == (kind, "failed", "plan_change_not_allowed")


@pytest.mark.req("PC-3", "PC-6")
def test_an_end_that_is_scheduled_already_is_said_to_be(catalog):
    account = person()
    ask(account, "premium")
    change = cancel(account).change
    before = everything(account, catalog)
    with pytest.raises(DuplicatePlanChange) as raised:
        cancel(account)
    assert raised.value.details["plan_change"] == str(change.pk)
    assert leads(raised.value.details["remedies"]) == ["see_plan"]
    assert everything(account, catalog) == before


@pytest.mark.req("PC-6")
@pytest.mark.parametrize("at", ["period_end", "now"])
def test_the_same_cancellation_sent_again_gets_the_first_outcome(catalog, at):
    account = person()
    ask(account, "premium")
    first = cancel(account, at, key="one").change
    before = everything(account, catalog)
    assert cancel(account, at, key="one").change.pk == first.pk
    assert everything(account, catalog) == before


@pytest.mark.req("PC-6")
def test_a_cancellation_that_was_taken_back_is_told_as_that_when_sent_again(catalog):
    """As a browser does whose user goes back to the form."""
    account = person()
    ask(account, "premium")
    cancel(account, key="one")
    undo(account)
    assert cancel(account, key="one").change.status == "undone"
    assert subscription(account).cancel_at is None
    assert cancel(account, key="two").change.status == "scheduled"


@pytest.mark.req("PC-6")
def test_a_cancellation_is_not_answered_with_another_change_that_is_under_way(catalog):
    account = person()
    ask(account, "premium")
    fault(catalog, path="/v1/subscription_schedules", method="POST", effect="error_before", times=50)
    with pytest.raises(PaymentProviderUnavailable):
        ask(account, "basic")
    assert PlanChange.objects.get(account=account, kind="downgrade").status == "pending"
    with pytest.raises(PlanChangeNotAllowed) as raised:
        cancel(account)
    assert leads(raised.value.details["remedies"]) == ["wait"]
    no_faults(catalog)


@pytest.mark.req("PC-6")
def test_a_start_sent_again_after_its_plan_has_ended_is_refused_clearly(catalog):
    account = organisation()
    first = start(account, "growth", payment_method="pm_card_visa", idempotency_key="one").change
    assert start(account, "growth", idempotency_key="one").change.pk == first.pk
    cancel(account, "now")
    before = everything(account, catalog)
    with pytest.raises(IdempotencyKeyReused):
        start(account, "growth", idempotency_key="one")
    assert everything(account, catalog) == before


def test_resume_needs_an_end(catalog):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    with pytest.raises(NothingToUndo):
        subscription_resume(account=account, user=None, request_id="", now=database_now())
    assert PlanChange.objects.get(status="scheduled").to_price.version.plan.code == "basic"


@pytest.mark.req("BI-1", "BI-3")
def test_start_with_a_card(catalog):
    account = nobody(person(card=None))
    result = start(account, "basic", payment_method="pm_card_visa")
    assert (result.change.kind, result.change.status, result.change.charged_minor) == (
        "start",
        "applied",
        500,
    )
    assert (subscription(account).plan.code, messages_limit(account)) == ("basic", 50)


def test_start_free(catalog):
    account = nobody(person(card=None))
    assert messages_limit(account) == 0
    result = start(account, "free")
    assert (result.change.status, messages_limit(account)) == ("applied", 5)
    assert state(catalog)["subscriptions"] == {}


@pytest.mark.req("PC-3")
def test_start_twice_is_refused(catalog):
    account = person()
    before = everything(account, catalog)
    with pytest.raises(AlreadySubscribed) as raised:
        start(account, "basic")
    assert raised.value.details == {"current": {"plan": "free", "interval": "month"}, "remedies": PLANS}
    assert everything(account, catalog) == before


def test_start_refused_by_the_bank(catalog):
    account = nobody(person())
    decline(account)
    before = everything(account, catalog)
    with pytest.raises(PaymentFailed) as raised:
        start(account, "basic")
    assert "Nothing was changed." in str(raised.value.message)
    assert "plan is as it was" not in str(raised.value.message)
    assert raised.value.details["remedies"] == CARD
    assert everything(account, catalog) == before
    assert messages_limit(account) == 0
