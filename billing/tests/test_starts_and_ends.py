"""Subscribing for the first time, cancelling and resuming."""

from __future__ import annotations

import pytest

from billing.errors import (
    AlreadySubscribed,
    NothingToUndo,
    PaymentFailed,
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
    messages_limit,
    nobody,
    only,
    start,
    state,
    subscription,
)
from common.clock import database_now


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
