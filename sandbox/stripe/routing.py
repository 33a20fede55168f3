"""The table of API calls: each handler names its method, its path and the SDK's TypedDict of its parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from werkzeug.routing import Map, Rule

from sandbox.stripe.params import Params
from sandbox.stripe.store import Object, Tx

Handler = Callable[..., Object]


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    params: str
    handler: Handler


ROUTES: list[Route] = []


def route(method: str, path: str, params: str) -> Callable[[Handler], Handler]:
    """Registers `handler(tx, params, **ids)`, which answers a stored object or a list of them."""

    def register(handler: Handler) -> Handler:
        ROUTES.append(Route(method, path, params, handler))
        return handler

    return register


def url_map() -> Map:
    rules = [Rule(r.path, methods=[r.method], endpoint=r) for r in ROUTES]
    return Map(rules, strict_slashes=False)


def in_range(value: int | None, wanted: Any) -> bool:
    """Stripe's range filters: an exact instant, or gt, gte, lt, lte."""
    if not isinstance(wanted, dict):
        return value == wanted
    if value is None:
        return False
    tests = {
        "gt": lambda a, b: a > b,
        "gte": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
        "lte": lambda a, b: a <= b,
    }
    return all(tests[name](value, bound) for name, bound in wanted.items())


PAGING = {"limit", "starting_after", "ending_before", "expand"}


def matching(objects: list[Object], params: Params, *, skip: set[str] = frozenset()) -> list[Object]:  # type: ignore[assignment]
    """Those whose fields equal the filters of the same name; range filters where the filter is a hash."""
    wanted = {name: value for name, value in params.items() if name not in PAGING | skip}
    return [
        obj
        for obj in objects
        if all(
            in_range(obj.get(name), value) if isinstance(value, dict) else obj.get(name) == value
            for name, value in wanted.items()
        )
    ]


def page(tx: Tx, params: Params, objects: list[Object], url: str, *, newest_first: bool = True) -> Object:
    """One page of a list. `objects` come oldest first; Stripe lists newest first."""
    rows = objects[::-1] if newest_first else objects
    ids = [obj["id"] for obj in rows]
    limit = max(1, min(params.get("limit", 10), 100))
    if after := params.get("starting_after"):
        rows = rows[_position(tx, ids, after, "starting_after") + 1 :]
    elif before := params.get("ending_before"):
        rows = rows[: _position(tx, ids, before, "ending_before")]
        return _list(rows[-limit:], url, has_more=len(rows) > limit)
    return _list(rows[:limit], url, has_more=len(rows) > limit)


def _position(tx: Tx, ids: list[str], object_id: str, param: str) -> int:
    from sandbox.stripe.errors import missing

    if object_id not in ids:
        raise missing(tx.store.type_of(object_id) or "object", object_id, param)
    return ids.index(object_id)


def _list(rows: list[Object], url: str, *, has_more: bool) -> Object:
    return {"object": "list", "data": rows, "has_more": has_more, "url": url}
