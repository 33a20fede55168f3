"""The chat over HTTP: what it answers, what it counts, and what counts nothing."""

from datetime import timedelta

import pytest

from accounts.models import Language
from common.clock import database_now
from common.models import IdempotencyRecord
from quotas.models import Bucket, Reservation, UsageRecord
from showcase.models import ChatMessage
from showcase.oracle import answer

pytestmark = pytest.mark.req("QU-1", "QU-8")

CHAT = "/v1/chat/messages"


def send(client, body, **headers):
    return client.post(CHAT, body, format="json", **headers)


def use_of(client):
    """(used, reserved) of the account's messages, and its records and messages."""
    buckets = Bucket.objects.filter(account=client.account, metric__code="messages")
    records = UsageRecord.objects.filter(account_id=client.account.pk).count()
    kept = ChatMessage.objects.filter(account=client.account).count()
    return [(b.used_units, b.reserved_units) for b in buckets], records, kept


def assert_nothing_moved(client):
    buckets, records, kept = use_of(client)
    assert (sum(used for used, _ in buckets), sum(held for _, held in buckets)) == (0, 0)
    assert (records, kept) == (0, 0)
    assert not Reservation.objects.filter(account_id=client.account.pk, status="open").exists()


def test_a_message_is_answered_kept_and_counted(caller):
    response = send(caller, {"text": "Where is Venus on 2027-01-31?"})
    assert response.status_code == 200, response.content
    data = response.json()["data"]
    assert data["text"] == "Where is Venus on 2027-01-31?"
    assert data["reply"] == answer("Venus 2027-01-31", language="en", at=database_now())
    assert {
        name: data["quota"][name] for name in ("metric", "window", "limit", "used", "reserved", "remaining")
    } == {
        "metric": "messages",
        "window": "day",
        "limit": 3,
        "used": 1,
        "reserved": 0,
        "remaining": 2,
    }
    assert (response["X-Quota-Limit"], response["X-Quota-Remaining"]) == ("3", "2")
    assert use_of(caller) == ([(1, 0)], 1, 1)
    kept = ChatMessage.objects.get()
    assert (str(kept.pk), kept.reply, kept.user) == (data["id"], data["reply"], caller.user)


def test_the_reply_is_in_the_users_language(caller_with):
    french = caller_with("messages", language=Language.FRENCH)
    assert "se trouve à" in send(french, {"text": "Vénus"}).json()["data"]["reply"]


@pytest.mark.req("QU-2")
def test_past_the_limit_nothing_is_answered(caller):
    for _ in range(3):
        assert send(caller, {"text": "Moon"}).status_code == 200
    response = send(caller, {"text": "Moon"})
    assert response.status_code == 429
    error = response.json()["error"]
    assert error["code"] == "quota_exceeded"
    assert {
        name: error["details"][name] for name in ("metric", "limit", "used", "remaining", "requested")
    } == {
        "metric": "messages",
        "limit": 3,
        "used": 3,
        "remaining": 0,
        "requested": 1,
    }
    assert int(response["Retry-After"]) > 0
    assert use_of(caller) == ([(3, 0)], 3, 3)


def test_without_a_subscription_nothing_is_answered(caller_with):
    nobody = caller_with()
    response = send(nobody, {"text": "Moon"})
    assert (response.status_code, response.json()["error"]["code"]) == (402, "no_active_subscription")
    assert_nothing_moved(nobody)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "required"),
        ({"text": ""}, 422, "blank"),
        ({"text": " \n\t "}, 422, "blank"),
        ({"text": None}, 422, "null"),
        ({"text": 7}, 422, "invalid"),
        ({"text": True}, 422, "invalid"),
        ({"text": ["Moon"]}, 422, "invalid"),
        ({"text": "x" * 4_001}, 422, "max_length"),
        ({"text": "Moon", "txet": "Sun"}, 422, "unknown_field"),
    ],
)
def test_what_is_not_a_text_is_refused_and_counts_nothing(caller, body, status, code):
    response = send(caller, body)
    assert response.status_code == status
    error = response.json()["error"]
    assert error["code"] == "validation_error"
    assert [field["code"] for field in error["details"]["fields"]] == [code]
    assert_nothing_moved(caller)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"text": "a\\u0000b"}',
        b'{"text": "\\ud800"}',
        b'{"text": "\xff"}',
        b"{",
        b"[]",
        b'"text"',
        b'{"text": NaN}',
    ],
)
def test_what_cannot_be_read_is_refused_and_counts_nothing(caller, raw):
    response = caller.generic("POST", CHAT, raw, content_type="application/json")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "malformed_request")
    assert_nothing_moved(caller)


def test_four_thousand_characters_are_fine_in_any_script(caller):
    response = send(caller, {"text": "🌙" * 4_000})
    assert response.status_code == 200
    assert ChatMessage.objects.get().text == "🌙" * 4_000


def test_the_sandbox_can_make_it_fail_which_counts_nothing(caller, settings):
    settings.SANDBOX = True
    response = send(caller, {"text": "/fail"})
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
    assert_nothing_moved(caller)


def test_outside_of_the_sandbox_it_is_a_text_like_any_other(caller, settings):
    settings.SANDBOX = False
    assert send(caller, {"text": "/fail"}).status_code == 200
    assert use_of(caller) == ([(1, 0)], 1, 1)


def test_the_same_key_counts_once(caller):
    first = send(caller, {"text": "Moon"}, HTTP_IDEMPOTENCY_KEY="once")
    again = send(caller, {"text": "Moon"}, HTTP_IDEMPOTENCY_KEY="once")
    assert first.content == again.content
    assert again["Idempotent-Replayed"] == "true"
    assert use_of(caller) == ([(1, 0)], 1, 1)


@pytest.mark.req("QU-7")
def test_run_again_after_a_crash_the_same_key_counts_once(caller):
    """The process died between settling the unit and keeping the answer: the key is free again, the unit is counted."""
    first = send(caller, {"text": "Moon"}, HTTP_IDEMPOTENCY_KEY="once").json()["data"]
    IdempotencyRecord.objects.update(
        completed_at=None, status=None, body=None, locked_until=database_now() - timedelta(seconds=1)
    )
    again = send(caller, {"text": "Moon"}, HTTP_IDEMPOTENCY_KEY="once")
    assert "Idempotent-Replayed" not in again, "its view ran again"
    assert {name: again.json()["data"][name] for name in ("id", "reply")} == {
        name: first[name] for name in ("id", "reply")
    }
    assert use_of(caller) == ([(1, 0)], 1, 1)


@pytest.mark.req("QU-7")
def test_what_failed_under_a_key_is_counted_when_it_succeeds(caller, settings):
    settings.SANDBOX = True
    caller.raise_request_exception = False
    assert send(caller, {"text": "/fail"}, HTTP_IDEMPOTENCY_KEY="once").status_code == 500
    assert_nothing_moved(caller)
    settings.SANDBOX = False
    again = send(caller, {"text": "/fail"}, HTTP_IDEMPOTENCY_KEY="once")
    assert again.status_code == 200
    assert use_of(caller) == ([(1, 0)], 1, 1)


def test_a_stranger_is_not_answered(client, metrics):
    response = client.post(CHAT, {"text": "Moon"}, content_type="application/json")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "not_authenticated")
    assert not UsageRecord.objects.exists()


def test_the_history_is_ones_own_newest_first(caller, caller_with):
    for text in ("Moon", "Mars"):
        send(caller, {"text": text})
    send(caller_with("messages"), {"text": "Pluto"})
    page = caller.get(CHAT, {"limit": 1}).json()
    assert [row["text"] for row in page["data"]] == ["Mars"]
    rest = caller.get(CHAT, {"cursor": page["meta"]["next_cursor"]}).json()
    assert ([row["text"] for row in rest["data"]], rest["meta"]["next_cursor"]) == (["Moon"], None)


def test_the_history_is_a_feature(caller_with):
    response = caller_with("messages").get(CHAT)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "feature_not_in_plan")
