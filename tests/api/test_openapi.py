"""The description is complete: every route, every answer, every error with its codes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema

from common import openapi

pytestmark = pytest.mark.req("PC-7")

DOCUMENT: dict[str, Any] = {}
UNDESCRIBED = {"v1/openapi.json", "v1/docs"}  # they are the description
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Made anew: other tests put views of their own at the product's addresses, and the generator's doubts add up."""
    GENERATOR_STATS.reset()
    openapi.document.cache_clear()
    return json.loads(openapi.document())


def routes(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every route of the project with its view class."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route, getattr(pattern.callback, "cls", None)


def api_operations() -> list[tuple[str, str]]:
    """(path as the document writes it, method) of every method of every view under /v1/."""
    import re

    found = []
    for route, view in routes():
        if route.startswith("v1/") and route not in UNDESCRIBED:
            assert view is not None, f"{route} is not an API view"
            path = "/" + re.sub(r"<(?:[a-z_]+:)?([a-z_]+)>", r"{\1}", route)
            found += [(path, method) for method in METHODS if hasattr(view, method)]
    return found


@pytest.mark.parametrize(("path", "method"), api_operations(), ids=lambda value: value)
def test_every_operation_is_described(document: dict[str, Any], path: str, method: str) -> None:
    operation = document["paths"][path][method]
    assert operation["summary"]
    responses = operation["responses"]
    _check_success(responses)
    errors = {status: response for status, response in responses.items() if status >= "400"}
    assert {"400", "413", "415", "422", "429", "500", "503"} <= set(errors)
    if operation.get("security"):
        assert {"401", "403"} <= set(errors)
    if "{" in path:
        assert "404" in errors
    for status, response in errors.items():
        codes = _codes(response)
        assert codes, f"{status} names no code"
        assert "X-Request-Id" in response["headers"]
    if method in ("post", "put", "patch"):
        assert "requestBody" in operation, "say request=None when there is no body"


def test_every_list_can_be_read_page_by_page(document: dict[str, Any]) -> None:
    lists = 0
    for path, operations in document["paths"].items():
        for operation in [operations["get"]] if "get" in operations else []:
            names = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
            is_list = "ListMeta" in json.dumps(operation["responses"])
            assert is_list == ({"cursor", "limit"} <= names), path
            lists += is_list
    assert lists >= 10


def _check_success(responses: dict[str, Any]) -> None:
    (status,) = [status for status in responses if status < "400"]
    if status == "302":  # where a file is
        return
    content = responses[status].get("content", {})
    assert content or status == "204"
    if "application/json" in content:
        schema = content["application/json"]["schema"]
        assert set(schema["required"]) == {"data", "meta"}
        assert schema["properties"]["data"]
        is_list = schema["properties"]["data"].get("type") == "array"
        expected = "#/components/schemas/ListMeta" if is_list else "#/components/schemas/Meta"
        assert schema["properties"]["meta"]["$ref"] == expected


def _codes(response: dict[str, Any]) -> list[str]:
    (_envelope, special) = response["content"]["application/json"]["schema"]["allOf"]
    return special["properties"]["error"]["properties"]["code"]["enum"]


def test_document_is_valid_and_made_without_doubts(document: dict[str, Any]) -> None:
    validate_schema(document)
    assert dict(GENERATOR_STATS._warn_cache) == {}
    assert dict(GENERATOR_STATS._error_cache) == {}


def test_only_this_api_is_described(document: dict[str, Any]) -> None:
    assert all(path.startswith("/v1/") for path in document["paths"])


def test_served_with_an_etag(client: Client) -> None:
    first = client.get("/v1/openapi.json")
    assert first["Content-Type"] == "application/json"
    assert first.json()["info"]["title"] == "Palier API"
    assert client.get("/v1/openapi.json", headers={"If-None-Match": first["ETag"]}).status_code == 304


def test_viewer_needs_nothing_the_policy_forbids(client: Client, settings: Any) -> None:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}
    page = client.get("/v1/docs")
    html = page.content.decode()
    assert page.status_code == 200
    assert "'unsafe-inline'" not in page["Content-Security-Policy"]
    assert "<style" not in html
    assert html.count("<script") == html.count("<script src=")
    assert "https://" not in html
    script = client.get("/v1/docs?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert "/v1/openapi.json" in script.content.decode().replace("\\u002D", "-")
