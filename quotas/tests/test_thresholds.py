"""Each threshold of each counter is told once, to those whom it concerns, however the calls come."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection

from accounts.inbox import inbox
from accounts.models import Membership, Notification, Role, User
from accounts.notifications.messages import message_of
from accounts.tests.factories import account_of as own_account
from accounts.tests.factories import make_person
from common import clock, outbox
from quotas import thresholds
from quotas.engine.touched import Touched, take, touched
from quotas.services import LimitSpec, usage_consume
from quotas.tests.conftest import give
from quotas.tests.test_races import at_once
from quotas.thresholds import IN_TURN, TOUCHED, page_of, thresholds_notify

pytestmark = [pytest.mark.req("NO-1")]


@pytest.fixture(autouse=True)
def _nothing_touched(committed_db):
    forget()


def forget() -> None:
    """Redis loses the set, and the process what it has not told yet."""
    touched.tell()
    list(take())


@pytest.fixture
def nobodys_turn(monkeypatch):
    """Only who was touched is looked at."""
    monkeypatch.setattr(thresholds, "page_of", lambda now: {"first": 0, "last": 0})


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
    touched.add([own_account(person).pk])
    assert look() == [80, 95, 100]


def test_several_passed_in_one_look_are_told_in_their_order(person):
    """Whatever ids they get, the mails and the inbox have them ascending, the newest the highest."""
    person.usage_thresholds = [95, 20, 60]
    person.save()
    use(person, 100)
    thresholds_notify(now=clock.database_now())
    assert [one.context["threshold"] for one in inbox(person)] == [100, 95, 60, 20]
    assert [outbox.run_due(now=clock.now()), len(mail.outbox)] == [4, 4]
    assert [found for one in mail.outbox for found in re.findall(r"\d+(?=%)|reached", one.subject)] == [
        "20",
        "60",
        "95",
        "reached",
    ]


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
@pytest.mark.broken_books
def test_a_contracts_limit_is_its_own_kind(account_with):
    """The limit without its contract, which the books miss: contracts are of a room above."""
    account = account_with()
    owner = make_person()
    Membership.objects.create(account=account, user=owner, role=Role.OWNER)
    give(account, LimitSpec("messages", "day", 10), source="contract")
    usage_consume(account_id=account.pk, metric="messages", units=8)
    assert look() == [80]
    assert Notification.objects.get().kind == "contract_limit"


def test_who_is_touched_is_looked_at_at_once(person, nobodys_turn):
    use(person, 80)
    assert touched.tell()
    assert look() == [80]
    use(person, 15)
    assert touched.tell()
    assert look() == [80, 95]
    assert list(take()) == []


def test_a_lost_set_is_made_good_by_whose_turn_it_is(person, monkeypatch):
    """A crash, or a flushed Redis: the account's page comes up all the same."""
    use(person, 100)
    forget()
    # Few pages: all have had their turn long before the day, and with it the use, is over.
    size = max(own_account(person).pk // 4, 1)
    monkeypatch.setattr(thresholds, "page_of", lambda now: page_of(now, size=size))
    start = clock.database_now()
    for turn in range(6):
        thresholds_notify(now=start + timedelta(seconds=10 * turn))
    assert look() == [80, 95, 100]


@pytest.mark.parametrize("accounts", [1, 2, 7])
def test_everybody_has_a_turn(person, accounts):
    for _ in range(accounts):
        make_person()
    start = clock.database_now()
    pages = [
        page_of(start + timedelta(seconds=10 * turn), size=2) for turn in range(own_account(person).pk + 30)
    ]
    turns = {one for page in pages for one in range(page["first"], page["last"] + 1)}
    assert set(User.objects.values_list("personal_account", flat=True)) <= turns


def test_without_redis_it_is_the_turn_that_counts(person, monkeypatch):
    def away():
        raise ConnectionError("no Redis")

    with monkeypatch.context() as gone:
        gone.setattr("quotas.engine.touched._redis", away)
        assert use(person, 80).allowed
        assert not touched.tell()
        assert look() == [80]
    forget()


def test_what_could_not_be_told_is_told_later(nobodys_turn, person, monkeypatch):
    own = Touched()

    def away():
        raise ConnectionError("no Redis")

    forget()
    with monkeypatch.context() as gone:
        gone.setattr("quotas.engine.touched._redis", away)
        own.add([own_account(person).pk])
        assert not own.tell()
    own.add([own_account(person).pk, 77])
    assert own.tell()
    assert sorted(one for portion in take() for one in portion) == sorted([own_account(person).pk, 77])


def test_telling_ends_when_what_another_thread_took_is_told(monkeypatch):
    own, taken, go_on, told = Touched(), threading.Event(), threading.Event(), []

    class Slow:
        def sadd(self, _name, *ids):
            taken.set()
            assert go_on.wait(20)
            told.extend(ids)

    monkeypatch.setattr("quotas.engine.touched._redis", Slow)
    own._ids = {7}
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(own.tell)
        assert taken.wait(20)
        second = pool.submit(own.tell)
        ended, _ = wait([second], timeout=0.2)
        go_on.set()
        assert first.result()
        assert second.result()
    assert (ended, told) == (set(), [7])


def test_a_look_that_fails_puts_back_whom_it_took(person, monkeypatch):
    use(person, 80)
    touched.tell()

    def fail(*_args, **_kwargs):
        raise RuntimeError("in the middle")

    with monkeypatch.context() as broken:
        broken.setattr(thresholds, "notify", fail)
        with pytest.raises(RuntimeError):
            thresholds_notify(now=clock.database_now())
    assert list(take()) == [[own_account(person).pk]]


def test_more_than_are_read_at_a_time(account_with):
    for n in range(5):
        user = make_person(email=f"many{n}@example.test")
        give(own_account(user), LimitSpec("messages", "day", 10))
        use(user, 10)
    thresholds_notify(now=clock.database_now(), limit=2)
    assert Notification.objects.count() == 15


@pytest.mark.parametrize(
    ("sql", "whose"), [(TOUCHED, {"accounts": [1, 2]}), (IN_TURN, {"first": 1, "last": 5000})]
)
def test_no_look_reads_a_whole_table(person, sql, whose):
    """Every table is entered by an index; with few rows PostgreSQL would rather not, so it is told not to."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(
            f"EXPLAIN {sql}", {**whose, "now": clock.database_now(), "limit": 10, "smallest": 1, "roles": []}
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    assert "Seq Scan" not in plan.replace("Seq Scan on quotas_metric", "")
    assert "bucket_once" in plan


def test_the_turns_go_as_beat_looks(settings):
    """Otherwise pages would be left out, the same ones each time."""
    assert settings.CELERY_BEAT_SCHEDULE["thresholds-notify"]["schedule"] == thresholds.LOOK_EVERY_S
