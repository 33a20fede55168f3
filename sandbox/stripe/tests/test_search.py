"""Stripe's search."""

import pytest
import stripe

from sandbox.stripe.tests.conftest import World, refused


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("metadata['plan']:'basic'", ["a", "b"]),
        ('metadata["plan"]:"basic" AND status:"active"', ["a"]),
        ("metadata['plan']:'basic' status:'active'", ["a"]),
        ("status:'canceled' OR metadata['plan']:'premium'", ["b", "c"]),
        ("-metadata['plan']:'basic'", ["c"]),
        ("-metadata['plan']:null", ["a", "b", "c"]),
        ("metadata['change']:'it\\'s 7'", ["c"]),
        ("created>1", ["a", "b", "c"]),
        ("created<1", []),
    ],
)
def test_subscriptions_are_found(world: World, query: str, found: list[str]):
    price = world.price("Basic", 500)
    names = {}
    for name, metadata in (
        ("a", {"plan": "basic"}),
        ("b", {"plan": "Basic"}),
        ("c", {"plan": "premium", "change": "it's 7"}),
    ):
        names[world.subscribe(price, metadata=metadata).id] = name
    canceled = next(sub_id for sub_id, name in names.items() if name == "b")
    world.v1.subscriptions.cancel(canceled)
    listed = world.v1.subscriptions.search({"query": query})
    assert sorted(names[sub.id] for sub in listed.data) == found


def test_other_things_are_found(world: World):
    customer = world.customer(name="Ada Lovelace", email="ada@palier.test")
    sub = world.subscribe(world.price("Basic", 500), customer)
    v1 = world.v1
    assert [row.id for row in v1.customers.search({"query": "name~'love'"}).data] == [customer]
    by_subscription = {"query": f"subscription:'{sub.id}' AND total>=500"}
    assert [row.id for row in v1.invoices.search(by_subscription).data] == [sub.latest_invoice]
    assert len(v1.charges.search({"query": "refunded:'false'"}).data) == 1
    assert len(v1.payment_intents.search({"query": f"customer:'{customer}'"}).data) == 1
    assert len(v1.products.search({"query": "active:'true'"}).data) == 1
    assert len(v1.prices.search({"query": "type:'recurring'"}).data) == 1


def test_results_come_by_pages(world: World):
    made = [world.customer(card=None, name="Same") for _ in range(5)]
    found = world.v1.customers.search({"query": "name:'same'", "limit": 2})
    assert [row.id for row in found.auto_paging_iter()] == made[::-1]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "status",
        "status:active",
        "nothing:'x'",
        "metadata:'x'",
        "a:'1' AND b:'2' OR c:'3'",
        "status:'a' &",
    ],
)
def test_what_cannot_be_read_is_refused(world: World, query: str):
    refused(stripe.InvalidRequestError, world.v1.subscriptions.search, {"query": query})
