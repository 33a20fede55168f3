"""What a request may name: the parameters and fields its operation describes, each once, and no others.

A name that is not known is a typing mistake, and silence about it would be an answer to another question.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.views import APIView

from common.errors import ValidationError

UNKNOWN_FIELD, REPEATED = "unknown_field", "repeated"


def check_parameters(view: APIView, method: str, asked: QueryDict) -> None:
    """ValidationError for a parameter that this operation does not describe, and for one that comes twice."""
    known = _described(type(view), "GET" if method == "HEAD" else method)  # type: ignore[arg-type]  # a class is hashable
    wrong = [
        _field(name, UNKNOWN_FIELD, _("There is no such parameter.")) for name in asked if name not in known
    ]
    wrong += [
        _field(name, REPEATED, _("Give this parameter once."))
        for name in asked
        if name in known and len(asked.getlist(name)) > 1
    ]
    if wrong:
        raise ValidationError(details={"fields": wrong})


def check_no_fields(body: Iterable[str]) -> None:
    """ValidationError for each field of a body where none can mean anything: of GET and DELETE."""
    if body:
        told = _("This method takes no body.")
        raise ValidationError(details={"fields": [_field(name, UNKNOWN_FIELD, told) for name in body]})


def _field(name: str, code: str, message: str) -> dict[str, str]:
    return {"field": name, "code": code, "message": message}


@cache
def _described(view_class: type[APIView], method: str) -> frozenset[str]:
    """The query parameters that an operation's description names: `extend_schema(parameters=…)`."""
    handler = getattr(view_class, method.lower())
    schema_class = getattr(handler, "kwargs", {}).get("schema")
    if schema_class is None:
        return frozenset()
    schema = schema_class()
    schema.view, schema.method = _asked_for_schema(view_class), method
    return frozenset(_names(schema.get_override_parameters()))


def _asked_for_schema(view_class: type[APIView]) -> APIView:
    view = view_class()
    view.request, view.args, view.kwargs = None, (), {}  # type: ignore[assignment]
    return view


def _names(parameters: Iterable[Any]) -> Iterable[str]:
    for parameter in parameters:
        if not isinstance(parameter, OpenApiParameter):  # a serializer: each field is a parameter
            yield from (parameter() if isinstance(parameter, type) else parameter).fields
        elif parameter.location == OpenApiParameter.QUERY:
            yield parameter.name
