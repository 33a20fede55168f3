"""`{"data", "meta"}` for what went well, `{"error"}` for what did not; nothing else leaves the API."""

import json
import posixpath
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from common.errors import DomainError
from common.money import Money
from common.request_id import HEADER, current_request_id

API_PREFIXES = ("/v1/", "/api/", "/stripe/")
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


def is_api_path(path: str) -> bool:
    """Whether programs call under this path and nobody else: all answers are in the API's form, errors included.

    A path that is meant so but written with doubled slashes or dots is no route, and its error is for a program too.
    """
    meant = posixpath.normpath("/" + path.lstrip("/"))
    return f"{meant}/".startswith(API_PREFIXES)


def answers_json(request: HttpRequest) -> bool:
    """Whether errors are JSON here: where programs call, and wherever the caller accepts JSON and no page."""
    if is_api_path(request.path_info) or request.path_info.rstrip("/") in PROBES:
        return True
    accepted = request.headers.get("Accept", "").lower()
    return "application/json" in accepted and "text/html" not in accepted


class ApiJsonEncoder(JSONEncoder):
    """Instants as RFC 3339 UTC with `Z`; money in its own form."""

    def default(self, obj: Any) -> Any:
        if isinstance(obj, datetime):
            if obj.tzinfo is None:
                raise ValueError("an instant without a zone cannot be told to anybody")
            return obj.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if isinstance(obj, Money):
            return obj.as_json()
        return super().default(obj)


def to_json(value: Any) -> bytes:
    """The one way answers are written: UTF-8, no NaN, no spaces."""
    text = json.dumps(value, cls=ApiJsonEncoder, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def success_body(data: Any, meta: dict[str, Any]) -> dict[str, Any]:
    return {"data": data, "meta": {"request_id": current_request_id()} | meta}


def error_body(error: DomainError) -> dict[str, Any]:
    return {
        "error": {
            "code": error.code,
            "message": str(error.message),
            "details": error.details,
            "request_id": current_request_id(),
        }
    }


def error_response(error: DomainError) -> HttpResponse:
    """The error as an answer, with its headers."""
    response = HttpResponse(
        to_json(error_body(error)),
        status=error.status,
        content_type="application/json",
        headers=error.headers(),
    )
    response[HEADER] = current_request_id()
    response["Cache-Control"] = "no-store"
    return mark_envelope(response, error.code)


def mark_envelope(response: HttpResponse, code: str | None = None) -> HttpResponse:
    """Tell the middleware that this error already speaks JSON, and what it says."""
    response.is_envelope = True  # type: ignore[attr-defined]
    response.error_code = code  # type: ignore[attr-defined]
    return response


def error_code_of(response: Any) -> str | None:
    """The code of an error's answer; None for other answers."""
    return getattr(response, "error_code", None)


def is_envelope(response: Any) -> bool:
    return getattr(response, "is_envelope", False)


def listed(items: Sequence[Any], next_cursor: str | None = None) -> Response:
    """A list's answer; `next_cursor` is null on the last page."""
    response = Response(list(items))
    response.meta = {"next_cursor": next_cursor}  # type: ignore[attr-defined]
    return response
