"""Programs read JSON wherever they call, browsers a page."""

from typing import Any

import pytest
from django.test import Client, override_settings
from django.urls import resolve

from common import errors
from tests.api.envelopes.probe import assert_error

pytestmark = [pytest.mark.django_db, pytest.mark.req("OP-5")]


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
    response = client.delete("/preferences/")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert "<html" in response.content.decode()


@pytest.mark.req("AC-7")
def test_a_form_too_large_is_said_to_be(client: Client) -> None:
    answer = client.post("/accounts/login/", {"login": "x" * 1_100_000})
    assert answer.status_code == 413
    assert "make it shorter" in answer.content.decode()


@pytest.mark.req("AC-7")
@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("/preferences/", "/"),
        ("/account/usage/thresholds/", "/account/usage/"),
        ("/account/billing/changes/undo/", "/account/billing/"),
        ("/account/billing/pay/in_1/", "/account/billing/"),
        ("/account/notifications/read/", "/account/notifications/"),
        ("/organisation/credits/cap/", "/organisation/credits/"),
        ("/organisation/members/1/role/", "/organisation/members/"),
    ],
)
def test_where_only_a_form_is_taken_one_comes_to_the_page_it_stands_on(
    client: Client, address: str, page: str
) -> None:
    """As after the sign-in, or with the language switch on the answer to a form that was wrong."""
    assert resolve(page)
    answer = client.get(address)
    assert (answer.status_code, answer["Location"]) == (302, page)


def test_readiness_keeps_its_own_form(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.health.readiness", lambda: ("failing", {"database": "failing"}))
    response = client.get("/readyz", headers=JSON_ONLY)
    assert (response.status_code, response.json()["checks"]) == (503, {"database": "failing"})


MACHINE_PATHS = [
    "/v1",
    "/v1/nothing",
    "http://testserver//v1/billing/plan-change",
    "/.//v1/nothing",
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


def test_a_bug_in_a_webhook_is_json(
    client: Client, webhook_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("billing.webhooks._signed_body", fail)
    answer = client.post(webhook_url, b"{}", "application/json", headers=BROWSER)
    assert_error(answer, 500, "internal_error")
    assert b"secret detail" not in answer.content
