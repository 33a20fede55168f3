"""Personas: a capacity, counted exactly through failures and repetition, and exports that a feature opens."""

import uuid
from datetime import timedelta

import pytest

from billing.stored import stored_things
from common import outbox
from common.clock import database_now
from common.models import IdempotencyRecord
from quotas.models import Bucket, UsageRecord
from showcase import keeping
from showcase.models import Persona

pytestmark = pytest.mark.req("QU-3", "QU-1")

PERSONAS = "/v1/personas"


def make(client, name="Ada", *, traits=("curious",), **headers):
    return client.post(PERSONAS, {"name": name, "traits": traits}, format="json", **headers)


def used(client, metric="personas"):
    """(used, reserved) over the account's counters of a metric."""
    buckets = Bucket.objects.filter(account=client.account, metric__code=metric)
    return sum(b.used_units for b in buckets), sum(b.reserved_units for b in buckets)


def names(client):
    return [row["name"] for row in client.get(PERSONAS).json()["data"]]


def test_a_persona_is_made_listed_and_counted(caller):
    response = make(caller)
    assert response.status_code == 201, response.content
    data = response.json()["data"]
    assert (data["name"], data["traits"], data["archived_at"]) == ("Ada", ["curious"], None)
    assert (response["X-Quota-Limit"], response["X-Quota-Remaining"]) == ("2", "1")
    assert caller.get(PERSONAS).json()["data"] == [data]
    assert caller.get(f"{PERSONAS}/{data['id']}").json()["data"] == data
    assert used(caller) == (1, 0)


@pytest.mark.parametrize(
    "traits", ["warm and curious", [], ["a", "b"], {"tone": "warm", "age": 30}, 7, False]
)
def test_traits_come_back_as_they_were_given(caller, traits):
    assert make(caller, traits=traits).json()["data"]["traits"] == traits


def test_traits_may_be_left_out(caller):
    response = caller.post(PERSONAS, {"name": "Ada"}, format="json")
    assert response.json()["data"]["traits"] == {}


@pytest.mark.req("QU-2")
def test_there_are_never_more_than_the_plan_holds(caller):
    assert [make(caller).status_code for _ in range(4)] == [201, 201, 429, 429]
    response = make(caller)
    error = response.json()["error"]
    assert (error["code"], error["details"]["metric"], error["details"]["limit"]) == (
        "quota_exceeded",
        "personas",
        2,
    )
    assert error["details"]["reset_at"] is None
    assert (used(caller), Persona.objects.count()) == ((2, 0), 2)


def test_removing_one_makes_room_at_once(caller):
    first = make(caller).json()["data"]["id"]
    make(caller)
    response = caller.delete(f"{PERSONAS}/{first}")
    assert (response.status_code, response.content) == (204, b"")
    assert used(caller) == (1, 0)
    assert make(caller, "Grace").status_code == 201
    assert names(caller) == ["Grace", "Ada"]


def test_removing_twice_gives_back_once(caller):
    first = make(caller).json()["data"]["id"]
    make(caller)
    assert [caller.delete(f"{PERSONAS}/{first}").status_code for _ in range(2)] == [204, 404]
    assert used(caller) == (1, 0)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, [("name", "required")]),
        ({"name": " "}, [("name", "blank")]),
        ({"name": "x" * 81}, [("name", "max_length")]),
        ({"name": 7, "traits": None}, [("name", "invalid"), ("traits", "null")]),
        ({"name": "Ada", "traits": "x" * 4_000}, [("traits", "max_length")]),
        ({"name": "Ada", "nmae": "Ada"}, [("nmae", "unknown_field")]),
    ],
)
def test_what_is_no_persona_is_refused_and_counts_nothing(caller, body, fields):
    response = caller.post(PERSONAS, body, format="json")
    assert response.status_code == 422
    told = [(field["field"], field["code"]) for field in response.json()["error"]["details"]["fields"]]
    assert told == fields
    assert (used(caller), Persona.objects.count(), UsageRecord.objects.count()) == ((0, 0), 0, 0)


def test_nul_is_refused(caller):
    raw = b'{"name": "Ada", "traits": {"a": "\\u0000"}}'
    response = caller.generic("POST", PERSONAS, raw, content_type="application/json")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "malformed_request")
    assert (used(caller), Persona.objects.count()) == ((0, 0), 0)


@pytest.mark.req("EN-11")
@pytest.mark.parametrize(("method", "suffix"), [("get", ""), ("delete", ""), ("post", "/export")])
def test_a_strangers_persona_answers_as_an_unknown_one(caller, caller_with, method, suffix):
    theirs = make(caller_with("personas")).json()["data"]["id"]
    answers = [
        getattr(caller, method)(
            f"{PERSONAS}/{persona_id}{suffix}", format="json", HTTP_X_REQUEST_ID="request-1234"
        )
        for persona_id in (theirs, uuid.uuid4())
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert Persona.objects.filter(pk=theirs).exists()
    assert used(caller, "exports") == (0, 0)


def test_the_same_key_makes_one_persona(caller):
    first, again = (
        caller.post(PERSONAS, {"name": "Ada"}, format="json", HTTP_IDEMPOTENCY_KEY="once") for _ in range(2)
    )
    assert first.content == again.content
    assert (used(caller), Persona.objects.count()) == ((1, 0), 1)


def test_a_persona_that_cannot_be_kept_is_not_counted(caller, monkeypatch):
    def fail(*_args, **_kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(Persona, "save", fail)
    assert make(caller).status_code == 500
    assert (used(caller), Persona.objects.count()) == ((0, 0), 0)


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


@pytest.mark.parametrize("point", ["before counting", "before keeping"])
def test_the_second_look_mends_what_a_crash_left_while_making(caller, monkeypatch, point):
    def die(*_args, **_kwargs):
        raise Killed

    with monkeypatch.context() as crash:
        crash.setattr(keeping, "_take_back", die)  # what would clean up dies as well
        crash.setattr(*((keeping, "_take") if point == "before counting" else (Persona, "save")), die)
        with pytest.raises(Killed):
            keeping.persona_create(account=caller.account, name="Ada", traits={}, now=database_now())
    assert used(caller)[0] == (0 if point == "before counting" else 1)
    outbox.run_due(now=database_now() + keeping.SECOND_LOOK)
    assert (used(caller), Persona.objects.count()) == ((0, 0), 0)


@pytest.mark.req("QU-7")
def test_run_again_after_a_crash_the_same_key_makes_one_and_counts_one(caller):
    """The process died after making it, before its answer was kept: who repeats the call takes the claim over."""
    first = make(caller, HTTP_IDEMPOTENCY_KEY="once")
    IdempotencyRecord.objects.update(
        completed_at=None, status=None, body=None, locked_until=database_now() - timedelta(seconds=1)
    )
    again = make(caller, HTTP_IDEMPOTENCY_KEY="once")
    assert [first.status_code, again.status_code] == [201, 201]
    assert first.json()["data"]["id"] == again.json()["data"]["id"]
    assert (Persona.objects.count(), used(caller)) == (1, (1, 0))


def test_the_second_look_mends_what_a_crash_left_while_removing(caller, monkeypatch):
    persona_id = uuid.UUID(make(caller).json()["data"]["id"])

    def die(**_kwargs):
        raise Killed

    with monkeypatch.context() as crash:
        crash.setattr(keeping, "persona_count", die)
        with pytest.raises(Killed):
            keeping.persona_delete(account_id=caller.account.pk, persona_id=persona_id, now=database_now())
    assert (used(caller), Persona.objects.count()) == ((1, 0), 0)
    outbox.run_due(now=database_now())
    assert used(caller) == (0, 0)


def test_the_second_look_leaves_what_is_right_alone(caller):
    make(caller)
    caller.delete(f"{PERSONAS}/{make(caller).json()['data']['id']}")
    assert [make(caller).status_code for _ in range(2)] == [201, 429]
    outbox.run_due(now=database_now() + keeping.SECOND_LOOK)
    assert (used(caller), Persona.objects.count()) == ((2, 0), 2)


@pytest.mark.broken_books
def test_the_books_find_a_persona_that_was_not_counted(caller):
    Persona.objects.create(
        account=caller.account, name="Ada", traits={}, created_at=database_now(), unit_key="persona-uncounted"
    )


@pytest.mark.req("PC-10")
def test_billing_hears_which_personas_count_the_oldest_first(caller):
    ids = [make(caller, name).json()["data"]["id"] for name in ("Ada", "Grace")]
    assert stored_things(caller.account.pk, "personas") == [
        {"id": ids[0], "name": "Ada"},
        {"id": ids[1], "name": "Grace"},
    ]


def test_an_export_is_counted(caller):
    data = make(caller).json()["data"]
    response = caller.post(f"{PERSONAS}/{data['id']}/export", format="json")
    assert response.status_code == 200
    assert response.json()["data"]["persona"] == data
    assert used(caller, "exports") == (1, 0)
    refused = caller.post(f"{PERSONAS}/{data['id']}/export", format="json")
    assert (refused.status_code, refused.json()["error"]["details"]["window"]) == (429, "month")
    assert used(caller, "exports") == (1, 0)


@pytest.mark.req("QU-8")
def test_an_export_needs_its_feature(caller_with):
    person = caller_with("personas", "exports")
    data = make(person).json()["data"]
    response = person.post(f"{PERSONAS}/{data['id']}/export", format="json")
    assert (response.status_code, response.json()["error"]["code"]) == (403, "feature_not_in_plan")
    assert used(person, "exports") == (0, 0)
