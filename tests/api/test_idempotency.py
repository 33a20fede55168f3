"""The same key gets the same answer, and the handler runs once: also for 32 at once, also after a crash."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client, override_settings
from django.urls import include, path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response

from accounts.models import User
from accounts.tests.factories import bearer, make_person
from common import errors, idempotency
from common.api import ApiView
from common.models import IdempotencyRecord

pytestmark = [pytest.mark.req("PC-6", "QU-7")]

ran: list[str | None] = []
outcomes: list[Exception] = []  # raised by the next runs, in order
entered = threading.Event()
gate: list[threading.Event] = []  # the handler waits for these


class CountingView(ApiView):
    @extend_schema(parameters=[OpenApiParameter("a")])
    def post(self, request: Any, name: str = "") -> Response:
        ran.append(request.idempotency_key)
        entered.set()
        number = len(ran)
        for event in gate:
            assert event.wait(20)
        if outcomes:
            raise outcomes.pop(0)
        return Response({"run": number, "é": "ü"}, status=201, headers={"X-Quota-Remaining": "7"})

    get = post


class WaitingView(CountingView):
    idempotency_wait_s = 20


class ForgetfulView(CountingView):
    idempotent = False


urlpatterns = [
    path("v1/count", CountingView.as_view()),
    path("v1/count/<str:name>", CountingView.as_view()),
    path("v1/wait", WaitingView.as_view()),
    path("v1/forgetful", ForgetfulView.as_view()),
    path("", include("config.urls")),
]
handler500 = "common.pages.server_error"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for each in (ran, outcomes, gate):
        each.clear()
    entered.clear()
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.fixture
def person(db: None) -> User:
    return make_person()


Poster = Callable[..., Any]


@pytest.fixture
def post(person: User) -> Poster:
    headers = bearer(person)

    def call(key: str | None = "key-1", body: str = "{}", address: str = "/v1/count", **extra: Any) -> Any:
        sent = headers | extra | ({} if key is None else {"HTTP_IDEMPOTENCY_KEY": key})
        return Client(raise_request_exception=False).post(
            address, body, content_type="application/json", **sent
        )

    return call


def code(response: Any) -> str:
    return response.json()["error"]["code"]


def test_replay_is_byte_for_byte(post: Poster) -> None:
    first, second = post(), post()
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert second["X-Quota-Remaining"] == "7"
    assert second["Content-Type"] == first["Content-Type"]
    assert second["X-Request-Id"] == first["X-Request-Id"] == second.json()["meta"]["request_id"]
    assert ran == ["key-1"]


def test_another_key_or_none_runs_again(post: Poster) -> None:
    assert [post().json()["data"]["run"], post("key-2").json()["data"]["run"]] == [1, 2]
    assert [post(None).json()["data"]["run"], post(None).json()["data"]["run"]] == [3, 4]


@pytest.mark.parametrize(
    "change",
    [{"body": '{"a": 1}'}, {"body": "{ }"}, {"address": "/v1/count?a=1"}],
    ids=["body", "bytes", "query"],
)
def test_another_request_with_the_key_is_refused(post: Poster, change: dict[str, str]) -> None:
    post()
    response = post(**change)
    assert (response.status_code, code(response)) == (422, "idempotency_key_reused")
    assert len(ran) == 1


def test_keys_belong_to_the_caller_and_the_path(post: Poster) -> None:
    post()
    assert post(address="/v1/count/other").status_code == 201
    assert post(**bearer(make_person())).status_code == 201
    assert len(ran) == 3


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "tab\tinside", "nul\x00"])
def test_key_of_another_form_is_refused(post: Poster, key: str) -> None:
    response = post(key)
    assert (response.status_code, code(response)) == (422, "validation_error")
    assert response.json()["error"]["details"]["fields"][0]["field"] == "Idempotency-Key"
    assert (ran, IdempotencyRecord.objects.count()) == ([], 0)


@pytest.mark.parametrize("key", ["x", "x" * 255, 'with "quotes" and spaces', "~!@#$%^&*()"])
def test_key_of_the_form_is_taken(post: Poster, key: str) -> None:
    post(key)
    assert post(key)["Idempotent-Replayed"] == "true"


def test_refusal_is_kept(post: Poster) -> None:
    outcomes.append(errors.Conflict(details={"n": 1}))
    first, second = post(), post()
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert second["Idempotent-Replayed"] == "true"
    assert len(ran) == 1


@pytest.mark.parametrize(
    "error",
    [RuntimeError("bug"), errors.ServiceUnavailable(), errors.InternalError(), errors.RateLimited()],
    ids=lambda error: type(error).__name__,
)
def test_what_another_try_may_mend_is_not_kept(post: Poster, error: Exception) -> None:
    outcomes.append(error)
    assert post().status_code in (429, 500, 503)
    assert IdempotencyRecord.objects.count() == 0
    assert post().status_code == 201
    assert len(ran) == 2


def test_what_is_refused_before_the_handler_claims_nothing(post: Poster) -> None:
    for response in [post(body="{"), post(HTTP_AUTHORIZATION="Bearer no")]:
        assert response.status_code in (400, 401)
    assert (ran, IdempotencyRecord.objects.count()) == ([], 0)


def test_reading_ignores_the_key(person: User) -> None:
    for _ in range(2):
        Client().get("/v1/count", HTTP_IDEMPOTENCY_KEY="key-1", **bearer(person))
    assert (len(ran), IdempotencyRecord.objects.count()) == (2, 0)


def test_answers_with_secrets_are_not_kept(post: Poster) -> None:
    assert [post(address="/v1/forgetful").json()["data"]["run"] for _ in range(2)] == [1, 2]
    assert IdempotencyRecord.objects.count() == 0


def claim_of_a_dead_holder() -> IdempotencyRecord:
    """As left by a process that was killed while its handler ran."""
    record = IdempotencyRecord.objects.get()
    IdempotencyRecord.objects.update(completed_at=None, status=None, body=None)
    return record


def test_claim_of_the_living_is_respected(post: Poster) -> None:
    post()
    claim_of_a_dead_holder()
    response = post()
    assert (response.status_code, code(response)) == (409, "idempotency_key_in_progress")
    assert response["Retry-After"] == "1"
    assert len(ran) == 1


def test_claim_of_the_dead_is_taken_over(post: Poster) -> None:
    post()
    record = claim_of_a_dead_holder()
    IdempotencyRecord.objects.update(locked_until=record.created_at)
    assert post().json()["data"]["run"] == 2
    assert post()["Idempotent-Replayed"] == "true"
    assert len(ran) == 2


def test_who_was_overtaken_does_not_overwrite(post: Poster) -> None:
    claim = idempotency._insert_claim(idempotency.Call("user:1", "POST /v1/count", "slow", b"\0" * 32))
    assert claim is not None
    later = claim.locked_until + timedelta(seconds=1)
    IdempotencyRecord.objects.update(locked_until=later)
    idempotency._settle(claim, None)
    assert IdempotencyRecord.objects.get().locked_until == later


def test_prune(post: Poster) -> None:
    post("old")
    boundary = IdempotencyRecord.objects.get().created_at + timedelta(microseconds=1)
    post("new")
    assert idempotency.prune(before=boundary, batch=1) == 1
    assert [record.key for record in IdempotencyRecord.objects.all()] == ["new"]


def at_once(number: int, call: Callable[[], Any]) -> list[Any]:
    """Run `call` in that many threads, started together."""
    barrier = threading.Barrier(number)

    def one() -> Any:
        try:
            barrier.wait(20)
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as pool:
        return [future.result(60) for future in [pool.submit(one) for _ in range(number)]]


def test_thirty_two_at_once_wait_and_get_one_answer(committed_db: None, post: Poster) -> None:
    answers = at_once(32, lambda: post(address="/v1/wait"))
    assert ran == ["key-1"]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer for answer in answers) == 31


def test_thirty_two_at_once_that_do_not_wait_hear_in_progress(committed_db: None, post: Poster) -> None:
    opened = threading.Event()
    gate.append(opened)
    pool = ThreadPoolExecutor(1)
    holder = pool.submit(at_once, 1, post)
    try:
        assert entered.wait(20)
        refused = at_once(31, post)
    finally:
        opened.set()
    assert {(answer.status_code, code(answer)) for answer in refused} == {
        (409, "idempotency_key_in_progress")
    }
    assert holder.result(20)[0].status_code == 201
    assert post()["Idempotent-Replayed"] == "true"
    assert len(ran) == 1
    pool.shutdown()


def test_a_waiter_runs_when_the_first_fails(committed_db: None, post: Poster) -> None:
    outcomes.append(errors.ServiceUnavailable())
    answers = at_once(8, lambda: post(address="/v1/wait"))
    assert sorted(answer.status_code for answer in answers) == [201] * 7 + [503]
    assert len(ran) == 2


def test_the_dead_claim_is_taken_over_by_one(committed_db: None, post: Poster) -> None:
    post(address="/v1/wait")
    record = claim_of_a_dead_holder()
    IdempotencyRecord.objects.update(locked_until=record.created_at)
    answers = at_once(16, lambda: post(address="/v1/wait"))
    assert {answer.content for answer in answers} == {answers[0].content}
    assert json.loads(answers[0].content)["data"]["run"] == 2
    assert len(ran) == 2


def test_lost_database_after_the_effect_does_not_take_the_answer_back(
    post: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError
    from django.db.models import QuerySet

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(QuerySet, "update", fail)
    assert post().status_code == 201
    assert connection.in_atomic_block
    assert IdempotencyRecord.objects.get().completed_at is None
