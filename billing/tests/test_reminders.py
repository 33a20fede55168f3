"""What is to come is told once, in time, with the sum that Stripe will charge; and not when it will not come."""

from __future__ import annotations

import calendar
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe
from django.core import mail
from django.db import connections
from django.utils import translation

from accounts.models import Account, Notification, User
from accounts.notifications.messages import message_of
from billing.models import ReminderLook, SpendCap, Subscription
from billing.rules import reminders as rules
from billing.services.converge import subscription_refresh
from billing.services.reminders import reminders_notify
from billing.tests.conftest import person
from billing.tests.helpers import ask, cancel, fault, no_faults, subscription
from billing.tests.stores import spend, store
from common import outbox
from common.clock import database_now
from sandbox.stripe import StripeStandIn

pytestmark = pytest.mark.req("NO-2")
NEVER = ("plan_change_applied", "plan_change_scheduled")


def told(*, language: str = "en") -> list[str]:
    rows = Notification.objects.exclude(template__in=NEVER).order_by("created_at", "template")
    with translation.override(language):
        return [message_of(one.template, one.context).subject for one in rows]


def lines() -> str:
    one = Notification.objects.exclude(template__in=NEVER).get()
    return " ".join(message_of(one.template, one.context).lines)


def renews_at(account: Account) -> datetime:
    at = subscription(account).current_period_end
    assert at is not None
    return at


def card_set(account: Account, **fields: Any) -> None:
    methods = stripe.PaymentMethod.list(customer=account.stripe_customer_id, api_key=stripe.api_key)
    for one in methods.data:
        stripe.PaymentMethod.modify(one.id, card=fields, api_key=stripe.api_key)


@pytest.fixture(autouse=True)
def _stripe_key(stand_in: StripeStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe, "api_key", stand_in.secret_key)


def test_a_renewal_is_told_three_days_before_and_once(catalog: StripeStandIn):
    account = person()
    ask(account, "premium")
    at = renews_at(account)
    assert reminders_notify(now=at - timedelta(days=3, minutes=1))["renewals"] == 0
    assert told() == []
    for minutes in (0, 5, 10):
        reminders_notify(now=at - timedelta(days=3) + timedelta(minutes=minutes))
    (subject,) = told()
    assert subject.startswith("Premium renews on ")
    assert "€20.00 will be charged then." in lines()
    assert "your card Visa 4242" in lines()
    outbox.run_due(now=at)
    assert [one.subject for one in mail.outbox if "renews" in one.subject] == [subject]


def test_a_year_is_told_early_enough_to_decline_it(catalog: StripeStandIn):
    account = person()
    ask(account, "premium", "year")
    at = renews_at(account)
    assert reminders_notify(now=at - timedelta(days=46))["renewals"] == 0
    assert reminders_notify(now=at - timedelta(days=44))["renewals"] == 1
    assert len(told()) == 1


def test_what_ends_is_not_said_to_renew(catalog: StripeStandIn):
    account = person()
    ask(account, "premium")
    cancel(account)
    at = renews_at(account)
    reminders_notify(now=at - timedelta(hours=2))
    assert [text for text in told() if "renews" in text] == []


def test_free_plans_have_nothing_to_renew(catalog: StripeStandIn):
    person()
    assert set(reminders_notify(now=database_now() + timedelta(days=29)).values()) == {0}
    assert told() == []


def test_while_stripe_is_silent_nothing_is_settled(catalog: StripeStandIn):
    account = person()
    ask(account, "premium")
    at = renews_at(account)
    fault(catalog, path="/v1/", method="GET", effect="error_before", times=50)
    fault(catalog, path="/v1/invoices", effect="error_before", times=50)
    assert reminders_notify(now=at - timedelta(days=2))["renewals"] == 0
    assert not ReminderLook.objects.exists()
    no_faults(catalog)
    assert reminders_notify(now=at - timedelta(days=2))["renewals"] == 1
    assert len(told()) == 1


def test_one_that_stripe_refuses_keeps_nobody_else_from_being_told(catalog: StripeStandIn):
    broken, account = person(), person()
    ask(broken, "premium")
    ask(account, "basic")
    at = renews_at(account)
    running = Subscription.objects.filter(account=broken, ended_at=None)
    running.update(stripe_subscription_id="sub_neverwas", current_period_end=at - timedelta(hours=1))
    assert reminders_notify(now=at - timedelta(days=2))["renewals"] == 1
    assert told()[0].startswith("Basic renews on")


def test_many_beats_at_once_tell_once(trading: StripeStandIn):
    account = person()
    ask(account, "premium")
    at = renews_at(account)

    def run(_: int) -> None:
        try:
            reminders_notify(now=at - timedelta(days=2))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, range(6)))
    assert len(told()) == 1
    assert ReminderLook.objects.filter(kind="renewal").count() == 1


def test_a_planned_change_is_told_again_before_it_comes(catalog: StripeStandIn):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    at = renews_at(account)
    reminders_notify(now=at - timedelta(days=4))
    assert [text for text in told() if text.startswith("Soon")] == []
    for _ in range(2):
        reminders_notify(now=at - timedelta(days=2))
    soon = [text for text in told() if text.startswith("Soon")]
    assert len(soon) == 1
    assert soon[0].endswith("then Basic")


def test_what_was_planned_just_now_is_not_repeated(catalog: StripeStandIn):
    account = person()
    ask(account, "premium")
    at = renews_at(account)
    ask(account, "basic", now=at - timedelta(days=2))
    reminders_notify(now=at - timedelta(days=1))
    assert [text for text in told() if text.startswith("Soon")] == []


def test_the_end_of_a_trial(catalog: StripeStandIn):
    account = person()
    ask(account, "premium")
    live = subscription(account)
    ends = database_now() + timedelta(days=10)
    stripe.Subscription.modify(
        str(live.stripe_subscription_id),
        trial_end=int(ends.timestamp()),
        proration_behavior="none",
        api_key=stripe.api_key,
    )
    subscription_refresh(stripe_subscription_id=str(live.stripe_subscription_id))
    assert subscription(account).status == "trialing"
    reminders_notify(now=ends - timedelta(days=4))
    assert told() == []
    for _ in range(2):
        reminders_notify(now=ends - timedelta(days=2))
    (subject,) = told()
    assert subject.startswith("Your trial of Premium ends on ")
    assert "€20.00 will be charged" in lines()


def test_a_card_in_its_last_months_is_told_once(catalog: StripeStandIn):
    account = person()
    ask(account, "premium")
    now = database_now()
    card_set(account, exp_month=now.month, exp_year=now.year)
    assert reminders_notify(now=now)["cards"] == 1
    assert reminders_notify(now=now)["cards"] == 0
    reminders_notify(now=renews_at(account) - timedelta(days=1))  # looks at the card again
    cards = [text for text in told() if "expires" in text]
    assert cards == [
        f"Your card Visa 4242 expires at the end of {calendar.month_name[now.month]}\u00a0{now.year}"
    ]


def test_a_good_card_is_looked_at_once_a_month(catalog: StripeStandIn):
    account = person()
    ask(account, "premium")
    now = database_now()
    assert [reminders_notify(now=now)["cards"] for _ in range(3)] == [1, 0, 0]
    later = rules.month_of(now) + timedelta(days=32)
    assert [reminders_notify(now=later)["cards"] for _ in range(2)] == [1, 0]
    assert [text for text in told() if "expires" in text] == []


@pytest.mark.parametrize(
    ("month", "year", "charge", "soon"),
    [
        (11, 2026, None, True),
        (12, 2026, None, True),
        (1, 2027, None, False),
        (10, 2026, None, True),
        (1, 2027, datetime(2027, 2, 1, tzinfo=UTC), True),
        (1, 2027, datetime(2027, 1, 31, 23, tzinfo=UTC), False),
    ],
)
def test_when_a_card_counts_as_ending(month, year, charge, soon):
    at = datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert rules.card_expires_soon(month=month, year=year, at=at, charge_at=charge) is soon


@pytest.mark.parametrize(
    ("spent", "cap", "share"), [(79, 100, None), (80, 100, 80), (99, 100, 80), (100, 100, 100), (0, 0, 100)]
)
def test_shares_of_a_cap(spent, cap, share):
    assert rules.cap_share(spent_minor=spent, cap_minor=cap) == share


def test_overage_is_told_when_it_begins_and_near_its_cap(trading: StripeStandIn):
    account = store("growth", credits_left=0)
    SpendCap.objects.create(account=account, cap_minor=14 * 10 + 5, currency="usd", updated_at=database_now())
    for number, units in enumerate((1, 2)):
        spend(account, units, key=f"first {number}")
    assert told() == ["Overage has begun"]
    spend(account, 6, key="near")
    spend(account, 0 + 1, key="all but a unit")
    assert told() == [
        "Overage has begun",
        "80% of your overage cap is used",
        "Your overage cap is reached",
    ]
    text = " ".join(
        line
        for one in Notification.objects.filter(template="spend_cap_near")
        for line in [*message_of(one.template, one.context).lines]
    )
    assert "your cap is $1.45" in text


def test_in_french(catalog: StripeStandIn):
    account = person()
    User.objects.update(language="fr")
    ask(account, "premium")
    now = database_now()
    card_set(account, exp_month=now.month, exp_year=now.year)
    reminders_notify(now=renews_at(account) - timedelta(days=2))
    subjects = told(language="fr")
    assert any(text.startswith("Premium se renouvelle le ") for text in subjects)
    assert any("expire à la fin de" in text for text in subjects)
    outbox.run_due(now=renews_at(account))
    body = next(one.body for one in mail.outbox if "renouvelle" in one.subject)
    assert "20,00\u00a0€" in body
