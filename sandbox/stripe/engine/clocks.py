"""Test clocks: customers who live in a time of their own, which stands still until it is advanced.

What happens to such a customer, by a call or when its time comes, happens at the clock's time. The stand-in's own clock
leaves them alone.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.stripe.engine import due
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit
from sandbox.stripe.rules import DAY_S
from sandbox.stripe.store import Object, Tx

KIND = "test_helpers.test_clock"
LIVES_S = 30 * DAY_S
NAMING = (
    "customer",
    "from_subscription",
    "invoice",
    "payment_intent",
    "payment_method",
    "schedule",
    "subscription",
    "test_clock",
)
FURTHEST = 2  # intervals of the shortest subscription, in one advance
INTERVAL_S = {"day": DAY_S, "week": 7 * DAY_S, "month": 31 * DAY_S, "year": 366 * DAY_S}


def of_object(tx: Tx, obj: Object | None) -> Object | None:
    """The clock that an object lives by; None for the stand-in's own."""
    if obj is None:
        return None
    if obj.get("object") == KIND:
        return obj
    customer = obj if obj.get("object") == "customer" else tx.peek("customer", str(obj.get("customer")))
    return tx.peek(KIND, str(customer.get("test_clock"))) if customer else None


@contextmanager
def time_of(tx: Tx, args: dict[str, Any], params: dict[str, Any]) -> Iterator[None]:
    """Within, `tx.now` is the time of whoever a call is about."""
    before = tx.now
    named: Iterable[Any] = [*args.values(), *(params.get(name) for name in NAMING)]
    for object_id in named:
        clock = of_object(tx, tx.lookup(object_id)) if isinstance(object_id, str) else None
        if clock is not None:
            tx.now = clock["frozen_time"]
            break
    try:
        yield
    finally:
        tx.now = before


def create(tx: Tx, *, frozen_time: int, name: str | None) -> Object:
    clock: Object = {
        "id": tx.ids.new("clock"),
        "object": KIND,
        "created": tx.now,
        "deletes_after": tx.now + LIVES_S,
        "frozen_time": frozen_time,
        "livemode": False,
        "name": name,
        "status": "ready",
        "status_details": {},
    }
    tx.add(clock)
    emit(tx, f"{KIND}.created", clock)
    return clock


def advance(tx: Tx, clock: Object, target: int) -> None:
    """Does, in order and each at its time, all that becomes due for the clock's customers up to `target`."""
    if target <= clock["frozen_time"]:
        raise invalid("The frozen time must be later than the clock's present one.", "frozen_time")
    shortest = min((_interval_s(tx, sub) for sub in _mine(tx, clock, "subscription")), default=None)
    if shortest is not None and target > clock["frozen_time"] + FURTHEST * shortest:
        raise invalid(
            "A test clock can be advanced by at most two intervals of its shortest subscription.",
            "frozen_time",
        )
    emit(tx, f"{KIND}.advancing", clock | {"status": "advancing"})
    while (item := _next(tx, clock)) is not None and item.at <= target:
        clock["frozen_time"] = tx.now = max(clock["frozen_time"], item.at)
        due.perform(tx, item)
    clock["frozen_time"] = tx.now = target
    emit(tx, f"{KIND}.ready", clock)


def _mine(tx: Tx, clock: Object, kind: str) -> list[Object]:
    return [obj for obj in tx.scan(kind) if obj.get("test_clock") == clock["id"]]


def _next(tx: Tx, clock: Object) -> due.Due | None:
    found = [
        item for kind, finder in due.FINDERS.items() for obj in _mine(tx, clock, kind) for item in finder(obj)
    ]
    return min(found, default=None)


def _interval_s(tx: Tx, sub: Object) -> int:
    recurring = tx.get("price", sub["items"]["data"][0]["price"])["recurring"]
    return INTERVAL_S[recurring["interval"]] * int(recurring["interval_count"])
