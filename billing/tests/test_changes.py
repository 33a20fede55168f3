"""Changing plan, one request at a time: what it does, what it refuses, and that a refusal moves nothing."""

from __future__ import annotations

import pytest

from billing.errors import (
    AlreadySubscribed,
    DuplicatePlanChange,
    InvalidTargetPlan,
    NoLiveSubscription,
    NothingToUndo,
    PaymentActionRequired,
    PaymentFailed,
    PlanChangeNotAllowed,
    QuoteStale,
)
from billing.models import PlanChange, Subscription
from billing.services import (
    payment_method_add,
    payment_method_make_default,
    plan_change_preview,
    subscription_resume,
)
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    cancel,
    everything,
    invoices,
    messages_limit,
    only,
    preview,
    start,
    state,
    subscription,
    undo,
)
from common.clock import database_now
from common.errors import IdempotencyKeyReused
from common.models import AuditEntry
from quotas.selectors import has_feature

PLANS = [{"action": "upgrade", "url": "/account/billing/plans/"}]
CARD = [{"action": "change_card", "url": "/account/billing/card/"}]


def nobody(account):
    """Takes the free plan away, as the demo's nosub has it."""
    from billing.demo import without_subscription

    without_subscription(account, database_now())
    return account


# Upgrades -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("PC-1", "PC-2", "PC-8")
def test_from_free_to_paid_is_paid_at_once(catalog):
    account = person()
    seen = preview(account, "premium")
    assert (seen.kind, seen.due_now.amount_minor, seen.next_amount.amount_minor) == ("upgrade", 2000, 2000)
    result = ask(account, "premium", quote=seen.quote)
    assert (result.change.status, result.change.charged_minor) == ("applied", 2000)
    there = only(state(catalog)["subscriptions"])
    invoice = only(state(catalog)["invoices"])
    assert (invoice["status"], invoice["amount_paid"]) == ("paid", seen.due_now.amount_minor)
    assert result.change.stripe_invoice_id == invoice["id"]
    ours = subscription(account)
    assert (ours.plan.code, ours.status, ours.access) == ("premium", "active", "full")
    assert ours.stripe_subscription_id == there["id"]
    assert int(ours.current_period_end.timestamp()) == there["items"]["data"][0]["current_period_end"]
    assert messages_limit(account) == 1000
    assert has_feature(account_id=account.pk, feature="export", at=database_now())


@pytest.mark.req("PC-1", "PC-2", "PC-8")
def test_from_paid_to_higher_is_prorated_and_paid_at_once(catalog):
    account = person()
    ask(account, "basic")
    seen = preview(account, "premium")
    assert 1400 <= seen.due_now.amount_minor <= 1500  # 2000 - 500, of nearly all of a period
    result = ask(account, "premium", quote=seen.quote)
    invoice = invoices(catalog)[-1]
    assert result.change.charged_minor == invoice["total"] == seen.due_now.amount_minor
    assert sum(line.amount_minor for line in seen.lines) == invoice["total"]
    assert len(state(catalog)["subscriptions"]) == 1
    assert (subscription(account).plan.code, messages_limit(account)) == ("premium", 1000)


@pytest.mark.req("PC-2", "PC-13")
def test_to_the_year_is_an_upgrade_and_a_new_period(catalog):
    account = person()
    ask(account, "basic")
    seen = preview(account, "basic", "year")
    assert seen.kind == "upgrade"
    assert 4500 <= seen.due_now.amount_minor < 5000  # the year, less what is left of the month
    result = ask(account, "basic", "year", quote=seen.quote)
    assert result.change.charged_minor == seen.due_now.amount_minor
    ours = subscription(account)
    assert ours.price.interval == "year"
    assert (ours.current_period_end - ours.current_period_start).days in (365, 366)


@pytest.mark.req("PC-2", "PC-13")
def test_to_the_month_waits_for_the_years_end(catalog):
    account = person()
    ask(account, "basic", "year")
    result = ask(account, "basic", "month")
    assert (result.change.kind, result.change.status) == ("downgrade", "scheduled")
    assert result.change.effective_at == subscription(account).current_period_end


# Downgrades ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("PC-2", "PC-4")
def test_downgrade_is_scheduled_and_visible(catalog):
    account = person()
    ask(account, "premium")
    seen = preview(account, "basic")
    end = subscription(account).current_period_end
    assert (seen.kind, seen.due_now.amount_minor, seen.effective_at) == ("downgrade", 0, end)
    assert (seen.next_amount.amount_minor, seen.next_at) == (500, end)
    result = ask(account, "basic", quote=seen.quote)
    assert (result.change.status, result.change.effective_at) == ("scheduled", end)
    assert len(state(catalog)["invoices"]) == 1
    assert (subscription(account).plan.code, messages_limit(account)) == ("premium", 1000)
    schedule = only(state(catalog)["subscription_schedules"])
    assert schedule["status"] == "active"
    assert schedule["phases"][1]["start_date"] == int(end.timestamp())


@pytest.mark.req("PC-2")
def test_downgrade_to_free_ends_the_paid_subscription(catalog):
    account = person()
    ask(account, "premium")
    result = ask(account, "free")
    assert result.change.status == "scheduled"
    assert only(state(catalog)["subscriptions"])["cancel_at_period_end"] is True
    assert subscription(account).cancel_at == subscription(account).current_period_end


@pytest.mark.req("PC-2")
@pytest.mark.parametrize("target", ["basic", "free"])
def test_undo_leaves_everything_as_it_was(catalog, target):
    account = person()
    ask(account, "premium")
    ask(account, target)
    result = undo(account)
    assert result.change.status == "undone"
    there = only(state(catalog)["subscriptions"])
    assert (there["schedule"], there["cancel_at_period_end"], there["cancel_at"]) == (None, False, None)
    assert (subscription(account).cancel_at, messages_limit(account)) == (None, 1000)
    assert ask(account, target).change.status == "scheduled"  # and it can be scheduled again


@pytest.mark.req("PC-2", "PC-3")
def test_nothing_to_undo(catalog):
    account = person()
    ask(account, "premium")
    before = everything(account, catalog)
    with pytest.raises(NothingToUndo) as raised:
        undo(account)
    assert raised.value.details["remedies"] == PLANS
    assert everything(account, catalog) == before


# Ends ---------------------------------------------------------------------------------------------------------------


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


def test_resume_needs_an_end(catalog):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    with pytest.raises(NothingToUndo):
        subscription_resume(account=account, user=None, request_id="", now=database_now())
    assert PlanChange.objects.get(status="scheduled").to_price.version.plan.code == "basic"


# Starts -------------------------------------------------------------------------------------------------------------


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


# Refusals -----------------------------------------------------------------------------------------------------------


def decline(account, card="pm_card_chargeCustomerFail"):
    method = payment_method_add(account=account, payment_method_id=card)
    payment_method_make_default(account=account, payment_method_id=method.id)


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
    assert "bank refused" in str(raised.value.message)
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
    assert "cannot be done here yet" in str(raised.value.message)
    assert raised.value.details["remedies"] == CARD
    after = everything(account, catalog)
    assert after["subscriptions"] == before["subscriptions"]
    assert after["there"]["subscriptions"] == before["there"]["subscriptions"]
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


# Quotes -------------------------------------------------------------------------------------------------------------


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


# Records ------------------------------------------------------------------------------------------------------------


@pytest.mark.req("PC-5", "PC-11")
def test_history_and_audit_tell_the_story(catalog):
    account = person()
    ask(account, "premium", key="k")
    ask(account, "basic")
    undo(account)
    rows = [
        (one.kind, one.status, one.user_id)
        for one in PlanChange.objects.filter(account=account).order_by("requested_at")
    ]
    who = account.personal_owner_id
    assert rows == [("upgrade", "applied", who), ("downgrade", "undone", who)]
    actions = list(
        AuditEntry.objects.filter(account_id=account.pk).order_by("at").values_list("action", flat=True)
    )
    assert actions == ["plan_change.applied", "plan_change.scheduled", "plan_change.undone"]


@pytest.mark.req("PC-5")
@pytest.mark.parametrize(
    "act",
    [
        lambda change: change.delete(),
        lambda change: PlanChange.objects.filter(pk=change.pk).update(to_price=None),
        lambda change: PlanChange.objects.filter(pk=change.pk).update(request_id="other"),
        lambda change: PlanChange.objects.filter(pk=change.pk).update(status="pending", settled_at=None),
        lambda change: PlanChange.objects.filter(pk=change.pk).update(status="undone"),
    ],
)
def test_history_cannot_be_rewritten(catalog, act):
    from django.db import Error, transaction

    change = ask(person(), "premium").change
    with pytest.raises(Error), transaction.atomic():
        act(change)
    assert PlanChange.objects.get(pk=change.pk).status == "applied"


@pytest.mark.req("PC-5", "PC-6")
def test_the_database_allows_one_change_in_flight(catalog):
    from django.db import IntegrityError, transaction

    account = person()
    ask(account, "premium")
    change = ask(account, "basic").change
    change.pk, change._state.adding = None, True
    with pytest.raises(IntegrityError, match="plan_change_one_in_flight"), transaction.atomic():
        change.save(force_insert=True)
    second = subscription(account)
    second.pk, second.stripe_subscription_id = None, "sub_other"
    with pytest.raises(IntegrityError, match="subscription_one_live"), transaction.atomic():
        second.save(force_insert=True)


def test_business_plans_are_for_organisations(catalog):
    account = nobody(person())
    before = everything(account, catalog)
    with pytest.raises(PlanChangeNotAllowed) as raised:
        start(account, "growth")
    assert raised.value.details["reason"] == "audience"
    assert everything(account, catalog) == before


@pytest.mark.req("PC-10")
def test_preview_lists_what_would_exceed(catalog):
    from billing import stored

    account = person()
    ask(account, "premium")
    kept = dict(stored._providers)
    stored.register("personas", lambda _: [{"id": str(n), "name": f"Persona {n}"} for n in range(5)])
    try:
        seen = plan_change_preview(
            account=account, user=None, target_plan="basic", interval=None, now=database_now()
        )
    finally:
        stored._providers.clear()
        stored._providers.update(kept)
    (exceeding,) = seen.exceeding
    assert (exceeding.metric, exceeding.limit, exceeding.stored, exceeding.excess) == ("personas", 3, 5, 2)
    assert [one["name"] for one in exceeding.items] == ["Persona 3", "Persona 4"]


@pytest.mark.req("PC-10")
def test_what_is_to_be_kept_is_checked_and_remembered(catalog, monkeypatch):
    from billing import stored
    from billing.services import plan_change_request
    from common.errors import ValidationError

    account = person()
    ask(account, "premium")
    things = [{"id": f"p{n}", "name": f"Persona {n}"} for n in range(5)]
    monkeypatch.setitem(stored._providers, "personas", lambda _: things)

    def downgrade(*keep):
        return plan_change_request(
            account=account,
            user=account.personal_owner,
            target_plan="basic",
            interval=None,
            quote=None,
            idempotency_key=None,
            request_id="req-keep",
            now=database_now(),
            keep=keep,
        )

    before = everything(account, catalog)
    for keep, code in ((("p1", "p9"), "unknown"), (("p0", "p1", "p2", "p3"), "too_many")):
        with pytest.raises(ValidationError) as raised:
            downgrade(*keep)
        assert raised.value.details["fields"][0]["code"] == code
    assert everything(account, catalog) == before
    assert downgrade("p4", "p2").change.keep_ids == ["p4", "p2"]


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
