"""What belongs to somebody else does not exist: every route answers a foreign id as it answers an unknown one.

Generated from the URLconf, so that a route with a parameter nobody thought of here fails.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.urls import URLResolver, get_resolver

from tests.callers import Caller
from tests.stack import Stack

pytestmark = [pytest.mark.req("EN-11"), pytest.mark.slow]

OWNER, STRANGER = "basic", "premium"
METHODS = ("get", "post", "put", "patch", "delete")


def first_of(path: str) -> Callable[[Caller], str]:
    """The id of the owner's first thing in a list, and the list has to have one."""

    def find(owner: Caller) -> str:
        answer = owner.get(path)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"][0]["id"])

    return find


def made_by(path: str, body: dict[str, Any]) -> Callable[[Caller], str]:
    """The id of a thing the owner has, made when there is none."""

    def find(owner: Caller) -> str:
        if not owner.get(path).json()["data"]:
            assert owner.post(path, body).status_code in (200, 201)
        return first_of(path)(owner)

    return find


# For each parameter of a route: how to get an id that belongs to the owner, and one that nobody has.
IDS: dict[str, tuple[Callable[[Caller], str], str]] = {
    "payment_method_id": (first_of("/v1/billing/payment-methods"), "pm_nobodyhasthisone0000000"),
    "notification_id": (
        first_of("/v1/account/notifications"),
        "00000000-0000-4000-8000-000000000000",
    ),
    "session_id": (first_of("/v1/account/sessions"), "api_00000000000000000000000000000000"),
    "invoice_id": (first_of("/v1/billing/invoices"), "in_nobodyhasthisone0000000"),
    "persona_id": (
        made_by("/v1/personas", {"name": "Ada", "traits": ["calm"]}),
        "00000000-0000-4000-8000-000000000000",
    ),
}
# Bodies that the routes' own validation lets through, so that the id is what is refused.
BODIES: dict[str, dict[str, Any]] = {}


def routes(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route, getattr(pattern.callback, "cls", None)


def operations() -> list[tuple[str, str]]:
    """(route, method) of every API view that takes an id and lets people in."""
    return [
        (route, method)
        for route, view in routes()
        if route.startswith(("v1/", "api/")) and "<" in route and not route.startswith("v1/b2b/")
        for method in METHODS
        if hasattr(view, method)
    ]


def ask(caller: Caller, method: str, route: str, ids: dict[str, str]) -> tuple[int, dict[str, Any]]:
    path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids[found[1]], route)
    answer = caller._call(method.upper(), path, BODIES.get(route) if method != "get" else None, {})
    body = json.loads(answer.content)
    assert body["error"].pop("request_id") == answer.headers["X-Request-Id"]
    return answer.status_code, body


@pytest.mark.parametrize(("route", "method"), operations(), ids=lambda value: value)
def test_foreign_is_unknown(shared_stack: Stack, route: str, method: str) -> None:
    parameters = re.findall(r"<(?:\w+:)?(\w+)>", route)
    missing = set(parameters) - set(IDS)
    assert not missing, f"say in IDS how to get an id for {missing}"
    owner, stranger = shared_stack.caller(OWNER), shared_stack.caller(STRANGER)
    own = {name: IDS[name][0](owner) for name in parameters}
    unknown = {name: IDS[name][1] for name in parameters}
    foreign_answer = ask(stranger, method, route, own)
    assert foreign_answer == ask(stranger, method, route, unknown)
    assert (foreign_answer[0], foreign_answer[1]["error"]["code"]) == (404, "not_found")
    assert {name: IDS[name][0](owner) for name in parameters} == own, "the owner's thing moved"
