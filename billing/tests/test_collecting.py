"""Overage that is collected before the period’s end: one invoice, tried on the declared days, and waited for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import Notification
from accounts.notifications.messages import message_of
from billing import services
from billing.errors import OverageChargeFailed
from billing.gateways.client import api
from billing.models import OverageCharge, OverageCollection
from billing.reactions import event_follow
from billing.services.collecting import COLLECT
from billing.tests.helpers import fault, forget_keys, no_faults, state
from billing.tests.stores import items, spend, store, take_back
from common import outbox
from common.clock import database_now
from common.models import OutboxMessage


def sweep(after=timedelta(minutes=1), **more):
    return services.overage_charges_sweep(now=database_now() + after, **more)


def refused(stand_in) -> int:
    """How often a card was asked and said no."""
    return sum(one["status"] == "failed" for one in state(stand_in)["charges"].values())


@pytest.mark.req("CR-5")
def test_past_the_threshold_it_is_collected_at_once(trading, stand_in, settings):
    settings.OVERAGE_COLLECT_AT_MINOR = 100
    account = store("growth", credits_left=0)
    spend(account, 4, key="a")
    assert not OverageCollection.objects.exists()
    spend(account, 4, key="b")
    collection = OverageCollection.objects.get()
    assert OutboxMessage.objects.filter(task=COLLECT).count() == 1
    outbox.run_due(now=database_now())
    collection.refresh_from_db()
    assert collection.status == "paid"
    invoice = state(stand_in)["invoices"][collection.stripe_invoice_id]
    assert (invoice["total"], invoice["status"]) == (112, "paid")
    assert set(OverageCharge.objects.values_list("stripe_invoice_id", flat=True)) == {invoice["id"]}
    spend(account, 4, key="c")
    assert OverageCollection.objects.count() == 1, "the sum begins anew"
    made = services.spend_of(OverageCharge.objects.get(work_ref="b"))
    assert take_back(account, made)
    assert [note["total"] for note in state(stand_in)["credit_notes"].values()] == [56]


@pytest.mark.req("CR-5", "CR-8")
@pytest.mark.parametrize("path", ["/v1/invoices", "/v1/invoices/"])
def test_a_collection_whose_answers_are_lost_is_one_invoice(trading, stand_in, settings, path):
    settings.OVERAGE_COLLECT_AT_MINOR = 20
    account = store("growth", credits_left=0)
    spend(account, 4)
    before = len(state(stand_in)["invoices"])
    fault(stand_in, path=path, method="POST", effect="drop_after", times=4)
    outbox.run_due(now=database_now())
    no_faults(stand_in)
    forget_keys(stand_in)
    sweep()
    sweep()
    assert OverageCollection.objects.get().status == "paid"
    assert len(state(stand_in)["invoices"]) == before + 1


@pytest.mark.req("CR-5", "CR-3")
def test_while_a_collection_is_unpaid_nothing_more_is_charged(trading, stand_in, settings):
    settings.OVERAGE_COLLECT_AT_MINOR = 20
    account = store("growth", credits_left=0)
    spend(account, 4, key="a")
    bad = services.payment_method_add(account=account, payment_method_id="pm_card_chargeCustomerFail")
    services.payment_method_make_default(account=account, payment_method_id=bad.id)
    outbox.run_due(now=database_now())
    assert OverageCollection.objects.get().status == "unpaid"
    with pytest.raises(OverageChargeFailed):
        spend(account, 1, key="b")
    assert len(items(stand_in)) == 1
    for _ in range(3):
        assert sweep().collected == []
    assert refused(stand_in) == 1, "the card is not asked again and again"
    (told,) = Notification.objects.filter(template="overage_unpaid")
    words = message_of(told.template, told.context)
    assert words.lines[0].startswith("$0.56 for what you used past your credits could not be charged")
    assert (
        words.action.path == f"/account/billing/invoices/{OverageCollection.objects.get().stripe_invoice_id}/"
    )
    good = services.payment_method_add(account=account, payment_method_id="pm_card_mastercard")
    services.payment_method_make_default(account=account, payment_method_id=good.id)
    sweep()
    assert OverageCollection.objects.get().status == "paid"
    assert spend(account, 1, key="c").charge.status == "accepted"


@pytest.mark.req("CR-5", "BI-6")
def test_an_unpaid_collection_is_tried_again_on_the_declared_days(travel, settings):
    settings.OVERAGE_COLLECT_AT_MINOR = 20
    account = store("growth", credits_left=0)
    spend(account, 4)
    bad = services.payment_method_add(account=account, payment_method_id="pm_card_chargeCustomerFail")
    services.payment_method_make_default(account=account, payment_method_id=bad.id)
    outbox.run_due(now=database_now())
    tried = []
    for _ in range(18):
        travel.by(days=1, minutes=1, sweep=False)
        sweep()
        tried.append(refused(travel.stand_in))
    assert tried == [1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4]


@pytest.mark.req("CR-5")
@pytest.mark.parametrize(("how", "status"), [("pay", "paid"), ("void_invoice", "not_needed")])
def test_a_collection_that_is_paid_elsewhere_or_taken_back_is_waited_for_no_more(
    trading, stand_in, settings, how, status
):
    settings.OVERAGE_COLLECT_AT_MINOR = 20
    account = store("growth", credits_left=0)
    spend(account, 4, key="a")
    bad = services.payment_method_add(account=account, payment_method_id="pm_card_chargeCustomerFail")
    services.payment_method_make_default(account=account, payment_method_id=bad.id)
    outbox.run_due(now=database_now())
    invoice_id = OverageCollection.objects.get().stripe_invoice_id
    good = services.payment_method_add(account=account, payment_method_id="pm_card_mastercard")
    getattr(api().invoices, how)(invoice_id, {"payment_method": good.id} if how == "pay" else {})
    event_follow({"data": {"object": {"object": "invoice", "id": invoice_id}}})
    assert OverageCollection.objects.get().status == status
    services.payment_method_make_default(account=account, payment_method_id=good.id)
    assert spend(account, 1, key="b").charge.status == "accepted"
