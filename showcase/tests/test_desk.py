"""The desk's page: answers are counted once, refusals explain themselves and count nothing."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from django.test import Client

from accounts.models import User
from common import clock
from quotas.metering import Metering
from quotas.selectors import quota_status
from quotas.services import Phase, entitlements_replace
from quotas.tests.test_races import at_once
from showcase.models import ChatMessage
from showcase.tests.conftest import LIMITS


@pytest.fixture
def desk(caller_with):
    """Somebody at the desk who may send 3 messages a day."""

    def sit_down(*names: str, **options: object) -> tuple[Client, User]:
        caller_with(*names, **options)
        user = User.objects.latest("pk")
        client = Client()
        client.force_login(user)
        return client, user

    return sit_down


def used(user: User) -> int:
    return sum(bound.used for bound in quota_status(account_id=user.personal_account.pk, metric="messages"))


def key() -> str:
    return uuid.uuid4().hex


@pytest.mark.req("QU-1", "QU-2")
def test_at_the_limit_the_refusal_stands_in_place_of_the_answer(desk):
    client, user = desk("messages")
    for _ in range(3):
        answer = client.post("/chat/", {"text": "Where is Venus?", "key": key()})
        assert (answer.status_code, answer["Location"]) == (302, "/chat/#newest")
    answer = client.post("/chat/", {"text": "Where is Mars?", "key": key()})
    page = answer.content.decode()
    assert answer.status_code == 429
    assert "You have reached the limit of your plan." in page
    assert "Where is Mars?</textarea>" in page, "the question is kept"
    assert used(user) == 3
    assert ChatMessage.objects.count() == 3


@pytest.mark.req("QU-1", "QU-7")
def test_the_same_press_twice_is_one_answer_and_counts_once(desk):
    client, user = desk("messages")
    form = {"text": "Where is Venus?", "key": key()}
    assert [client.post("/chat/", form).status_code for _ in range(2)] == [302, 302]
    assert used(user) == 1
    assert ChatMessage.objects.count() == 1


@pytest.mark.req("QU-1", "QU-7")
def test_the_same_press_eight_times_at_once_is_one_answer_and_counts_once(desk):
    """A finger that trembles, or a browser that sends again: the rivals meet at the counter, none of them counts twice."""
    client, user = desk("messages")
    form = {"text": "Where is Venus?", "key": key()}

    def press(_):
        own = Client()
        own.cookies = client.cookies
        return own.post("/chat/", form).status_code

    assert set(at_once(8, press)) <= {302, 429}
    assert client.post("/chat/", form).status_code == 302
    assert (ChatMessage.objects.count(), used(user)) == (1, 1)


@pytest.mark.req("QU-1", "QU-7")
def test_a_form_sent_again_is_refused_until_there_is_room_and_then_answered_once(desk):
    client, user = desk("messages")
    for _ in range(3):
        client.post("/chat/", {"text": "Where is Venus?", "key": key()})
    form = {"text": "Where is Mars?", "key": key()}
    assert [client.post("/chat/", form).status_code for _ in range(3)] == [429, 429, 429]
    now = clock.database_now()
    entitlements_replace(
        account_id=user.personal_account.pk,
        source="default",
        source_ref="test",
        timeline=[Phase(now, limits=(replace(LIMITS["messages"], limit_units=10),))],
        now=now,
    )
    assert [client.post("/chat/", form).status_code for _ in range(2)] == [302, 302]
    assert used(user) == 4
    assert ChatMessage.objects.filter(text="Where is Mars?").count() == 1


@pytest.mark.req("QU-7")
def test_an_answer_kept_before_a_crash_is_counted_when_the_form_is_sent_again(desk, monkeypatch):
    """The process dies between keeping the answer and settling its unit."""
    client, user = desk("messages")
    form = {"text": "Where is Venus?", "key": key()}

    class Killed(BaseException):
        pass

    def killed(self: Metering) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Metering, "finish", killed)
        with pytest.raises(Killed):
            client.post("/chat/", form)
    assert (ChatMessage.objects.count(), used(user)) == (1, 0)
    assert [client.post("/chat/", form).status_code for _ in range(2)] == [302, 302]
    assert (ChatMessage.objects.count(), used(user)) == (1, 1)


def test_a_form_key_that_is_somebody_elses_message_tells_nothing(desk):
    client, _user = desk("messages")
    client.post("/chat/", {"text": "Where is Venus?", "key": key()})
    theirs = ChatMessage.objects.get()
    stranger, user = desk("messages")
    assert stranger.post("/chat/", {"text": "Where is Venus?", "key": theirs.pk.hex}).status_code == 302
    assert used(user) == 1
    assert ChatMessage.objects.count() == 2


def test_another_question_in_an_old_form_is_another_question(desk):
    client, user = desk("messages")
    old = key()
    client.post("/chat/", {"text": "Where is Venus?", "key": old})
    client.post("/chat/", {"text": "Where is Mars?", "key": old})
    assert used(user) == 2
    assert set(ChatMessage.objects.values_list("text", flat=True)) == {"Where is Venus?", "Where is Mars?"}


@pytest.mark.req("QU-1")
def test_a_failure_counts_nothing(desk, settings):
    settings.SANDBOX = True
    client, user = desk("messages")
    client.raise_request_exception = False
    assert client.post("/chat/", {"text": "/fail", "key": key()}).status_code == 500
    assert used(user) == 0


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001])
def test_what_is_no_question_is_said_at_the_field_and_counts_nothing(desk, text):
    client, user = desk("messages")
    answer = client.post("/chat/", {"text": text, "key": key()})
    assert answer.status_code == 422
    assert 'class="errorlist"' in answer.content.decode()
    assert used(user) == 0


@pytest.mark.req("AC-7")
def test_without_a_plan_the_way_to_one_is_shown(desk):
    client, _user = desk()
    answer = client.post("/chat/", {"text": "Where is Venus?", "key": key()})
    assert answer.status_code == 402
    assert "/account/billing/plans/" in answer.content.decode()
    assert ChatMessage.objects.count() == 0


def test_only_plans_with_history_show_what_was_said_before(desk):
    client, user = desk("messages")
    client.post("/chat/", {"text": "Where is Venus?", "key": key()})
    assert "Where is Venus?</p>" in client.get("/chat/").content.decode()
    later = Client()
    later.force_login(user)
    assert "Where is Venus?</p>" not in later.get("/chat/").content.decode()
    now = clock.database_now()
    timeline = [Phase(now, limits=(LIMITS["messages"],), features=("history",))]
    entitlements_replace(
        account_id=user.personal_account.pk, source="default", source_ref="test", timeline=timeline, now=now
    )
    assert "Where is Venus?</p>" in later.get("/chat/").content.decode()
