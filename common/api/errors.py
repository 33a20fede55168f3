"""Every exception a request can end in, as one of our errors. What is not listed here is a bug: 500."""

from collections.abc import Mapping
from typing import Any

import structlog
from django.core import exceptions as django_errors
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, UnreadablePostError
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions as drf

from common import errors
from common.api.envelope import error_response

logger = structlog.get_logger(__name__)

TOP = "body"

_SAME: list[tuple[type[Exception], type[errors.DomainError]]] = [
    (Http404, errors.NotFound),
    (drf.NotFound, errors.NotFound),
    (django_errors.PermissionDenied, errors.PermissionDenied),
    (drf.PermissionDenied, errors.PermissionDenied),
    (drf.NotAuthenticated, errors.NotAuthenticated),
    (drf.AuthenticationFailed, errors.InvalidCredentials),
    (drf.MethodNotAllowed, errors.MethodNotAllowed),
    (drf.UnsupportedMediaType, errors.UnsupportedMediaType),
    (drf.ParseError, errors.MalformedRequest),
    (django_errors.RequestDataTooBig, errors.PayloadTooLarge),
    (django_errors.SuspiciousOperation, errors.MalformedRequest),
    (django_errors.BadRequest, errors.MalformedRequest),
    (UnreadablePostError, errors.MalformedRequest),
]

_BY_STATUS: dict[int, type[errors.DomainError]] = {
    400: errors.MalformedRequest,
    401: errors.NotAuthenticated,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.PayloadTooLarge,
    415: errors.UnsupportedMediaType,
    429: errors.RateLimited,
    503: errors.ServiceUnavailable,
}
SERVER_ERROR = 500
# REST framework's own words for these name Python's types.
_PLAIN: dict[str, Any] = {"not_a_list": _("Give a list."), "not_a_dict": _("Give an object.")}


def to_domain_error(exc: BaseException) -> errors.DomainError | None:
    """The error to tell the caller, or None for what nobody foresaw."""
    if isinstance(exc, errors.DomainError):
        return exc
    if isinstance(exc, drf.ValidationError):
        return errors.ValidationError(details={"fields": list(_flatten(exc.detail))})
    if isinstance(exc, django_errors.ValidationError):
        return errors.ValidationError(details={"fields": list(_flatten(drf_detail(exc)))})
    if isinstance(exc, OperationalError | InterfaceError):
        logger.error("database_unavailable", exc_info=exc)
        return errors.ServiceUnavailable(
            _("The database did not answer. Send the request again, with the same Idempotency-Key.")
        )
    return next((ours() for theirs, ours in _SAME if isinstance(exc, theirs)), None)


def error_of_status(status: int) -> errors.DomainError:
    """For answers that others made (the router, middleware): only their status is known."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]()
    return errors.InternalError() if status >= SERVER_ERROR else errors.MalformedRequest()


def drf_detail(exc: django_errors.ValidationError) -> Any:
    """Django's validation errors in the shape of REST framework's, so that one function flattens both."""
    if hasattr(exc, "error_dict"):
        named = {
            (TOP if field == django_errors.NON_FIELD_ERRORS else field): found
            for field, found in exc.error_dict.items()
        }
        return {
            field: [_detail(one) for each in found for one in each.error_list]
            for field, found in named.items()
        }
    return [_detail(one) for one in exc.error_list]


def _detail(exc: django_errors.ValidationError) -> drf.ErrorDetail:
    return drf.ErrorDetail(" ".join(exc.messages), code=exc.code or "invalid")


def _flatten(detail: Any, path: str = "") -> Any:
    """`{"a": {"b": [ErrorDetail]}}` as [{"field": "a.b", "code", "message"}]."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = path if name == "non_field_errors" else f"{path}.{name}" if path else str(name)
            yield from _flatten(inner, own)
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list | tuple)
            yield from _flatten(inner, f"{path}.{index}" if nested and path else path)
    else:
        code = getattr(detail, "code", None) or "invalid"
        yield {"field": path or TOP, "code": code, "message": str(_PLAIN.get(code, detail))}


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> HttpResponse | None:  # noqa: ARG001
    """REST framework's hook; None lets an unforeseen exception rise, be logged and become a 500."""
    error = to_domain_error(exc)
    return None if error is None else error_response(error)
