"""A name that an operation does not describe is refused, alike on every route: in the query and in the body.

Generated from the URLconf, so that a new route is asked too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLResolver, get_resolver
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import bearer, make_person
from common.api import ApiView
from common.models import AuditEntry, IdempotencyRecord, OutboxMessage
from enterprise.tests.conftest import key_of, organisation
from quotas.models import Bucket, Reservation, UsageRecord

pytestmark = [pytest.mark.django_db, pytest.mark.req("OP-5")]

METHODS = ("get", "head", "post", "put", "patch", "delete")
IDS = {"int": "1", "uuid": "00000000-0000-4000-8000-000000000000", "str": "nobodys"}
SURPRISE = {"surprise": "1"}


def routes(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route, getattr(pattern.callback, "cls", None)


def takes(view: type[ApiView], method: str) -> bool:
    return hasattr(view, "get" if method == "head" else method)


OPERATIONS = [
    (route, method)
    for route, view in routes()
    if isinstance(view, type) and issubclass(view, ApiView)
    for method in METHODS
    if takes(view, method)
]
IN_QUERY = [pytest.param(*one, id=f"{one[1]}-{one[0]}") for one in OPERATIONS]
# The meter is asked before the body is looked at: showcase/tests/test_unknown_names.py asks with a plan.
METERED = {"v1/chat/messages", "v1/personas/<uuid:persona_id>/export"}
IN_BODY = [
    pytest.param(*one, id=f"{one[1]}-{one[0]}")
    for one in OPERATIONS
    if one[1] != "head" and not (one[1] == "post" and one[0] in METERED)
]


def ask(route: str, method: str, query: str, body: dict[str, Any]) -> Any:
    path = "/" + re.sub(r"<(\w+):\w+>", lambda found: IDS[found[1]], route)
    client = APIClient()
    if route.startswith("v1/b2b/"):
        client = key_of(*organisation()).client
    else:
        client.credentials(**bearer(make_person()))
    before = everything()
    answer = client.generic(
        method.upper(), path + query, json.dumps(body), "application/json", HTTP_IDEMPOTENCY_KEY="once"
    )
    assert everything() == before
    return answer


def everything() -> list[Any]:
    """What a refusal must not move; an answer kept for its key aside."""
    people = list(User.objects.order_by("pk").values("password", "language", "notifications"))
    models = (Bucket, Reservation, UsageRecord, OutboxMessage, AuditEntry)
    kept = IdempotencyRecord.objects.exclude(status=422).count()
    return [people, kept, *(model.objects.count() for model in models)]


def test_there_are_operations() -> None:
    assert len(OPERATIONS) > 60
    assert sum(method == "delete" for _route, method in OPERATIONS) >= 3


@pytest.mark.parametrize(("route", "method"), IN_QUERY)
def test_a_parameter_nobody_described(route: str, method: str) -> None:
    answer = ask(route, method, "?surprise=1", {})
    assert answer.status_code == 422, answer.content
    if method != "head":
        error = answer.json()["error"]
        assert error["code"] == "validation_error"
        assert [(one["field"], one["code"]) for one in error["details"]["fields"]] == [
            ("surprise", "unknown_field")
        ]


@pytest.mark.parametrize(("route", "method"), IN_BODY)
def test_a_field_nobody_described(route: str, method: str) -> None:
    answer = ask(route, method, "", SURPRISE)
    assert answer.status_code == 422, answer.content
    error = answer.json()["error"]
    assert error["code"] == "validation_error"
    told = {one["field"]: one["code"] for one in error["details"]["fields"]}
    assert told["surprise"] == "unknown_field"


@pytest.mark.parametrize("query", ["?metric=messages&metric=personas", "?metric=messages&metric=messages"])
def test_a_parameter_that_comes_twice(query: str) -> None:
    answer = ask("v1/billing/quota", "get", query, {})
    assert answer.status_code == 422
    (field,) = answer.json()["error"]["details"]["fields"]
    assert (field["field"], field["code"]) == ("metric", "repeated")


@pytest.mark.parametrize("body", [b"[]", b"{", b'"text"'])
def test_a_body_that_is_no_object_on_delete(body: bytes) -> None:
    client = APIClient()
    client.credentials(**bearer(make_person()))
    answer = client.generic("DELETE", "/v1/billing/plan-change", body, "application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed_request")


def test_an_empty_object_on_get_means_nothing() -> None:
    """Some clients send one with every call."""
    client = APIClient()
    client.credentials(**bearer(make_person()))
    answer = client.generic("GET", "/v1/account/settings", b"{}", "application/json")
    assert answer.status_code == 200


def test_strangers_hear_of_their_token_first() -> None:
    assert APIClient().get("/v1/account/settings?surprise=1").status_code == 401
