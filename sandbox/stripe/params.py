"""Form decoding, and the check of each request against the SDK's TypedDict of that call.

The installed SDK is the contract: names it does not know and literals it does not list are refused, as Stripe refuses
them, and values are turned into the types it declares. An empty string unsets: it becomes "".
"""

import re
import sys
import typing
from collections.abc import ItemsView, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from types import SimpleNamespace, UnionType
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

import stripe.params
from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject
from typing_extensions import is_typeddict

from sandbox.stripe.errors import InvalidParams

Params = dict[str, Any]

OPTION_NAMES = frozenset(RequestOptions.__annotations__)
KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)$")


# What changes nothing here and may be passed all the same; anything else that a handler never looks at is refused.
HARMLESS = {
    "automatic_payment_methods",
    "confirmation_method",
    "email_type",
    "mandate_data",
    "off_session",
    "payment_method_options",
    "payment_method_types",
    "refund_application_fee",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "use_stripe_sdk",
}


class Spoken(dict[str, Any]):
    """Parameters that remember which of them were looked at."""

    def __init__(self, given: Params) -> None:
        super().__init__(given)
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._read.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self._read.add(str(name))
        return super().__contains__(name)

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self._read |= names(self)
        return super().items()

    def refuse_unread(self) -> None:
        """Raises for what the handler knows nothing of: this stand-in refuses what it would have to ignore."""
        for name in sorted(names(self) - self._read - HARMLESS):
            if dict.get(self, name) not in ("", {"enabled": False}):
                raise InvalidParams(f"{name} is not spoken by this stand-in.", param=name)


def names(params: Params) -> set[str]:
    """Which parameters are given, without looking at them."""
    return set(dict.keys(params))


# Decoding ------------------------------------------------------------------------------------------------------------


def decode_form(pairs: Iterable[tuple[str, str]]) -> Params:
    """`items[0][price]=x`, `expand[]=y`, `metadata[k]=v` as nested dicts; arrays are dicts with numbers for keys."""
    root: Params = {}
    for key, value in pairs:
        match = KEY.fullmatch(key)
        if match is None:
            raise InvalidParams(f"Invalid parameter name: {key}", param=key)
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        _put(root, path, value, key)
    return root


def _put(node: Params, path: list[str], value: str, key: str) -> None:
    for part in path[:-1]:
        node = node.setdefault(part or str(len(node)), {})
        if not isinstance(node, dict):
            raise InvalidParams(f"Invalid parameter: {key} is given twice", param=key)
    node[path[-1] or str(len(node))] = value


# Schemas from TypedDicts ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """What a parameter may be. Several may hold: Stripe's `int | 'now' | ''`."""

    literals: tuple[str, ...] = ()
    scalar: type | None = None
    hash_of: type | None = None  # a TypedDict
    list_of: "Field | None" = None
    mapping: bool = False
    required: bool = False


@cache
def schema(name: str) -> dict[str, Field]:
    """The fields of `stripe.params.<name>`, by parameter name; a dotted name reaches into a namespace."""
    module: Any = stripe.params
    for part in name.split("."):
        module = getattr(module, part)
    return _fields(module)


@cache
def _fields(typed_dict: type) -> dict[str, Field]:
    own = {name: hint for name, hint in typed_dict.__annotations__.items() if name not in OPTION_NAMES}
    module = vars(sys.modules[typed_dict.__module__])
    hints = get_type_hints(SimpleNamespace(__annotations__=own), module, include_extras=True)
    return {name: _field(hint, required=True) for name, hint in hints.items()}


def _field(hint: Any, *, required: bool = False) -> Field:
    if get_origin(hint) in (NotRequired, typing.NotRequired):
        return _field(get_args(hint)[0])
    if get_origin(hint) in (Required, typing.Required):
        return _field(get_args(hint)[0], required=True)
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return _merged(options, required=required)


def _merged(options: Iterable[Any], *, required: bool) -> Field:
    literals: tuple[str, ...] = ()
    scalar = hash_of = list_of = None
    mapping = False
    for option in options:
        origin = get_origin(option)
        if origin is Literal:
            literals += get_args(option)
        elif origin is list:
            list_of = _field(get_args(option)[0])
        elif origin in (dict, UntypedStripeObject):
            mapping = True
        elif is_typeddict(option):
            hash_of = option
        elif option in (str, int, float, bool, Decimal):
            scalar = option if scalar is None or scalar is str else scalar
    if any(literals) and scalar is str:
        scalar = None  # the SDK's `Literal[…] | str` leaves room for the future; the API of today does not
    return Field(literals, scalar, hash_of, list_of, mapping, required)


# Checking ------------------------------------------------------------------------------------------------------------


def check(name: str, params: Params) -> Params:
    """The parameters in their declared types.

    Raises InvalidParams for an unknown name, a missing one, a wrong literal or a value of another type.
    """
    return _check_hash(schema(name), params, "")


def _check_hash(fields: dict[str, Field], given: Params, prefix: str) -> Params:
    checked: Params = {}
    for name, value in given.items():
        path = f"{prefix}[{name}]" if prefix else name
        if name not in fields:
            raise InvalidParams(f"Received unknown parameter: {path}", code="parameter_unknown", param=path)
        checked[name] = _check(fields[name], value, path)
    for name, field in fields.items():
        if field.required and name not in given:
            path = f"{prefix}[{name}]" if prefix else name
            raise InvalidParams(f"Missing required param: {path}.", code="parameter_missing", param=path)
    return checked


def _check(field: Field, value: Any, path: str) -> Any:
    if isinstance(value, dict):
        return _check_dict(field, value, path)
    if value in field.literals:
        return value
    if value == "":
        return _check_empty(field, path)
    if field.scalar is not None:
        return _scalar(field.scalar, value, path)
    if any(field.literals):
        raise InvalidParams(f"Invalid {path}: must be one of {_one_of(field.literals)}", param=path)
    kind = "array" if field.list_of else "hash"
    raise InvalidParams(f"Invalid {kind}", param=path)


def _check_dict(field: Field, value: Params, path: str) -> Any:
    if field.list_of is not None and all(key.isdigit() for key in value):
        items = [value[key] for key in sorted(value, key=int)]
        return [_check(field.list_of, item, f"{path}[{index}]") for index, item in enumerate(items)]
    if field.hash_of is not None:
        return _check_hash(_fields(field.hash_of), value, path)
    if field.mapping:
        return value
    raise InvalidParams("Invalid string: a hash was given", param=path)


def _check_empty(field: Field, path: str) -> str:
    if field.mapping:
        return ""
    raise InvalidParams(
        f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a parameter; however "
        f"'{path}' cannot be unset. You should remove '{path}' from your request or supply a non-empty value.",
        code="parameter_invalid_empty",
        param=path,
    )


def _scalar(kind: type, value: str, path: str) -> Any:
    if kind is bool:
        if value not in ("true", "false"):
            raise InvalidParams(f"Invalid boolean: {value}", param=path)
        return value == "true"
    if kind is int:
        if not re.fullmatch(r"-?\d{1,18}", value):
            raise InvalidParams(f"Invalid integer: {value}", code="parameter_invalid_integer", param=path)
        return int(value)
    if kind in (float, Decimal):
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise InvalidParams(f"Invalid decimal: {value}", param=path) from None
        return float(number) if kind is float else str(number)
    return value


def _one_of(literals: Iterable[str]) -> str:
    words = [literal for literal in literals if literal]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])}, or {words[-1]}"
