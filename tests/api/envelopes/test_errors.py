"""Whoever makes an error, the API's caller reads one form: router, middleware, view, bug."""

import json
import logging
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client, override_settings

from accounts.tests.factories import bearer, make_person
from config.logging import add_request_id
from tests.api.envelopes.probe import OwnView, assert_error, post

pytestmark = [pytest.mark.django_db, pytest.mark.req("OP-5")]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("address", ["/v1/nothing/here", "/api/nothing", "/v1/"])
def test_unknown_address(client: Client, debug: bool, address: str) -> None:
    with override_settings(DEBUG=debug):
        assert_error(client.get(address), 404, "not_found")


@pytest.mark.parametrize("debug", [False, True])
def test_bug_is_a_500_that_tells_nothing(client: Client, debug: bool) -> None:
    with override_settings(DEBUG=debug):
        response = client.get("/v1/broken", headers={"X-Request-Id": "from-the-caller"})
    error = assert_error(response, 500, "internal_error")
    assert error["request_id"] == "from-the-caller"
    assert b"secret" not in response.content


def test_bug_in_a_page_is_a_page(client: Client) -> None:
    response = client.get("/pages/broken")
    assert response.status_code == 500
    assert response["Content-Type"].startswith("text/html")
    assert response["X-Request-Id"] in response.content.decode()
    assert b"secret" not in response.content


def test_domain_error_in_a_page_is_a_page(client: Client) -> None:
    response = client.get("/pages/refusing")
    assert response.status_code == 409
    assert response["Content-Type"].startswith("text/html")


def test_domain_error_of_a_plain_view_under_the_api(client: Client) -> None:
    response = client.get("/v1/refusing")
    assert json.loads(response.content)["error"]["details"] == {"why": "because"}


def test_bad_host(client: Client) -> None:
    assert_error(client.get("/v1/own", headers={"Host": "evil.example"}), 400, "malformed_request")


def test_no_token(client: Client) -> None:
    response = client.get("/v1/own")
    assert_error(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer nonsense",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "Bearer plr_live_abcdefghijklmnop",
        "Bearer a b",
        "Bearer é",
        "",
    ],
)
def test_bad_token(client: Client, header: str) -> None:
    assert_error(client.get("/v1/own", HTTP_AUTHORIZATION=header), 401, "invalid_credentials")


def test_database_gone_is_503(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    def fail(*args: Any) -> None:
        raise OperationalError("connection refused at 10.0.0.1")

    monkeypatch.setattr(OwnView, "get", fail)
    response = client.get("/v1/own", **bearer(make_person()))
    assert_error(response, 503, "service_unavailable")
    assert response["Retry-After"] == "5"
    assert b"10.0.0.1" not in response.content


@pytest.mark.parametrize(
    "inbound", ["short", "x" * 65, "with space in it", "newline\\nnewline", "émile-et-zoé", ""]
)
def test_request_id_of_another_form_is_replaced(client: Client, inbound: str) -> None:
    response = client.get("/v1/own", HTTP_X_REQUEST_ID=inbound)
    assert response["X-Request-Id"] != inbound
    assert_error(response, 401, "not_authenticated")


def test_request_id_of_the_right_form_is_kept(client: Client) -> None:
    response = client.get("/v1/own", HTTP_X_REQUEST_ID="a.B_c-1234", **bearer(make_person()))
    assert response["X-Request-Id"] == "a.B_c-1234" == response.json()["meta"]["request_id"]


def test_success_is_wrapped(client: Client) -> None:
    response = post(client, b'{"units": 3}', HTTP_ACCEPT="text/html")
    assert response.status_code == 200
    assert response.json() == {"data": {"units": 3}, "meta": {"request_id": response["X-Request-Id"]}}


def test_log_line_carries_the_answers_id_and_no_query(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    response = client.get("/v1/own?token=tell-nobody")
    finished = [
        r.msg for r in caplog.records if isinstance(r.msg, dict) and r.msg["event"] == "request_finished"
    ]
    assert [line["request_id"] for line in finished] == [response["X-Request-Id"]]
    assert "tell-nobody" not in caplog.text


def test_nul_in_an_address_is_an_unknown_address(client: Client) -> None:
    response = client.get("/v1/own/a%00b", **bearer(make_person()))
    assert_error(response, 404, "not_found")


def test_head_is_get_without_a_body(client: Client) -> None:
    response = client.head("/v1/own", **bearer(make_person()))
    assert (response.status_code, response.content) == (200, b"")
    assert response["X-Request-Id"]


@pytest.mark.parametrize("address", ["/v1/own", "/v1/broken", "/v1/nothing"])
def test_no_cache_keeps_what_the_api_says(client: Client, address: str) -> None:
    assert client.get(address, **bearer(make_person()))["Cache-Control"] == "no-store"


def test_a_bug_behind_limits_still_tells_them(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(OwnView, "get", fail)
    response = client.get("/v1/own", **bearer(make_person()))
    assert_error(response, 500, "internal_error")
    assert '"user"' in response["RateLimit"]
    assert '"user"' in response["RateLimit-Policy"]
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("address", ["/", "/account/", "/nope"])
def test_no_cache_keeps_pages_of_signed_in_people(client: Client, address: str) -> None:
    assert "private" not in client.get(address).get("Cache-Control", "")
    client.force_login(make_person(), backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get(address)["Cache-Control"] == "private, no-store"


def test_every_line_django_logs_of_a_request_has_its_id() -> None:
    request = HttpRequest()
    request.request_id = "the-id-of-it"  # type: ignore[attr-defined]
    record = logging.makeLogRecord({"request": request})
    assert add_request_id(None, "", {"_record": record})["request_id"] == "the-id-of-it"
    assert add_request_id(None, "", {"_record": logging.makeLogRecord({})}).get("request_id") is None
    assert not logging.getLogger("django.request").isEnabledFor(logging.WARNING)
