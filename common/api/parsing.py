"""JSON as RFC 8259 has it, and nothing the database or another parser would read differently."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.http import UnreadablePostError
from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser

from common.errors import MalformedRequest

MAX_DEPTH = 32


class StrictJsonParser(BaseParser):
    """An object in UTF-8. Refuses NaN and Infinity, keys that occur twice, NUL and lone surrogates, deep nesting."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],  # noqa: ARG002 - read through the request, which holds the limit on its size
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        try:
            raw: bytes = (parser_context or {})["request"].body
        except UnreadablePostError as error:
            raise MalformedRequest(_("The body did not arrive whole.")) from error
        return parse_object(raw)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`. MalformedRequest when it is anything else."""
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object_of_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise MalformedRequest(_("The body is nested too deeply.")) from error
    except ValueError as error:  # bad UTF-8, bad JSON, a number with thousands of digits
        raise MalformedRequest(_("The body is not valid JSON.")) from error
    if not isinstance(value, dict):
        raise MalformedRequest(_("The body must be a JSON object."))
    _check_tree(value)
    return value


def _object_of_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedRequest(_("A key occurs twice in one object."))
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedRequest(_("%(name)s is not JSON.") % {"name": name})


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise MalformedRequest(_("A number is too large."))
    return value


def _check_tree(root: dict[str, Any]) -> None:
    open_nodes: list[tuple[Any, int]] = [(root, 1)]
    while open_nodes:
        node, depth = open_nodes.pop()
        if isinstance(node, str):
            _check_text(node)
        elif isinstance(node, dict | list):
            if depth > MAX_DEPTH:
                raise MalformedRequest(_("The body is nested too deeply."))
            children = [*node.keys(), *node.values()] if isinstance(node, dict) else node
            open_nodes.extend((child, depth + 1) for child in children)


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise MalformedRequest(_("Text must not hold NUL characters."))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedRequest(_("Text must be valid Unicode.")) from error
