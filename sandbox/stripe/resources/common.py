"""What many resources share."""

from typing import Any

from sandbox.stripe.engine.items import merged_metadata
from sandbox.stripe.store import Object

ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def address(given: Any) -> Object | None:
    """A whole address, with None for what was not given; None when unset."""
    if not given:
        return None
    return {name: given.get(name) or None for name in ADDRESS}


def unset(value: Any) -> Any:
    """Stripe's empty string, which unsets."""
    return None if value == "" else value


def assign(obj: Object, params: Object, *names: str) -> None:
    """Takes over the plain fields a request gives, and merges its metadata."""
    for name in names:
        if name in params:
            obj[name] = unset(params[name])
    if "metadata" in params:
        obj["metadata"] = merged_metadata(obj["metadata"] or {}, params["metadata"])


def deleted(obj: Object) -> Object:
    return {"id": obj["id"], "object": obj["object"], "deleted": True}
