"""Rate limits answer 429 with headers that agree; without Redis requests pass, which is counted."""

import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path
from rest_framework.response import Response

from accounts.tests.factories import bearer, make_person
from common import ratelimit
from common.api import ApiView
from common.callers import client_ip
from common.metrics import rate_limit_unavailable_total

pytestmark = [pytest.mark.django_db, pytest.mark.req("PC-7", "EN-8")]

calls: list[str] = []
LIMITS = {
    "global": ("1000/3600", "everyone"),
    "user": ("3/3600", "caller"),
    "tight": ("2/3600", "caller"),
    "second": ("1/1", "caller"),
}


class LimitedView(ApiView):
    rate_limits = ("global", "user", "tight")

    def post(self, request: Any) -> Response:
        calls.append("effect")
        return Response({})


class SecondView(LimitedView):
    rate_limits = ("second",)


@ratelimit.ratelimited("user")
def page(request: HttpRequest) -> HttpResponse:
    calls.append("effect")
    return HttpResponse("ok")


urlpatterns = [
    path("v1/limited", LimitedView.as_view()),
    path("v1/second", SecondView.as_view()),
    path("page", page),
    path("", include("config.urls")),
]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    calls.clear()
    ratelimit._redis.reset()
    caches["rate_limits"].clear()
    with override_settings(ROOT_URLCONF=__name__, RATE_LIMITS=LIMITS):
        yield
    ratelimit._redis.reset()


def listed(header: str) -> dict[str, dict[str, int]]:
    """A structured list of strings with integer parameters, as RFC 9651 writes it."""
    items = [re.fullmatch(r'"([a-z_]+)"((?:;[a-z]=\d+)+)', item) for item in header.split(", ")]
    return {
        item[1]: {name: int(value) for name, value in re.findall(r";([a-z])=(\d+)", item[2])}
        for item in items
        if item
    }


def test_headers_count_down_and_agree(client: Client) -> None:
    headers = bearer(make_person())
    answers = [client.post("/v1/limited", content_type="application/json", **headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [listed(answer["RateLimit"])["tight"]["r"] for answer in answers] == [1, 0, 0]
    assert listed(answers[0]["RateLimit-Policy"]) == {
        "global": {"q": 1000, "w": 3600},
        "user": {"q": 3, "w": 3600},
        "tight": {"q": 2, "w": 3600},
    }
    refused = answers[2]
    error = refused.json()["error"]
    assert (error["code"], error["details"]["limit"]) == ("rate_limited", "tight")
    assert 1 <= int(refused["Retry-After"]) <= 3600
    assert int(refused["Retry-After"]) == listed(refused["RateLimit"])["tight"]["t"]
    assert int(refused["Retry-After"]) == error["details"]["retry_after_s"]
    assert "Retry-After" not in answers[0]
    assert len(calls) == 2


def test_one_caller_does_not_use_up_anothers(client: Client) -> None:
    first, second = bearer(make_person()), bearer(make_person())
    for _ in range(3):
        client.post("/v1/limited", content_type="application/json", **first)
    assert client.post("/v1/limited", content_type="application/json", **second).status_code == 200


def test_a_window_of_one_second_is_retried_after_one(client: Client) -> None:
    headers = bearer(make_person())
    refused = [
        r
        for r in (client.post("/v1/second", content_type="application/json", **headers) for _ in range(8))
        if r.status_code == 429
    ]
    assert refused
    assert {r["Retry-After"] for r in refused} == {"1"}


def test_a_window_that_ended_while_it_was_counted_is_retried_after_a_second(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = {"count": 2, "limit": 1, "should_limit": True, "time_left": -1}
    monkeypatch.setattr(ratelimit, "get_usage", lambda *_args, **_more: over)
    refused = client.get("/page")
    assert (refused.status_code, refused["Retry-After"]) == (429, "1")


def test_pages_are_limited_with_a_page(client: Client) -> None:
    answers = [client.get("/page") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert "RateLimit" in answers[0]
    assert answers[3]["Content-Type"].startswith("text/html")
    assert int(answers[3]["Retry-After"]) == listed(answers[3]["RateLimit"])["user"]["t"]
    assert len(calls) == 3


@pytest.fixture
def no_redis() -> Iterator[None]:
    """Redis's address with nobody there."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        entry = {
            "BACKEND": "common.cache.CountingRedisCache",
            "LOCATION": address,
            "KEY_PREFIX": "palier",
            "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.5, "SOCKET_TIMEOUT": 0.5},
        }
        forgiving = entry | {"BACKEND": "common.cache.ForgivingRedisCache"}
        with override_settings(CACHES={"default": forgiving, "rate_limits": entry}):
            yield


def test_without_redis_requests_pass_and_are_counted(client: Client, no_redis: None) -> None:
    headers = bearer(make_person())
    before = rate_limit_unavailable_total._value.get()
    answers = [client.post("/v1/limited", content_type="application/json", **headers) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0]
    assert ratelimit._redis.is_open
    assert rate_limit_unavailable_total._value.get() - before == 15
    assert len(calls) == 5


def test_without_redis_people_can_sign_in(client: Client, no_redis: None) -> None:
    from accounts.tests.factories import PASSWORD

    person = make_person()
    answer = client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    assert answer.status_code == 302
    assert client.session["_auth_user_id"] == str(person.pk)


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        (1, "10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        (2, "10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (2, "10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (1, "10.0.0.1", "", "10.0.0.1"),
        (1, "10.0.0.1", "nonsense", "unknown"),
        (0, "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::"),
        (0, "", "", "unknown"),
    ],
)
def test_client_ip(proxies: int, remote: str, forwarded: str, expected: str) -> None:
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded}
    with override_settings(PROXY_COUNT=proxies):
        assert client_ip(request) == expected
