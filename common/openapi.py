"""The API's description: every operation with its envelope, its errors by status and code, its headers.

A view says what is special to it; the rest follows from the base view:

    class PlanChangeView(ApiView):
        errors = (PaymentFailed, QuoteStale)          # of any method; or @raises(PaymentFailed) on one method

        @extend_schema(request=PlanChangeRequest, responses=PlanChangeData)
        def post(self, request): ...
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, TypeVar

from django.utils import translation
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import ListSerializer

from common import errors
from common.api.fields import ApiSerializer
from common.openapi_parts import ERROR, HEADERS, LIST_META, META, PAGE

JSON = "application/json"
FIRST_ERROR, NO_CONTENT = 400, 204
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
Method = TypeVar("Method", bound=Callable[..., Any])
ErrorClass = type[errors.DomainError]


def raises(*declared: ErrorClass) -> Callable[[Method], Method]:
    """Say which errors a method of a view ends in, besides those of its view and of every view."""

    def mark(method: Method) -> Method:
        method.errors = (*getattr(method, "errors", ()), *declared)  # type: ignore[attr-defined]
        return method

    return mark


def only_v1(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[tuple[str, str, str, Any]]:
    """Aliases, pages and webhooks are not part of the described API."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/v1/")]


def with_headers(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The headers that answers refer to."""
    result["components"]["headers"] = HEADERS
    return result


@cache
def document() -> bytes:
    """The OpenAPI document, made once a process, in English."""
    with translation.override("en"):
        schema = SchemaGenerator().get_schema(request=None, public=True)
        return json.dumps(schema, default=str, ensure_ascii=False).encode()


class PalierSchema(AutoSchema):
    """Answers as they leave: wrapped, with headers, with all their errors."""

    def get_override_parameters(self) -> list[Any]:
        if self.method == "GET" and isinstance(self.get_response_serializers(), ListSerializer):
            return PAGE
        if not self._is_idempotent():
            return []
        return [
            OpenApiParameter(
                "Idempotency-Key",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="Send the same key again to get the same answer and no second effect.",
                pattern=r"^[\x20-\x7E]{1,255}$",
            )
        ]

    def get_summary(self) -> str | None:
        return super().get_summary() or self.get_description().strip().split("\n")[0] or None

    def _get_serializer_name(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> str:
        name = super()._get_serializer_name(serializer, direction, bypass_extensions)
        return re.sub(r"RequestRequest$", "Request", name)

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)
        if direction == "request" and isinstance(serializer, ApiSerializer):
            schema["additionalProperties"] = False
        return schema

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        declared = self.get_response_serializers()
        answers = declared if isinstance(declared, dict) and _is_by_status(declared) else {200: declared}
        bodies: dict[str, Any] = {}
        described: dict[int, str] = {}
        for key, serializer in answers.items():
            status, media_types = (key[0], list(key[1:])) if isinstance(key, tuple) else (key, None)
            if int(status) >= FIRST_ERROR:
                described[int(status)] = getattr(serializer, "description", "") or ""
                continue
            body = self._get_response_for_code(serializer, str(status), media_types, direction)
            self._merge(bodies, str(status), self._wrapped(body, int(status)))
        return bodies | self._error_bodies(described)

    def _merge(self, bodies: dict[str, Any], status: str, body: dict[str, Any]) -> None:
        if status in bodies:
            bodies[status].setdefault("content", {}).update(body.get("content", {}))
        else:
            bodies[status] = body

    def _wrapped(self, body: dict[str, Any], status: int) -> dict[str, Any]:
        names = ["X-Request-Id", "RateLimit-Policy", "RateLimit"]
        names += ["Idempotent-Replayed"] if self._is_idempotent() else []
        content = body.get("content", {}).get(JSON)
        if content is not None and status != NO_CONTENT:
            content["schema"] = self._envelope(content["schema"])
        body["headers"] = body.get("headers", {}) | _header_refs(names)
        body["description"] = body.get("description") or "Done."
        return body

    def _envelope(self, data: dict[str, Any]) -> dict[str, Any]:
        is_list = data.get("type") == "array"
        meta = self._component("ListMeta", LIST_META) if is_list else self._component("Meta", META)
        return {
            "type": "object",
            "properties": {"data": data, "meta": meta},
            "required": ["data", "meta"],
            "additionalProperties": False,
        }

    def _component(self, name: str, schema: dict[str, Any]) -> dict[str, str]:
        component = ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, schema=schema, object=name)
        self.registry.register_on_missing(component)
        return component.ref

    def _error_bodies(self, described: dict[int, str]) -> dict[str, Any]:
        by_status: dict[int, dict[str, ErrorClass]] = {}
        told_as = getattr(self.view, "errors_as", {})
        for raised in [*self._errors(), *_mentioned(described)]:
            error = told_as.get(raised, raised)
            by_status.setdefault(error.status, {})[error.code] = error
        return {str(status): self._error_body(status, found) for status, found in sorted(by_status.items())}

    def _error_body(self, status: int, found: dict[str, ErrorClass]) -> dict[str, Any]:
        names = ["X-Request-Id"]
        names += ["WWW-Authenticate"] if status == errors.NotAuthenticated.status else []
        retryable = any(error.retryable for error in found.values())
        names += ["Retry-After"] if retryable else []
        codes = {"type": "object", "properties": {"code": {"type": "string", "enum": sorted(found)}}}
        schema = {
            "allOf": [
                self._component("Error", ERROR),
                {"type": "object", "properties": {"error": codes}},
            ]
        }
        told = [f"- `{code}`: {error.default_message}" for code, error in sorted(found.items())]
        return {
            "description": "\n".join(told),
            "headers": _header_refs(names),
            "content": {JSON: {"schema": schema}},
        }

    def _errors(self) -> Iterator[ErrorClass]:
        """What this operation ends in by being one of ours, then what its view and its method declare."""
        view: Any = self.view
        yield from (errors.InternalError, errors.ServiceUnavailable, errors.RateLimited)
        for authentication in view.authentication_classes:
            yield errors.NotAuthenticated
            yield from getattr(authentication, "errors", ())
        for permission in view.permission_classes:
            yield errors.PermissionDenied
            yield from getattr(permission, "errors", ())
        if "{" in self.path:
            yield errors.NotFound
        yield from (errors.MalformedRequest, errors.PayloadTooLarge, errors.UnsupportedMediaType)
        yield errors.ValidationError
        if self._is_idempotent():
            yield from (errors.IdempotencyKeyInProgress, errors.IdempotencyKeyReused)
        yield from getattr(view, "errors", ())
        yield from getattr(getattr(view, self.method.lower(), None), "errors", ())

    def _is_idempotent(self) -> bool:
        view: Any = self.view
        honours = getattr(view, "idempotent", False) and bool(view.authentication_classes)
        return self.method in CHANGING and honours


def _is_by_status(declared: dict[Any, Any]) -> bool:
    return all(isinstance(key, int | tuple) or str(key).isdigit() for key in declared)


def _header_refs(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _mentioned(described: dict[int, str]) -> Iterator[ErrorClass]:
    """Errors that a view declares by status: those its description names, else all of that status."""
    for status, description in described.items():
        known = [error for error in all_errors() if error.status == status]
        named = [error for error in known if error.code in re.findall(r"[a-z0-9_]+", description)]
        yield from named or known


def all_errors() -> list[ErrorClass]:
    """Every error there is that has a code of its own, by status and code."""
    found: dict[str, ErrorClass] = {}
    stack: list[ErrorClass] = [errors.DomainError]
    while stack:
        error = stack.pop()
        found.setdefault(error.code, error)
        stack.extend(error.__subclasses__())
    return sorted(found.values(), key=lambda error: (error.status, error.code))
