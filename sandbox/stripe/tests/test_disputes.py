"""A payer who asks the bank for the money back."""

from typing import Any

import pytest
import stripe

from sandbox.stripe.tests.conftest import World, refused

pytestmark = pytest.mark.req("BI-5")


def disputed(world: World, card: str = "pm_card_createDispute") -> Any:
    world.subscribe(world.price("Basic", 500), world.customer(card))
    (dispute,) = world.v1.disputes.list().data
    return dispute


def test_the_bank_takes_the_money_back(world: World):
    dispute = disputed(world)
    assert (dispute.status, dispute.amount, dispute.reason) == ("needs_response", 500, "fraudulent")
    assert [(row.amount, row.fee) for row in dispute.balance_transactions] == [(-500, 2000)]
    charge = world.v1.charges.retrieve(dispute.charge)
    assert (charge.disputed, charge.status) == (True, "succeeded")
    told = [event.type for event in world.events() if event.type.startswith("charge.dispute")]
    assert told == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    refused(stripe.InvalidRequestError, world.v1.refunds.create, {"charge": charge.id})


def test_a_dispute_is_won_with_evidence(world: World):
    dispute = disputed(world, "pm_card_createDisputeProductNotReceived")
    assert dispute.reason == "product_not_received"
    kept = world.v1.disputes.update(dispute.id, {"evidence": {"customer_name": "Ada"}, "submit": False})
    assert (kept.status, kept.evidence.customer_name) == ("needs_response", "Ada")
    won = world.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    assert won.status == "won"
    assert sum(row.net for row in won.balance_transactions) == 0
    refused(stripe.InvalidRequestError, world.v1.disputes.close, dispute.id)


@pytest.mark.parametrize("way", ["close", "losing_evidence"])
def test_a_dispute_is_lost(world: World, way: str):
    dispute = disputed(world)
    if way == "close":
        lost = world.v1.disputes.close(dispute.id)
    else:
        lost = world.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": way}})
    assert lost.status == "lost"
    assert len(world.events("charge.dispute.closed")) == 1
