"""Deliveries: signed, in order, tried again, held, doubled and turned around."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
import stripe

from sandbox.stripe.tests.conftest import World
from sandbox.stripe.webhooks import pause_s

pytestmark = pytest.mark.req("BI-2")


class Receiver:
    """An endpoint of its own, that answers what it is told to."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []  # signature, body
        self.answers: list[int] = []  # the next ones; afterwards 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append((self.headers["Stripe-Signature"], body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def types(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.received]

    @property
    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, body in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


def listen(world: World, receiver: Receiver, *kinds: str) -> str:
    """The endpoint's secret."""
    endpoint = world.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": list(kinds) or ["*"]}
    )
    return str(endpoint.secret)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def quiet(world: World) -> None:
    until(lambda: world.control("idle") == {"pending": 0, "retrying": 0, "held": 0})


def test_deliveries_are_signed_and_complete(world: World, receiver: Receiver):
    secret = listen(world, receiver)
    customer = world.v1.customers.create({"email": "a@palier.test"}, {"idempotency_key": "k1"})
    quiet(world)
    signature, body = receiver.received[-1]
    event = stripe.Webhook.construct_event(body, signature, secret)
    assert (event.type, event.data.object.id) == ("customer.created", customer.id)
    assert event.api_version == stripe.api_version
    assert event["request"].idempotency_key == "k1"
    assert world.v1.events.retrieve(event.id).pending_webhooks == 0
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, "whsec_another")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", signature, secret)


def test_signatures_are_of_real_time_when_virtual_time_is_far_ahead(world: World, receiver: Receiver):
    secret = listen(world, receiver)
    world.advance(days=400)
    world.customer(card=None)
    quiet(world)
    signature, body = receiver.received[-1]
    event = stripe.Webhook.construct_event(body, signature, secret)
    assert event.created > time.time() + 399 * 86_400


def test_the_secret_is_told_once(world: World, receiver: Receiver):
    listen(world, receiver)
    endpoint = world.v1.webhook_endpoints.list().data[0]
    assert "secret" not in endpoint
    assert "whsec_" not in json.dumps(world.state())


def test_only_what_was_asked_for(world: World, receiver: Receiver):
    listen(world, receiver, "invoice.paid", "customer.subscription.created")
    world.subscribe(world.price("Basic", 500))
    quiet(world)
    assert sorted(receiver.types) == ["customer.subscription.created", "invoice.paid"]


def test_disabled_and_deleted_endpoints_hear_nothing(world: World, receiver: Receiver):
    listen(world, receiver)
    endpoint = world.v1.webhook_endpoints.list().data[0].id
    world.v1.webhook_endpoints.update(endpoint, {"disabled": True})
    world.customer(card=None)
    world.v1.webhook_endpoints.delete(endpoint)
    world.customer(card=None)
    quiet(world)
    assert receiver.received == []


def test_events_come_in_the_order_they_happened(world: World, receiver: Receiver):
    listen(world, receiver)
    world.subscribe(world.price("Basic", 500))
    quiet(world)
    assert receiver.ids == [event.id for event in world.events()]


def test_a_failed_delivery_is_tried_again(world: World, receiver: Receiver):
    listen(world, receiver)
    receiver.answers = [500, 404]
    world.v1.products.create({"name": "Basic"})
    until(lambda: len(receiver.received) >= 3)
    quiet(world)
    assert receiver.types == ["product.created"] * 3
    assert len(set(receiver.ids)) == 1


def test_pauses_grow():
    assert [pause_s(n) for n in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]
    assert pause_s(15) == 60.0


def test_nobody_listening_keeps_it_for_later(world: World, receiver: Receiver):
    world.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["*"]})
    world.v1.products.create({"name": "Basic"})
    until(lambda: world.control("idle") == {"pending": 0, "retrying": 1, "held": 0})
    endpoint = world.v1.webhook_endpoints.list().data[0].id
    world.v1.webhook_endpoints.update(endpoint, {"url": receiver.url})
    world.advance(hours=1)  # hours later in virtual time: tried at once
    quiet(world)
    assert receiver.types == ["product.created"]


def test_held_and_then_delivered(world: World, receiver: Receiver):
    listen(world, receiver)
    world.control("webhooks", {"mode": "hold"})
    for name in ("a", "b", "c"):
        world.v1.products.create({"name": name})
    assert world.control("idle") == {"pending": 0, "retrying": 0, "held": 3}
    world.advance(hours=1)  # does not wait for what is held
    assert receiver.received == []
    world.control("webhooks", {"mode": "deliver"})
    quiet(world)
    assert [json.loads(body)["data"]["object"]["name"] for _, body in receiver.received] == ["a", "b", "c"]


def test_held_and_then_newest_first(world: World, receiver: Receiver):
    listen(world, receiver)
    world.control("webhooks", {"mode": "hold"})
    for name in ("a", "b", "c"):
        world.v1.products.create({"name": name})
    world.control("webhooks", {"mode": "reverse"})
    quiet(world)
    assert [json.loads(body)["data"]["object"]["name"] for _, body in receiver.received] == ["c", "b", "a"]


def test_each_twice(world: World, receiver: Receiver):
    listen(world, receiver)
    world.control("webhooks", {"mode": "duplicate"})
    world.v1.products.create({"name": "a"})
    quiet(world)
    assert receiver.types == ["product.created"] * 2
    assert len(set(receiver.ids)) == 1


def test_a_clock_move_returns_when_all_was_told(world: World, receiver: Receiver):
    sub = world.subscribe(world.price("Basic", 500))
    listen(world, receiver)
    world.to(sub["items"].data[0].current_period_end)
    assert "invoice.paid" in receiver.types


def test_the_receiver_may_ask_back_while_the_clock_moves(world: World):
    """Its questions are answered with the time of the moment, although the move is not over."""
    asked: list[tuple[int, int]] = []

    class Asking(Receiver):
        def __init__(self) -> None:
            super().__init__()
            outer = self

            class Handler(self.server.RequestHandlerClass):  # type: ignore[name-defined,misc]
                def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
                    super().do_POST()
                    event = json.loads(outer.received[-1][1])
                    if event["type"] == "invoice.paid":
                        asked.append((event["created"], world.now))
                        world.v1.invoices.retrieve(event["data"]["object"]["id"])

            self.server.RequestHandlerClass = Handler

    sub = world.subscribe(world.price("Basic", 500))
    asking = Asking()
    try:
        listen(world, asking)
        world.advance(days=65)
    finally:
        asking.close()
    assert len(asked) == 2
    assert all(0 <= now - created <= 3_600 for created, now in asked)
    assert sub.status == "active"


def test_previous_attributes_hold_only_what_changed(world: World):
    customer = world.customer(card=None, metadata={"a": "1", "b": "2"})
    world.v1.customers.update(customer, {"name": "Ada", "metadata": {"a": "3"}})
    event = world.events("customer.updated")[-1].data
    assert event.to_dict()["previous_attributes"] == {"name": None, "metadata": {"a": "1"}}
    before = len(world.events())
    world.v1.customers.update(customer, {"name": "Ada"})
    assert len(world.events()) == before


# Replays -------------------------------------------------------------------------------------------------------------


def test_what_was_recorded_is_replayed_in_any_order(world: World, receiver: Receiver):
    listen(world, receiver)
    world.control("webhooks", {"mode": "hold"})
    world.subscribe(world.price("Basic", 500))
    recorded = [event.id for event in world.events() if event.type != "webhook_endpoint.created"]
    wanted = [*recorded[::-1], recorded[0]]
    sent = world.control("webhooks/replay", {"events": wanted})["deliveries"]
    assert receiver.ids == wanted
    assert [(row["event"], row["status"]) for row in sent] == [(event, 200) for event in wanted]
    assert [row["event"] for row in world.control("webhooks/log")["deliveries"]] == wanted
    assert world.control("idle")["held"] == 0  # they were delivered, by hand
    world.control("webhooks", {"mode": "deliver"})
    quiet(world)
    assert receiver.ids == wanted
    assert world.control("webhooks/log", method="DELETE") == {"deliveries": []}


def test_a_replay_that_is_refused_leaves_the_delivery_waiting(world: World, receiver: Receiver):
    listen(world, receiver, "customer.created")
    world.control("webhooks", {"mode": "hold"})
    world.customer(card=None)
    event = world.events("customer.created")[-1].id
    receiver.answers = [500]
    assert world.control("webhooks/replay", {"events": [event]})["deliveries"][0]["status"] == 500
    assert world.control("idle")["held"] == 1
    world.control("webhooks", {"mode": "deliver"})
    quiet(world)
    assert receiver.ids == [event, event]
    assert [row["status"] for row in world.control("webhooks/log")["deliveries"]] == [500, 200]


def test_a_replay_of_nothing_there_is_refused(world: World, receiver: Receiver):
    listen(world, receiver)
    for body in ({"events": ["evt_none"]}, {"events": "all"}, {}):
        assert (
            requests.post(f"{world.url}/_sandbox/webhooks/replay", json=body, timeout=10).status_code >= 400
        )
    quiet(world)
    assert set(receiver.types) <= {"webhook_endpoint.created"}
