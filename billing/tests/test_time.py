"""Months pass: prorations to the cent, renewals, switches, ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest

from billing.errors import NothingToUndo
from billing.models import PlanChange, Price
from billing.services import payment_method_add, payment_method_make_default
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    cancel,
    coming_year,
    invoices,
    messages_limit,
    only,
    preview,
    state,
    subscription,
    undo,
)
from common import books
from common.clock import database_now
from quotas.selectors import quota_status
from quotas.services import usage_consume

YEAR = coming_year()


def share(amount_minor: int, left: timedelta, period: timedelta) -> int:
    exact = Decimal(amount_minor) * int(left.total_seconds()) / int(period.total_seconds())
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


@pytest.mark.req("PC-8")
@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(datetime(YEAR, 1, 31, 10, 0, tzinfo=UTC), id="period of 28 days from 31 January"),
        pytest.param(datetime(YEAR, 3, 1, 0, 0, tzinfo=UTC), id="period of 31 days"),
        pytest.param(datetime(YEAR, 4, 15, 23, 59, 59, tzinfo=UTC), id="period of 30 days"),
    ],
)
@pytest.mark.parametrize(
    ("source", "target"),
    [
        pytest.param(("basic", "month"), ("premium", "month"), id="basic to premium"),
        pytest.param(("basic", "month"), ("premium", "year"), id="basic to premium for a year"),
        pytest.param(("premium", "month"), ("premium", "year"), id="premium to its year"),
        pytest.param(("basic", "year"), ("premium", "year"), id="basic to premium, both for a year"),
    ],
)
def test_proration_preview_and_invoice_are_one(travel, begin, source, target):
    """Each combination at four moments of the period: new price's share less old price's share."""
    travel.to(begin, sweep=False)
    old, new = (
        Price.objects.get(version__plan__code=plan, interval=interval) for plan, interval in (source, target)
    )
    accounts = [person() for _ in range(4)]
    for account in accounts:
        ask(account, *source)
    for account, passed in zip(accounts, (0, 1, 13.7, 27.99), strict=True):
        travel.to(begin + timedelta(days=passed), sweep=False)
        ours = subscription(account)
        seen = preview(account, *target)
        result = ask(account, *target, quote=seen.quote)
        made = {one["id"]: one for one in invoices(travel.stand_in)}
        invoice = made[result.change.stripe_invoice_id]
        # a total below what a card can be charged is carried to the next invoice: nothing is due now
        assert seen.due_now.amount_minor == invoice["amount_due"] == result.change.charged_minor
        assert [(line.description, line.amount_minor) for line in seen.lines] == [
            (line["description"], line["amount"]) for line in invoice["lines"]["data"]
        ]
        at = datetime.fromtimestamp(int(result.change.proration_at.timestamp()), UTC)
        period = ours.current_period_end - ours.current_period_start
        left = ours.current_period_end - at
        full = source[1] != target[1]  # another interval begins a new period, which is paid whole
        expected = (new.amount_minor if full else share(new.amount_minor, left, period)) - share(
            old.amount_minor, left, period
        )
        assert invoice["total"] == expected
    assert books.verify_all() == []


@pytest.mark.req("PC-2", "PC-4")
def test_a_downgrade_holds_from_the_switch(travel):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    end = subscription(account).current_period_end
    travel.to(end - timedelta(seconds=30), sweep=False)
    assert messages_limit(account) == 1000
    travel.to(end + timedelta(seconds=1), sweep=False)
    # nobody has told us yet: the meter switched by its own clock
    assert messages_limit(account) == 50
    assert PlanChange.objects.get(status="scheduled")
    assert books.verify_all() == []
    travel.by(minutes=5)
    change = PlanChange.objects.get(to_price__version__plan__code="basic")
    assert (change.status, change.effective_at) == ("applied", end)
    ours = subscription(account)
    assert (ours.plan.code, ours.current_period_start) == ("basic", end)
    assert [one["total"] for one in invoices(travel.stand_in)] == [2000, 500]
    assert ask(account, "premium").change.status == "applied"  # and up again, the schedule is no obstacle


@pytest.mark.req("PC-2")
@pytest.mark.parametrize("how", ["to free", "cancel"])
def test_the_end_of_a_paid_plan_is_the_free_plan(travel, how):
    account = person()
    ask(account, "premium")
    if how == "to free":
        ask(account, "free")
    else:
        cancel(account)
    end = subscription(account).current_period_end
    travel.to(end + timedelta(seconds=1), sweep=False)
    assert messages_limit(account) == 5
    assert books.verify_all() == []
    travel.by(minutes=5)
    ours = subscription(account)
    assert (ours.plan.code, ours.stripe_subscription_id) == ("free", None)
    assert only(state(travel.stand_in)["subscriptions"])["status"] == "canceled"
    assert PlanChange.objects.get(kind="downgrade").status == "applied"
    assert len(invoices(travel.stand_in)) == 1
    assert ask(account, "basic").change.status == "applied"


@pytest.mark.req("PC-2")
def test_schedule_undo_schedule_and_a_month(travel):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    undo(account)
    travel.by(days=32)
    assert (subscription(account).plan.code, messages_limit(account)) == ("premium", 1000)
    ask(account, "basic")
    travel.by(days=32)
    assert (subscription(account).plan.code, messages_limit(account)) == ("basic", 50)
    assert [one["total"] for one in invoices(travel.stand_in)] == [2000, 2000, 500]


@pytest.mark.req("PC-4")
def test_use_is_kept_and_no_window_is_reset(travel):
    account = person()
    for _ in range(5):
        assert usage_consume(account_id=account.pk, metric="messages").allowed
    assert not usage_consume(account_id=account.pk, metric="messages").allowed
    ask(account, "premium")
    assert usage_consume(account_id=account.pk, metric="messages").allowed
    (bound,) = quota_status(account_id=account.pk, metric="messages")
    assert (bound.used, bound.limit, bound.remaining) == (6, 1000, 994)


@pytest.mark.req("PC-4")
def test_remaining_is_never_negative_after_a_switch(travel):
    tomorrow = database_now() + timedelta(days=1)
    travel.to(tomorrow.replace(hour=12), sweep=False)  # the period ends in the middle of a day
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    end = subscription(account).current_period_end
    travel.to(end - timedelta(hours=1), sweep=False)
    assert usage_consume(account_id=account.pk, metric="messages", units=70).allowed
    travel.to(end + timedelta(seconds=1))
    (bound,) = quota_status(account_id=account.pk, metric="messages")
    assert (bound.limit, bound.remaining, bound.used) == (50, 0, 70)


@pytest.mark.req("PC-13")
def test_a_year_of_renewals_from_the_31st(travel):
    travel.to(datetime(YEAR, 1, 31, 10, 0, tzinfo=UTC), sweep=False)
    account = person()
    ask(account, "basic")
    ends = []
    for _ in range(4):
        ends.append(subscription(account).current_period_end.date().isoformat())
        travel.to(subscription(account).current_period_end + timedelta(minutes=5))
    assert ends == [f"{YEAR}-{day}" for day in ("02-28", "03-31", "04-30", "05-31")]
    assert [one["total"] for one in invoices(travel.stand_in)] == [500] * 5


@pytest.mark.req("BI-6")
def test_a_renewal_that_fails_then_ends_leaves_the_free_plan(travel):
    account = person()
    ask(account, "basic")
    refused = payment_method_add(account=account, payment_method_id="pm_card_chargeCustomerFail")
    payment_method_make_default(account=account, payment_method_id=refused.id)
    travel.by(days=32)
    ours = subscription(account)
    assert (ours.status, ours.access, messages_limit(account)) == ("past_due", "grace", 50)
    travel.by(days=32)  # the retries were used up meanwhile
    ours = subscription(account)
    assert (ours.plan.code, ours.access, messages_limit(account)) == ("free", "full", 5)


@pytest.mark.req("PC-8")
def test_a_quote_does_not_outlive_its_period(travel, settings):
    from billing.errors import QuoteStale

    settings.QUOTE_TTL = timedelta(days=60)
    account = person()
    ask(account, "basic")
    seen = preview(account, "premium")
    travel.by(days=32)
    with pytest.raises(QuoteStale):
        ask(account, "premium", quote=seen.quote)
    assert subscription(account).plan.code == "basic"


@pytest.mark.req("PC-1", "BI-2")
def test_a_period_that_ended_unheard_is_asked_for_first(travel):
    """No webhook, no sweep: the request itself finds that a new period has begun, and goes by that."""
    account = person()
    ask(account, "basic")
    travel.by(days=32, sweep=False)
    seen = preview(account, "premium")
    assert seen.next_at > database_now()
    result = ask(account, "premium", quote=seen.quote)
    assert result.change.charged_minor == seen.due_now.amount_minor
    ask(account, "basic")
    travel.by(days=32, sweep=False)
    with pytest.raises(NothingToUndo):
        undo(account)  # the switch has happened
    assert subscription(account).plan.code == "basic"
