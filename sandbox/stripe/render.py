"""From a stored object to what goes over the wire, and the `expand` parameter."""

from collections.abc import Callable
from typing import Any

from sandbox.stripe.errors import InvalidParams
from sandbox.stripe.store import Object, Tx

Renderer = Callable[[Tx, Object], Object]
Includer = Callable[[Tx, Object], Any]

RENDERERS: dict[str, Renderer] = {}
INCLUDABLE: dict[tuple[str, str], Includer] = {}  # fields that are there only when asked for by `expand`


def renders(kind: str) -> Callable[[Renderer], Renderer]:
    """Registers what turns a stored object of this type (its own copy) into the public one."""

    def register(renderer: Renderer) -> Renderer:
        RENDERERS[kind] = renderer
        return renderer

    return register


def includes(kind: str, field: str) -> Callable[[Includer], Includer]:
    def register(includer: Includer) -> Includer:
        INCLUDABLE[kind, field] = includer
        return includer

    return register


def render(tx: Tx, obj: Object) -> Object:
    """The public object. An event is public as it is stored, and must not be changed by the caller."""
    if obj.get("object") == "event":
        return obj
    if obj.get("object") in ("list", "search_result"):
        return obj | {"data": [render(tx, item) for item in obj["data"]]}
    public: Object = _public(obj)
    renderer = None if obj.get("deleted") else RENDERERS.get(obj["object"])
    return renderer(tx, public) if renderer else public


def _public(value: Any) -> Any:
    """A deep copy without the stand-in's own fields; metadata is the caller's, whatever its keys begin with."""
    if isinstance(value, dict):
        return {
            name: dict(item) if name == "metadata" and isinstance(item, dict) else _public(item)
            for name, item in value.items()
            if not name.startswith("_")
        }
    if isinstance(value, list):
        return [_public(item) for item in value]
    return value


def as_list(objects: list[Object], url: str) -> Object:
    """An embedded list with all its rows."""
    return {"object": "list", "data": objects, "has_more": False, "url": url}


def expand(tx: Tx, rendered: Object, paths: list[str]) -> Object:
    """Replaces ids by objects along dotted paths, in place. At most four levels, as Stripe."""
    for path in paths:
        parts = path.split(".")
        if len(parts) > 4 + parts.count("data"):
            raise InvalidParams(
                f"You cannot expand more than 4 levels of a property. Property: {path}", param="expand"
            )
        _expand(tx, rendered, parts, path)
    return rendered


def _expand(tx: Tx, node: Any, parts: list[str], path: str) -> None:
    if isinstance(node, list):
        for item in node:
            _expand(tx, item, parts, path)
        return
    name, rest = parts[0], parts[1:]
    if not isinstance(node, dict) or not _known(node, name):
        raise InvalidParams(f"This property cannot be expanded ({path}).", param="expand")
    if name not in node or ((node.get("object"), name) in INCLUDABLE and node[name] is None):
        node[name] = INCLUDABLE[node["object"], name](tx, node)
    node[name] = _resolved(tx, node[name], path)
    if rest and node[name] is not None:
        _expand(tx, node[name], rest, path)


def _known(node: Object, name: str) -> bool:
    return name in node or (str(node.get("object")), name) in INCLUDABLE


def _resolved(tx: Tx, value: Any, path: str) -> Any:
    if isinstance(value, list):
        return [_resolved(tx, item, path) for item in value]
    if not isinstance(value, str):
        return value
    obj = tx.lookup(value)
    if obj is None:
        raise InvalidParams(f"This property cannot be expanded ({path}).", param="expand")
    return render(tx, obj)
