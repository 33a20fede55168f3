"""Events: what happened, with the object as it was at that moment, and who is to be told."""

from collections.abc import Callable
from typing import Any

import stripe

from sandbox.stripe.render import render
from sandbox.stripe.store import Object, Tx, copied

API_VERSION = stripe.api_version


Listener = Callable[[Tx, Object], None]
LISTENERS: dict[str, list[Listener]] = {}


def on(kind: str) -> Callable[[Listener], Listener]:
    """Registers what the billing engine itself does when an event of this kind is emitted."""

    def register(listener: Listener) -> Listener:
        LISTENERS.setdefault(kind, []).append(listener)
        return listener

    return register


def emit(tx: Tx, kind: str, obj: Object) -> None:
    """Records that something happened to `obj`, and queues a delivery for every endpoint that wants to know."""
    snapshot = render(tx, obj)
    tx.snapshots[obj["id"]] = copied(snapshot)
    _record(tx, kind, {"object": snapshot})
    for listener in LISTENERS.get(kind, ()):
        listener(tx, obj)


def emit_snapshot(tx: Tx, kind: str, snapshot: Object) -> None:
    """Records an event about something that is not stored."""
    _record(tx, kind, {"object": snapshot})


def emit_updated(tx: Tx, kind: str, obj: Object) -> None:
    """Records a change since the last event about `obj`; nothing when nothing visible changed."""
    snapshot = render(tx, obj)
    before = tx.snapshots.get(obj["id"]) or _committed(tx, obj)
    previous = _differences(before, snapshot)
    if not previous:
        return
    tx.snapshots[obj["id"]] = copied(snapshot)
    _record(tx, kind, {"object": snapshot, "previous_attributes": previous})


def _committed(tx: Tx, obj: Object) -> Object:
    before = tx.store.peek(obj["object"], obj["id"])
    return render(tx, before) if before else {}


def _differences(before: Object, after: Object) -> Object:
    """Stripe's `previous_attributes`: the old values, hashes only by what changed in them, lists whole."""
    changed: Object = {}
    for name in after | before:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        both = isinstance(old, dict) and isinstance(new, dict)
        changed[name] = _differences(old or {}, new or {}) if both else old
    return changed


def _record(tx: Tx, kind: str, data: dict[str, Any]) -> None:
    if tx.preview:
        return
    endpoints = [e for e in tx.find("webhook_endpoint") if wants(e, kind)]
    event = {
        "id": tx.ids.new("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": tx.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": len(endpoints),
        "request": {"id": tx.request_id, "idempotency_key": tx.idempotency_key},
        "type": kind,
    }
    tx.add(event)
    for endpoint in endpoints:
        delivery = {
            "id": tx.ids.new("del"),
            "event": event["id"],
            "endpoint": endpoint["id"],
            "attempts": 0,
            "not_before": 0.0,
        }
        tx.add(delivery, "_delivery")


def wants(endpoint: Object, kind: str) -> bool:
    wanted = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in wanted or kind in wanted)
