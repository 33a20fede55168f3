"""Each threshold of each counter is told once, to those whom it concerns, however the calls come."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache

from accounts.models import Membership, Notification, Role, User
from accounts.notifications.messages import message_of
from accounts.tests.factories import account_of as own_account
from accounts.tests.factories import make_person
from common import clock, outbox
from quotas.services import LimitSpec, usage_consume
from quotas.tests.conftest import give
from quotas.tests.test_races import at_once
from quotas.thresholds import SEEN_UNTIL, thresholds_notify

pytestmark = [pytest.mark.req("NO-1")]


@pytest.fixture(autouse=True)
def _nothing_seen(committed_db):
    cache.delete(SEEN_UNTIL)


@pytest.fixture
def person(metrics) -> User:
    user = make_person(email="ada@example.test")
    give(own_account(user), LimitSpec("messages", "day", 100))
    return user


def use(user: User, units: int = 1):
    return usage_consume(account_id=own_account(user).pk, metric="messages", units=units)


def look() -> list[int]:
    """Looks once; the thresholds told so far, in order."""
    thresholds_notify(now=clock.database_now())
    return sorted(one.context["threshold"] for one in Notification.objects.all())


def test_each_threshold_once_as_it_is_passed(person):
    use(person, 79)
    assert look() == []
    use(person)
    assert look() == [80]
    use(person, 14)
    assert look() == [80]
    use(person)
    assert look() == [80, 95]
    use(person, 5)
    assert look() == [80, 95, 100]
    use(person)
    cache.delete(SEEN_UNTIL)  # Redis forgot: what was told is known all the same
    assert look() == [80, 95, 100]


def test_sixty_four_at_once_over_all_three(person):
    """Crossing 80, 95 and 100 % with parallel calls, while two workers look."""
    use(person, 60)
    answers = at_once(64, lambda i: look() if i % 16 == 0 else use(person).allowed)
    assert answers.count(True) == 40
    assert not [one for one in answers if isinstance(one, Exception)]
    assert look() == [80, 95, 100]
    outbox.run_due(now=clock.database_now() + timedelta(minutes=1))
    # By the time of a look more may be used than the threshold: then it says "more than".
    assert sorted(one.subject.replace("more than ", "") for one in mail.outbox) == [
        "Messages: 80% of the limit is used",
        "Messages: 95% of the limit is used",
        "Messages: the limit is reached",
    ]


def said(threshold: int) -> tuple[str, list[str]]:
    told = Notification.objects.get(cause__endswith=f":{threshold}")
    words = message_of(told.template, told.context)
    return words.subject, list(words.lines)


def test_one_call_over_several_thresholds_says_of_each_what_is_true(person):
    give(own_account(person), LimitSpec("messages", "day", 5))
    use(person, 5)
    assert look() == [80, 95, 100]
    refused = "Further calls are refused until it starts again"
    for threshold in (80, 95):
        subject, lines = said(threshold)
        assert subject == f"Messages: more than {threshold}% of the limit is used"
        assert lines[0] == (
            f"Your alert at {threshold}% is passed, and the limit itself is reached: 5 of 5 are used."
        )
        assert lines[1].startswith(refused)
    subject, lines = said(100)
    assert (subject, lines[0]) == ("Messages: the limit is reached", "You have used 5 of 5.")


def test_what_is_past_a_threshold_is_said_to_be(person):
    use(person, 87)
    assert look() == [80]
    assert said(80)[0] == "Messages: more than 80% of the limit is used"
    assert said(80)[1][0] == "Your alert at 80% is passed: 87 of 100 are used, which is 87%."
    use(person, 8)
    look()
    assert said(95) == ("Messages: 95% of the limit is used", ["You have used 95 of 100.", said(80)[1][1]])


def test_a_persons_own_thresholds(person):
    User.objects.filter(pk=person.pk).update(usage_thresholds=[10])
    use(person, 95)
    assert look() == [10]
    use(person, 5)
    assert look() == [10, 100]


def test_a_new_window_is_told_anew(person, monkeypatch):
    use(person, 100)
    assert look() == [80, 95, 100]
    Notification.objects.all().delete()
    thresholds_notify(now=clock.database_now() + timedelta(days=2))
    assert not Notification.objects.exists(), "a window that is over concerns nobody"


def test_unlimited_and_nothing_allowed_tell_nothing(person):
    give(own_account(person), LimitSpec("messages", "day", None))
    use(person, 1000)
    give(own_account(person), LimitSpec("messages", "day", 0))
    assert not use(person).allowed
    assert look() == []


def test_an_organisations_owners_and_administrators(account_with):
    account = account_with(day=10)
    owner, member = make_person(), make_person()
    Membership.objects.create(account=account, user=owner, role=Role.OWNER)
    Membership.objects.create(account=account, user=member, role=Role.VIEWER)
    usage_consume(account_id=account.pk, metric="messages", units=9)
    assert look() == [80]
    assert Notification.objects.get().user == owner


@pytest.mark.req("NO-2")
def test_a_contracts_limit_is_its_own_kind(account_with):
    account = account_with()
    owner = make_person()
    Membership.objects.create(account=account, user=owner, role=Role.OWNER)
    give(account, LimitSpec("messages", "day", 10), source="contract")
    usage_consume(account_id=account.pk, metric="messages", units=8)
    assert look() == [80]
    assert Notification.objects.get().kind == "contract_limit"
