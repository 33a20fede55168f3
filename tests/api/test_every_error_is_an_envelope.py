"""Whoever makes an error, the API's caller reads one form: router, middleware, parser, view, bug."""

import json
import logging
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from accounts.tests.factories import bearer, make_person
from common import errors
from common.api import ApiSerializer, ApiView, StrictIntegerField, to_domain_error
from config.logging import add_request_id

pytestmark = [pytest.mark.django_db, pytest.mark.req("OP-5")]

calls: list[str] = []


class Probe(ApiSerializer):
    units = StrictIntegerField(min_value=1)


class ProbeView(ApiView):
    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Any) -> Response:
        data = self.body(Probe)
        calls.append("effect")
        return Response({"units": data["units"]})


class OwnView(ApiView):
    def get(self, request: Any, name: str = "") -> Response:
        assert "\x00" not in name
        return Response({"email": request.user.email})


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a secret detail")


def refusing(request: HttpRequest) -> HttpResponse:
    raise errors.Conflict(details={"why": "because"})


urlpatterns = [
    path("v1/probe", ProbeView.as_view()),
    path("v1/own", OwnView.as_view()),
    path("v1/own/<str:name>", OwnView.as_view()),
    path("v1/broken", broken),
    path("v1/refusing", refusing),
    path("pages/broken", broken),
    path("pages/refusing", refusing),
    path("", include("config.urls")),
]
handler400 = "common.pages.bad_request"
handler403 = "common.pages.permission_denied"
handler404 = "common.pages.not_found"
handler500 = "common.pages.server_error"


@pytest.fixture(autouse=True)
def _urls() -> Any:
    calls.clear()
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def assert_error(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body = json.loads(response.content)
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"code", "message", "details", "request_id"}
    assert error["code"] == code
    assert error["message"]
    assert isinstance(error["details"], dict)
    assert error["request_id"] == response["X-Request-Id"]
    assert calls == []
    return error


def post(client: Client, body: bytes | str, content_type: str = "application/json", **extra: Any) -> Any:
    return client.post("/v1/probe", body, content_type=content_type, **extra)


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


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options", "trace"])
def test_method_not_allowed(client: Client, method: str) -> None:
    response = getattr(client, method)("/v1/probe")
    assert_error(response, 405, "method_not_allowed")
    assert response["Allow"] == "POST"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data; boundary=x"]
)
def test_unsupported_media_type(client: Client, content_type: str) -> None:
    assert_error(post(client, b'{"units": 1}', content_type), 415, "unsupported_media_type")


def test_payload_too_large(client: Client) -> None:
    assert_error(post(client, b'{"units": "' + b"x" * 1_100_000 + b'"}'), 413, "payload_too_large")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b'{"units": NaN}',
        b'{"units": Infinity}',
        b'{"units": -Infinity}',
        b'{"units": 1e999}',
        b'{"units": 1, "units": 2}',
        b'{"units": 1, "note": "\\u0000"}',
        b'{"units": 1, "no\\u0000te": ""}',
        b'{"units": 1, "note": "\\ud800"}',
        b'{"units": 1, "note": "\xff"}',
        b'\xef\xbb\xbf{"units": 1}',
        b'{"units": ' + b"1" * 5000 + b"}",
        b'{"units": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"units": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"units": 1} trailing',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_malformed_body(client: Client, body: bytes) -> None:
    if body:
        assert_error(post(client, body), 400, "malformed_request")
    else:
        assert_error(post(client, body), 422, "validation_error")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("1", "invalid"),
        (1.0, "invalid"),
        (True, "invalid"),
        (None, "null"),
        ([], "invalid"),
        ({}, "invalid"),
        (0, "min_value"),
        (2**63, "max_value"),
    ],
)
def test_integers_are_json_integers(client: Client, value: Any, code: str) -> None:
    error = assert_error(post(client, json.dumps({"units": value})), 422, "validation_error")
    (field,) = error["details"]["fields"]
    assert (field["field"], field["code"]) == ("units", code)


def test_unknown_field(client: Client) -> None:
    error = assert_error(post(client, json.dumps({"units": 1, "unit": 2})), 422, "validation_error")
    (field,) = error["details"]["fields"]
    assert (field["field"], field["code"]) == ("unit", "unknown_field")


def test_chunked_body_is_not_taken_for_an_empty_one(client: Client) -> None:
    response = post(client, b"", HTTP_TRANSFER_ENCODING="chunked")
    assert_error(response, 400, "malformed_request")


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


JSON_ONLY = {"Accept": "application/json"}


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/nope", 404, "not_found"),
        ("/pages/refusing", 409, errors.Conflict.code),
        ("/pages/broken", 500, "internal_error"),
        ("/preferences/", 405, "method_not_allowed"),
    ],
)
def test_who_accepts_json_only_gets_it_anywhere(client: Client, address: str, status: int, code: str) -> None:
    assert_error(client.get(address, headers=JSON_ONLY), status, code)


@pytest.mark.parametrize("accept", ["text/html,application/json;q=0.9", "*/*", ""])
def test_others_get_the_page(client: Client, accept: str) -> None:
    response = client.get("/nope", headers={"Accept": accept})
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")
    assert "Accept" in response["Vary"]


def test_a_method_that_a_page_does_not_have_is_told_on_a_page(client: Client) -> None:
    response = client.get("/preferences/")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert "<html" in response.content.decode()


def test_readiness_keeps_its_own_form(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.health.readiness", lambda: ("failing", {"database": "failing"}))
    response = client.get("/readyz", headers=JSON_ONLY)
    assert (response.status_code, response.json()["checks"]) == (503, {"database": "failing"})


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


def test_wrong_types_are_told_in_plain_words(client: Client) -> None:
    response = client.patch(
        "/v1/account/settings",
        {"usage_thresholds": "all"},
        content_type="application/json",
        **bearer(make_person()),
    )
    (field,) = assert_error(response, 422, "validation_error")["details"]["fields"]
    assert field == {"field": "usage_thresholds", "code": "not_a_list", "message": "Give a list."}


def test_objects_in_place_of_others_are_told_in_plain_words() -> None:
    from rest_framework import serializers

    class Nested(ApiSerializer):
        probe = Probe()
        notes = serializers.DictField()

    form = Nested(data={"probe": "x", "notes": 1})
    error = to_domain_error(_raised(form))
    assert error is not None
    assert {one["message"] for one in error.details["fields"]} == {"Give an object."}


def _raised(form: ApiSerializer) -> Exception:
    with pytest.raises(ValidationError) as raised:
        form.is_valid(raise_exception=True)
    return raised.value


def test_every_line_django_logs_of_a_request_has_its_id() -> None:
    request = HttpRequest()
    request.request_id = "the-id-of-it"  # type: ignore[attr-defined]
    record = logging.makeLogRecord({"request": request})
    assert add_request_id(None, "", {"_record": record})["request_id"] == "the-id-of-it"
    assert add_request_id(None, "", {"_record": logging.makeLogRecord({})}).get("request_id") is None
    assert not logging.getLogger("django.request").isEnabledFor(logging.WARNING)


MACHINE_PATHS = [
    "/v1",
    "/v1/nothing",
    "/api",
    "/api/account/nothing",
    "/stripe",
    "/stripe/nothing",
    "/stripe/webhook/",
    "/stripe/webhook/not-a-uuid/",
    "/stripe/webhook/00000000-0000-4000-8000-000000000000/",
]
BROWSER = {"Accept": "text/html"}


@pytest.mark.parametrize("address", MACHINE_PATHS)
@pytest.mark.parametrize("debug", [False, True])
def test_where_programs_call_what_is_missing_is_json(client: Client, address: str, debug: bool) -> None:
    with override_settings(DEBUG=debug):
        assert_error(client.post(address, b"{}", "application/json", headers=BROWSER), 404, "not_found")


@pytest.mark.parametrize("address", ["/v1/auth/token", "/v1/openapi.json", "/healthz", "/readyz", "/metrics"])
def test_where_programs_call_a_wrong_method_is_json(address: str) -> None:
    strict = Client(raise_request_exception=False, enforce_csrf_checks=True)
    answer = strict.delete(address, headers=BROWSER)
    assert_error(answer, 405, "method_not_allowed")
    assert answer["Allow"]


@pytest.mark.parametrize("address", [*MACHINE_PATHS, "/v1/openapi.json"])
def test_where_programs_call_a_wrong_host_is_json(client: Client, address: str) -> None:
    answer = client.get(address, headers=BROWSER | {"Host": "evil.example"})
    assert_error(answer, 400, "malformed_request")


def test_a_body_too_large_for_the_webhook_is_json(client: Client, webhook_url: str) -> None:
    answer = client.post(webhook_url, b"x" * 1_100_000, "application/json", headers=BROWSER)
    assert_error(answer, 413, "payload_too_large")


def test_a_webhook_without_its_slash_is_told_so(client: Client, webhook_url: str) -> None:
    """A redirect would lose the body, and look like Stripe's fault."""
    for debug in (False, True):
        with override_settings(DEBUG=debug):
            answer = client.post(webhook_url.rstrip("/"), b"{}", "application/json")
        assert_error(answer, 404, "not_found")
    assert client.get("/account/notifications").status_code == 301


@pytest.fixture
def webhook_url() -> str:
    from djstripe.models import WebhookEndpoint

    endpoint = WebhookEndpoint.objects.create(
        id="we_1", enabled_events=["*"], url="https://palier.test/", secret="whsec_x", livemode=False
    )
    return f"/stripe/webhook/{endpoint.djstripe_uuid}/"


def test_a_bug_in_a_webhook_is_json(
    client: Client, webhook_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("billing.webhooks._signed_body", fail)
    answer = client.post(webhook_url, b"{}", "application/json", headers=BROWSER)
    assert_error(answer, 500, "internal_error")
    assert b"secret detail" not in answer.content
