"""The demo's people, and the sandbox's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from billing.models import Subscription
from billing.sandbox_clock import parse_instant, parse_span
from billing.selectors import live_subscription
from billing.selectors.overdue import overdue_notice, overdue_policy, unpaid_invoices
from billing.services import subscription_refresh
from billing.tests.helpers import state
from common.clock import database_now
from quotas.selectors import quota_status

EXPECTED = {
    "free": ("free", "active", 5, 0),
    "basic": ("basic", "active", 50, 0),
    "premium": ("premium", "active", 1000, 0),
    "near": ("basic", "active", 50, 48),
    "pastdue": ("basic", "past_due", 50, 0),
    "nosub": None,
}


def people() -> dict:
    found = {}
    for user in User.objects.filter(personal_account__isnull=False):
        subscription = live_subscription(user.personal_account.pk)
        bounds = quota_status(account_id=user.personal_account.pk, metric="messages")
        found[user.email.partition("@")[0]] = subscription and (
            subscription.plan.code,
            subscription.status,
            bounds[0].limit,
            bounds[0].used,
        )
    return found


def test_seeding_makes_everybody_once(travel, capsys):
    call_command("seed_demo")
    assert people() == EXPECTED
    staff = {user.email: user.is_superuser for user in User.objects.filter(is_staff=True)}
    assert staff == {
        "support@palier.test": False,
        "billing@palier.test": False,
        "ops@palier.test": False,
        "auditor@palier.test": False,
        "admin@palier.test": True,
    }
    assert all(user.check_password("palier-demo") for user in User.objects.all())
    there = state(travel.stand_in)
    capsys.readouterr()
    call_command("seed_demo")
    assert capsys.readouterr().out == ""
    assert people() == EXPECTED
    assert len(state(travel.stand_in)["charges"]) == len(there["charges"])


def test_seeding_on_a_later_day_keeps_what_people_chose(travel):
    from billing.tests.helpers import ask

    call_command("seed_demo")
    ask(User.objects.get(email="basic@palier.test").personal_account, "premium")
    travel.by(days=1)
    call_command("seed_demo")
    assert people() == EXPECTED | {"basic": ("premium", "active", 1000, 0)}


def test_seeding_goes_on_after_a_crash(travel, monkeypatch):
    from billing import demo

    class Died(BaseException):
        pass

    def die(*_args, **_more):
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(demo, "plan_change_request", die)
        with pytest.raises(Died):
            call_command("seed_demo")
    call_command("seed_demo")
    assert people() == EXPECTED


@pytest.mark.parametrize("unsafe", [{"SANDBOX": False}, {"STRIPE_LIVE_MODE": True}])
@pytest.mark.parametrize("command", [["seed_demo"], ["clock", "advance", "1d"], ["clock", "show"]])
def test_only_in_the_sandbox(db, settings, unsafe, command):
    for name, value in unsafe.items():
        setattr(settings, name, value)
    with pytest.raises(CommandError, match="sandbox only"):
        call_command(*command)
    assert not User.objects.exists()
    assert not Subscription.objects.exists()


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("31d", timedelta(days=31)),
        ("12h", timedelta(hours=12)),
        ("45m", timedelta(minutes=45)),
        ("90s", timedelta(seconds=90)),
        ("2w", timedelta(weeks=2)),
        ("1d12h30m", timedelta(days=1, hours=12, minutes=30)),
    ],
)
def test_spans(text, span):
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["", "d", "1", "-1d", "0d", "1y", "1.5d", "12h1d", "1d ", "99999999999d"])
def test_what_is_no_span(text):
    with pytest.raises(ValueError, match=r"span of time|forward|longer"):
        parse_span(text)


def test_instants_say_their_offset():
    assert parse_instant("2027-01-31T00:00:00Z") == datetime(2027, 1, 31, tzinfo=UTC)
    with pytest.raises(ValueError, match="offset"):
        parse_instant("2027-01-31T00:00:00")


@pytest.mark.parametrize("words", [["advance", "to", "2030-01-31T00:00:00Z"], ["to", "2030-01-31T00:00:00Z"]])
def test_the_clock_moves_both(travel, capsys, words):
    call_command("clock", *words)
    assert abs(database_now() - datetime(2030, 1, 31, tzinfo=UTC)) < timedelta(seconds=30)
    call_command("clock", "show")
    said = capsys.readouterr().out
    assert "stand-in  2030-01-31T00:0" in said
    with pytest.raises(CommandError, match="forward"):
        call_command("clock", "to", "2029-01-31T00:00:00Z")


@pytest.mark.parametrize(
    "words", [["advance"], ["advance", "soon"], ["to", "tomorrow"], ["show", "me"], ["advance", "1d", "2d"]]
)
def test_what_the_clock_does_not_understand(travel, words):
    before = database_now()
    with pytest.raises(CommandError):
        call_command("clock", *words)
    assert database_now() - before < timedelta(minutes=1)


@pytest.mark.req("PC-2")
def test_a_month_by_the_command(travel):
    """Without a worker and without webhooks: the command itself does the work of each moment."""
    from billing.tests.helpers import ask

    call_command("seed_demo")
    premium = User.objects.get(email="premium@palier.test").personal_account
    ask(premium, "basic")
    call_command("clock", "advance", "32d")
    assert people()["premium"][0] == "basic"


@pytest.mark.req("BI-6")
def test_the_overdue_persons_payment_is_tried_again_by_the_schedule(travel):
    """A first failure like any renewal's: the banner says when the next attempt is, and it is made then."""
    call_command("seed_demo")
    subscription = live_subscription(User.objects.get(email="pastdue@palier.test").personal_account.pk)
    assert subscription is not None
    notice = overdue_notice(subscription, now=database_now())
    assert notice is not None
    assert notice.next_attempt_at is not None
    wait = timedelta(days=overdue_policy().retry_days[0])
    assert abs(notice.next_attempt_at - notice.since - wait) < timedelta(minutes=1)
    travel.by(days=wait.days, minutes=5)
    subscription_refresh(stripe_subscription_id=str(subscription.stripe_subscription_id))
    (owed,) = unpaid_invoices(subscription)
    assert owed.attempts == 2
    assert owed.next_attempt_at is not None
