"""Changing plan, one request at a time: up is paid at once, down waits for the period's end."""

from __future__ import annotations

import pytest

from billing.errors import (
    NothingToUndo,
)
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    everything,
    invoices,
    leads,
    messages_limit,
    only,
    preview,
    state,
    subscription,
    undo,
)
from common.clock import database_now
from quotas.selectors import has_feature


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
    assert leads(raised.value.details["remedies"]) == ["see_plan"]
    assert everything(account, catalog) == before
