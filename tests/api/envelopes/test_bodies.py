"""What cannot be read is refused before it does anything, and told by its place."""

import json
from typing import Any

import pytest
from django.test import Client
from rest_framework.exceptions import ValidationError

from accounts.tests.factories import bearer, make_person
from common.api import ApiSerializer, to_domain_error
from tests.api.envelopes.probe import Probe, assert_error, post

pytestmark = [pytest.mark.django_db, pytest.mark.req("OP-5")]


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
