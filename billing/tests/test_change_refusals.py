"""What a change of plan refuses, and that a refusal moves nothing."""

from __future__ import annotations

import pytest

from billing.errors import (
    DuplicatePlanChange,
    InvalidTargetPlan,
    NoLiveSubscription,
    PaymentActionRequired,
    PaymentFailed,
    PlanChangeNotAllowed,
)
from billing.models import PlanChange
from billing.services import (
    payment_method_add,
    payment_method_make_default,
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
    preview,
    start,
    subscription,
)
from common.clock import database_now


@pytest.mark.req("PC-3", "PC-5")
@pytest.mark.parametrize(
    ("plan", "interval", "error"),
    [
        ("gold", None, InvalidTargetPlan),
        ("", None, InvalidTargetPlan),
        ("starter", "year", InvalidTargetPlan),
        ("starter", None, PlanChangeNotAllowed),
        ("premium", None, DuplicatePlanChange),
    ],
)
def test_refusals_move_nothing_and_are_kept(catalog, plan, interval, error):
    account = person()
    ask(account, "premium")
    before = everything(account, catalog)
    with pytest.raises(error) as raised:
        ask(account, plan, interval)
    assert everything(account, catalog) == before
    kept = PlanChange.objects.get(account=account, status="failed")
    assert (kept.error_code, kept.request_id) == (raised.value.code, "req-billing-test")
    assert kept.last_tried_at is None
    assert raised.value.details


@pytest.mark.req("PC-3")
def test_invalid_target_names_what_there_is(catalog):
    with pytest.raises(InvalidTargetPlan) as raised:
        ask(person(), "gold")
    assert raised.value.details["available"] == ["basic", "premium"]
    assert raised.value.details["intervals"] == []


@pytest.mark.req("PC-3")
def test_an_interval_that_is_not_sold_is_said_to_be_it(catalog):
    account = person()
    ask(account, "premium")
    with pytest.raises(InvalidTargetPlan) as raised:
        ask(account, "starter", "year")
    assert "interval" in str(raised.value.message)
    assert raised.value.details["intervals"] == ["month"]
    assert raised.value.details["available"] == ["free", "basic", "premium"]  # premium by the year


@pytest.mark.req("PC-3")
def test_without_a_plan_every_plan_of_the_audience_is_available(catalog):
    with pytest.raises(InvalidTargetPlan) as raised:
        start(nobody(person()), "gold")
    assert raised.value.details["available"] == ["free", "basic", "premium"]


@pytest.mark.req("PC-3")
def test_without_a_subscription(catalog):
    account = nobody(person())
    before = everything(account, catalog)
    for call in (lambda: ask(account, "basic"), lambda: preview(account, "basic"), lambda: cancel(account)):
        with pytest.raises(NoLiveSubscription) as raised:
            call()
        assert raised.value.details["remedies"] == PLANS
    assert everything(account, catalog) == before


@pytest.mark.req("PC-3", "PC-6")
def test_another_change_while_one_is_scheduled(catalog):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    before = everything(account, catalog)
    with pytest.raises(PlanChangeNotAllowed) as raised:
        ask(account, "free")
    assert raised.value.details["reason"] == "change_scheduled"
    with pytest.raises(DuplicatePlanChange):
        ask(account, "basic")
    with pytest.raises(PlanChangeNotAllowed):
        ask(account, "premium", "year")
    assert everything(account, catalog) == before


@pytest.mark.req("PC-2")
@pytest.mark.parametrize(
    ("card", "decline_code"),
    [
        ("pm_card_chargeCustomerFail", "generic_decline"),
    ],
)
@pytest.mark.parametrize("from_plan", ["free", "basic"])
def test_declined_payment_leaves_the_old_plan(catalog, card, decline_code, from_plan):
    account = person()
    if from_plan == "basic":
        ask(account, "basic")
    decline(account, card)
    before = everything(account, catalog)
    with pytest.raises(PaymentFailed) as raised:
        ask(account, "premium")
    after = everything(account, catalog)
    assert {**after, "there": None} == {**before, "there": None}
    assert after["there"]["subscriptions"] == before["there"]["subscriptions"]
    assert not [one for one in after["there"]["invoices"].values() if one["status"] == "open"]
    assert raised.value.details["decline_code"] == decline_code
    assert "bank gave no reason" in str(raised.value.message)
    kept = PlanChange.objects.get(account=account, status="failed")
    assert (kept.error_code, kept.kind) == ("payment_failed", "upgrade")
    method = payment_method_add(account=account, payment_method_id="pm_card_visa")
    payment_method_make_default(account=account, payment_method_id=method.id)
    assert ask(account, "premium").change.status == "applied"  # cured by another card


@pytest.mark.req("PC-2")
def test_a_bank_that_wants_a_confirmation(catalog):
    account = person()
    ask(account, "basic")
    decline(account, "pm_card_authenticationRequired")
    before = everything(account, catalog)
    with pytest.raises(PaymentActionRequired) as raised:
        ask(account, "premium")
    assert "waits to be confirmed" in str(raised.value.message)
    confirm, *others = raised.value.details["remedies"]
    page = f"/account/billing/changes/{raised.value.details['plan_change']}/pay/"
    assert (confirm, others) == ({"action": "confirm", "url": page}, CARD)
    after = everything(account, catalog)
    assert after["subscriptions"] == before["subscriptions"]
    (then,), (now,) = (one["there"]["subscriptions"].values() for one in (before, after))
    assert now["items"]["data"][0]["price"] == then["items"]["data"][0]["price"]
    assert (now["status"], now["pending_update"] is not None) == ("active", True)
    assert messages_limit(account) == 50


@pytest.mark.req("PC-2")
def test_no_card_on_file(catalog):
    account = person(card=None)
    before = everything(account, catalog)
    with pytest.raises(PaymentFailed) as raised:
        ask(account, "premium")
    assert raised.value.details["decline_code"] == "payment_method_missing"
    assert everything(account, catalog) == before


@pytest.mark.req("PC-3")
def test_what_is_owed_comes_first(catalog):
    from billing.demo import overdue

    account = person()
    ask(account, "basic")
    overdue(account, database_now())
    assert (subscription(account).status, subscription(account).access) == ("past_due", "grace")
    assert messages_limit(account) == 50
    before = everything(account, catalog)
    with pytest.raises(PlanChangeNotAllowed) as raised:
        ask(account, "premium")
    assert raised.value.details["reason"] == "payment_overdue"
    assert everything(account, catalog) == before


def test_business_plans_are_for_organisations(catalog):
    account = nobody(person())
    before = everything(account, catalog)
    with pytest.raises(PlanChangeNotAllowed) as raised:
        start(account, "growth")
    assert raised.value.details["reason"] == "audience"
    assert everything(account, catalog) == before
