"""Test clocks."""

from sandbox.stripe.engine import clocks
from sandbox.stripe.events import emit
from sandbox.stripe.params import Params
from sandbox.stripe.resources import customers
from sandbox.stripe.resources.common import deleted
from sandbox.stripe.routing import page, route
from sandbox.stripe.store import Object, Tx

URL = "/v1/test_helpers/test_clocks"


@route("POST", URL, "test_helpers.TestClockCreateParams")
def create(tx: Tx, params: Params) -> Object:
    return clocks.create(tx, frozen_time=params["frozen_time"], name=params.get("name"))


@route("GET", f"{URL}/<clock_id>", "test_helpers.TestClockRetrieveParams")
def retrieve(tx: Tx, params: Params, clock_id: str) -> Object:
    return tx.get(clocks.KIND, clock_id)


@route("GET", URL, "test_helpers.TestClockListParams")
def list_(tx: Tx, params: Params) -> Object:
    return page(tx, params, tx.scan(clocks.KIND), URL)


@route("POST", f"{URL}/<clock_id>/advance", "test_helpers.TestClockAdvanceParams")
def advance(tx: Tx, params: Params, clock_id: str) -> Object:
    """The answer says `advancing`, as Stripe's does; whoever asks afterwards is told `ready`."""
    clock = tx.get(clocks.KIND, clock_id)
    clocks.advance(tx, clock, params["frozen_time"])
    target = {"target_frozen_time": params["frozen_time"]}
    return clock | {"status": "advancing", "status_details": {"advancing": target}}


@route("DELETE", f"{URL}/<clock_id>", "test_helpers.TestClockDeleteParams")
def delete(tx: Tx, params: Params, clock_id: str) -> Object:
    """Its customers go with it."""
    clock = tx.get(clocks.KIND, clock_id)
    for customer in tx.find("customer", test_clock=clock_id):
        customers.delete(tx, {}, customer["id"])
    emit(tx, f"{clocks.KIND}.deleted", clock)
    tx.remove(clocks.KIND, clock_id)
    return deleted(clock)
