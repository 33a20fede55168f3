"""Compares emitted objects with the annotations of the SDK's resource classes.

The classes say which fields there are, and which of them are never null. A field the SDK does not know, a null where it
allows none, or a missing field that it always expects is a finding.
"""

import sys
import types
import typing
from decimal import Decimal
from functools import cache, reduce
from operator import or_
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

import stripe
from stripe._expandable_field import ExpandableField
from stripe._object_classes import get_object_class
from stripe._stripe_object import StripeObject, UntypedStripeObject

ANY = typing.Any


@cache
def fields(cls: type) -> dict[str, Any]:
    """The annotations of a class, resolved as far as the SDK's forward references allow."""
    space = _namespace(cls)
    found = {}
    for name, hint in vars(cls).get("__annotations__", {}).items():
        resolved = _resolved(hint, space)
        if get_origin(resolved) is not ClassVar and not name.startswith("_"):
            found[name.removesuffix("_") if name == "from_" else name] = resolved
    return found


def _namespace(cls: type) -> dict[str, Any]:
    """What an annotation in this class may name: its module, the nested classes around it, and all resources."""
    module = sys.modules[cls.__module__]
    space = {name: getattr(stripe, name) for name in dir(stripe) if isinstance(getattr(stripe, name), type)}
    space |= vars(typing) | {"ExpandableField": ExpandableField} | vars(module)
    outer: Any = module
    for part in cls.__qualname__.split("."):
        outer = getattr(outer, part)
        space |= {name: value for name, value in vars(outer).items() if isinstance(value, type)}
    return space


def _resolved(hint: Any, space: dict[str, Any]) -> Any:
    if isinstance(hint, typing.ForwardRef):
        hint = hint.__forward_arg__
    if isinstance(hint, str):
        try:
            return _resolved(eval(hint, dict(space)), space)
        except NameError:
            return ANY  # a resource outside the SDK's top level, such as a test clock
    args = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return reduce(or_, (_resolved(arg, space) for arg in args))
    if get_origin(hint) in (list, dict):
        return get_origin(hint)[tuple(_resolved(arg, space) for arg in args)]
    return hint


def findings(obj: Any) -> list[str]:
    """What is wrong with an object that says what it is in its `object` field."""
    cls = get_object_class("V1", obj["object"])
    return (
        list(_check_object(obj, cls, obj["object"]))
        if cls is not StripeObject
        else [f"unknown {obj['object']}"]
    )


def _check_object(obj: dict[str, Any], cls: type, path: str) -> typing.Iterator[str]:
    known = fields(cls)
    if not known:
        return
    for name, value in obj.items():
        if name not in known:
            yield f"{path}.{name}: unknown to the SDK"
        else:
            yield from _check(value, known[name], f"{path}.{name}")
    for name, hint in known.items():
        if name not in obj and not _optional(hint):
            yield f"{path}.{name}: missing"


def _optional(hint: Any) -> bool:
    return hint is ANY or type(None) in get_args(hint)


def _check(value: Any, hint: Any, path: str) -> typing.Iterator[str]:
    if hint is ANY:
        return
    if value is None:
        if not _optional(hint):
            yield f"{path}: null"
        return
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    options = tuple(option for option in options if option is not type(None))
    if isinstance(value, dict):
        yield from _check_dict(value, options, path)
    elif isinstance(value, list):
        inner = [get_args(option)[0] for option in options if get_origin(option) is list]
        if not inner:
            yield f"{path}: a list where {hint} was expected"
        for index, item in enumerate(value if inner else []):
            yield from _check(item, inner[0], f"{path}[{index}]")
    else:
        yield from _check_scalar(value, options, path)


def _check_dict(value: dict[str, Any], options: tuple[Any, ...], path: str) -> typing.Iterator[str]:
    if value.get("object") == "list":
        for index, item in enumerate(value["data"]):
            yield from (f"{path}.data[{index}] {text}" for text in findings(item))
        return
    if isinstance(value.get("object"), str):
        yield from (f"{path}: {text}" for text in findings(value))
        return
    for option in options:
        origin = get_origin(option) or option
        if origin in (dict, UntypedStripeObject):
            return
        if isinstance(origin, type) and issubclass(origin, StripeObject):
            yield from _check_object(value, origin, path)
            return
    yield f"{path}: a hash where {options} was expected"


NUMBERS: dict[Any, tuple[type, ...]] = {
    int: (int,),
    float: (int, float),
    str: (str,),
    bool: (bool,),
    Decimal: (str, Decimal),  # text on the wire, a number after the SDK has read it
}


def _check_scalar(value: Any, options: tuple[Any, ...], path: str) -> typing.Iterator[str]:
    """Literals are held to what is listed, also where the SDK leaves room for values to come."""
    literals = [
        literal for option in options if get_origin(option) is Literal for literal in get_args(option)
    ]
    if literals:
        if value not in literals and not (isinstance(value, int) and int in options):
            yield f"{path}: {value!r} is not one of its literals"
        return
    for option in options:
        if option is ANY or (
            option in NUMBERS and isinstance(value, NUMBERS[option]) and not (option is int and value is True)
        ):
            return
    yield f"{path}: {value!r} where {options} was expected"
