"""What credits do not cover is charged first, certainly and once, or not used at all."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connections

from billing import services
from billing.errors import OverageCapReached, OverageChargeFailed
from billing.gateways.stripe import gateway
from billing.models import OverageCharge, Subscription
from billing.services import overage, overage_charges
from billing.tests.helpers import fault, forget_keys, no_faults, state, subscription
from billing.tests.stores import GENERATIONS, credits_of, items, moves, spend, store, take_back
from common.clock import database_now
from quotas.errors import InsufficientCredits, NoActiveSubscription
from quotas.models import Bucket, Entitlement, Reservation, UsageRecord
from quotas.services import reservations_expire, wallet_grant
from quotas.tests.test_races import at_once
from quotas.values import Split

ITEMS = "/v1/invoiceitems"


def sweep(after=timedelta(minutes=1), **more):
    return services.overage_charges_sweep(now=database_now() + after, **more)


def untouched(account, stand_in):
    """Nothing was used, charged or held."""
    assert items(stand_in) == []
    assert not UsageRecord.objects.filter(account_id=account.pk).exists()
    assert not Reservation.objects.filter(account_id=account.pk, status="open").exists()
    assert sum(Bucket.objects.filter(account=account).values_list("reserved_units", flat=True)) == 0
    return True


@pytest.mark.req("CR-1", "CR-3")
def test_credits_are_used_before_anything_is_charged(trading, stand_in):
    account = store("growth", credits_left=3)
    made = spend(account, 3)
    assert (made.split, made.charge) == (Split(0, 3, 0), None)
    assert credits_of(account) == 0
    assert items(stand_in) == []


@pytest.mark.req("CR-3", "CR-4", "CR-5")
@pytest.mark.parametrize(("plan", "rate"), [("starter", 16), ("growth", 14), ("scale", 12)])
def test_past_the_credits_each_unit_costs_the_plans_rate(trading, stand_in, plan, rate):
    account = store(plan, credits_left=1)
    made = spend(account, 3, request_id="req-overage")
    assert made.split == Split(0, 1, 2)
    assert (made.charge.status, made.charge.amount_minor, made.charge.currency) == (
        "accepted",
        2 * rate,
        "usd",
    )
    (item,) = items(stand_in)
    assert (item["amount"], item["currency"], item["invoice"]) == (2 * rate, "usd", None)
    assert item["metadata"]["palier_overage_charge"] == str(made.charge.pk)
    assert moves(account)[-2:] == [("use", -1, 0), ("overage", 0, 2)]
    record = UsageRecord.objects.get(pk=made.record_id)
    assert (record.units, record.credit_units, record.overage_units) == (3, 1, 2)
    assert OverageCharge.objects.get().record_id == made.record_id


@pytest.mark.req("CR-3", "CR-4")
def test_the_price_is_the_one_the_meter_decided_by(trading, stand_in, monkeypatch):
    """The plan's price in credits changes between the decision and the charge."""
    account = store("growth", credits_left=0)
    real = overage._open

    def late(*asked):
        Entitlement.objects.filter(account=account).update(credits_per_unit=50)
        opened = real(*asked)
        Entitlement.objects.filter(account=account).update(credits_per_unit=1)
        return opened

    monkeypatch.setattr(overage, "_open", late)
    made = spend(account, 2)
    assert (made.charge.unit_minor, made.charge.amount_minor) == (14, 28)


@pytest.mark.req("CR-3")
def test_what_credits_do_not_pay_for_is_not_past_them(trading, stand_in):
    account = store("growth", credits_left=0)
    now = database_now()
    terms = services.overage_terms(account=account, now=now)
    for metric, may in ((GENERATIONS, True), ("messages", False)):
        assert (
            services.overage_affordable(account=account, metric=metric, units=1, terms=terms, now=now) is may
        )


@pytest.mark.req("CR-5", "CR-3")
def test_the_next_invoice_asks_for_it(travel):
    account = store("growth", credits_left=0)
    spend(account, 2)
    travel.by(days=32)
    invoices = state(travel.stand_in)["invoices"].values()
    renewal = max(invoices, key=lambda one: one["created"])
    assert renewal["total"] == 9900 + 28
    assert renewal["status"] == "paid"


@pytest.mark.req("CR-6", "CR-8", "PC-6")
def test_the_same_work_is_charged_once(trading, stand_in):
    account = store("growth", credits_left=0)
    first, again = spend(account, 2), spend(account, 2)
    assert (first.charge, first.record_id, first.split) == (again.charge, again.record_id, again.split)
    assert len(items(stand_in)) == 1
    assert moves(account).count(("overage", 0, 2)) == 1


@pytest.mark.req("CR-3", "CR-9")
@pytest.mark.parametrize("status", ["past_due", "incomplete", "paused"])
def test_a_status_that_is_not_in_order_never_charges(trading, stand_in, status):
    account = store("growth", credits_left=0)
    Subscription.objects.filter(account=account).update(status=status)
    with pytest.raises(InsufficientCredits) as refused:
        spend(account)
    assert refused.value.details["credits"] == {"balance_units": 0, "needed_units": 1}
    assert untouched(account, stand_in)


@pytest.mark.req("CR-3", "CR-8")
def test_a_status_that_is_not_known_for_certain_never_charges(trading, stand_in):
    account = store("growth", credits_left=0)
    Subscription.objects.filter(account=account).update(stripe_read_at=database_now() - timedelta(hours=2))
    fault(stand_in, path="/v1/subscriptions", effect="error_before", times=9)
    with pytest.raises(InsufficientCredits):
        spend(account)
    no_faults(stand_in)
    assert untouched(account, stand_in)
    assert spend(account, key="another").split == Split(0, 0, 1)


@pytest.mark.req("CR-3")
def test_without_a_subscription_and_without_credits_nothing_goes(trading, stand_in):
    account = store(None)
    with pytest.raises(NoActiveSubscription):
        spend(account)
    assert untouched(account, stand_in)


@pytest.mark.req("CR-5", "CR-9")
def test_the_cap_stops_overage(trading, stand_in):
    account = store("growth", credits_left=0)
    owner = account.members.get()
    services.spend_cap_set(account=account, actor=owner, cap_minor=28, now=database_now())
    spend(account, 1, key="a")
    with pytest.raises(OverageCapReached) as refused:
        spend(account, 2, key="b")
    assert refused.value.status == 402
    assert refused.value.details["spent"] == {"amount_minor": 14, "currency": "usd"}
    assert refused.value.details["cap"] == {"amount_minor": 28, "currency": "usd"}
    assert len(items(stand_in)) == 1
    assert spend(account, 1, key="c").charge.status == "accepted"
    services.spend_cap_set(account=account, actor=owner, cap_minor=None, now=database_now())
    assert spend(account, 2, key="d").charge.amount_minor == 28


@pytest.mark.req("CR-5", "CR-9")
def test_more_than_an_invoice_can_ask_for_is_not_charged(trading, stand_in):
    """Stripe could never issue it; and a slip of a program is not to cost millions where no cap is set."""
    account = store("growth", credits_left=0)
    most = overage.LARGEST_INVOICE_MINOR // 14
    for units in (10**9, most + 1):
        with pytest.raises(OverageChargeFailed) as refused:
            spend(account, units, key=f"work-{units}")
        assert refused.value.details["reason"] == "amount_too_large"
        assert refused.value.details["remedies"][0]["action"] == "contact"
    assert untouched(account, stand_in)
    spend(account, 1, key="one")
    with pytest.raises(OverageChargeFailed) as refused:
        spend(account, most, key="most")
    assert refused.value.details["most"]["amount_minor"] == overage.LARGEST_INVOICE_MINOR - 14
    assert spend(account, most - 1, key="less").charge.status == "accepted"


@pytest.mark.req("CR-5", "CR-1")
def test_many_at_once_stay_within_the_cap(travel):
    account = store("growth", credits_left=2)
    services.spend_cap_set(account=account, actor=None, cap_minor=14 * 3, now=database_now())

    def one(number):
        try:
            return spend(account, 1, key=f"work-{number}")
        except OverageCapReached as error:
            return error
        finally:
            connections.close_all()

    outcomes = at_once(9, one)
    spends = [each for each in outcomes if isinstance(each, services.Spend)]
    assert sum(each.split.credits for each in spends) == 2
    assert sum(each.split.overage for each in spends) == 3
    assert sum(isinstance(each, OverageCapReached) for each in outcomes) == 4
    assert len(items(travel.stand_in)) == 3
    assert not Reservation.objects.filter(account_id=account.pk, status="open").exists()


@pytest.mark.req("CR-3", "CR-8")
def test_when_stripe_says_no_nothing_is_used(trading, stand_in, monkeypatch):
    account = store("growth", credits_left=1)
    create = type(gateway).invoice_item_create
    wrong = lambda self, **asked: create(self, **asked | {"currency": "eur"})  # noqa: E731 - Stripe refuses it
    monkeypatch.setattr(type(gateway), "invoice_item_create", wrong)
    with pytest.raises(OverageChargeFailed) as refused:
        spend(account, 2)
    assert refused.value.status == 402
    assert untouched(account, stand_in)
    assert credits_of(account) == 1
    charge = OverageCharge.objects.get()
    assert (charge.status, charge.reversed_at) == ("failed", None)
    with pytest.raises(OverageChargeFailed):
        spend(account, 2)


@pytest.mark.req("CR-8", "CR-6")
@pytest.mark.parametrize("times", [1, 4])
def test_an_answer_lost_after_the_effect_is_one_charge(trading, stand_in, times):
    """Once: the retry under the same key finds it. Every time: Stripe is asked what there is."""
    account = store("growth", credits_left=0)
    fault(stand_in, path=ITEMS, method="POST", effect="drop_after", times=times)
    made = spend(account, 2)
    assert made.charge.status == "accepted"
    assert made.record_id is not None
    assert len(items(stand_in)) == 1


@pytest.mark.req("CR-8", "CR-6")
@pytest.mark.parametrize("effect", ["drop_after", "error_before"])
def test_an_outcome_that_stays_unknown_is_pending_until_stripe_says(trading, stand_in, effect):
    account = store("growth", credits_left=1)
    fault(stand_in, path=ITEMS, effect=effect, times=99)
    made = spend(account, 3)
    assert made.is_pending
    assert made.record_id is None
    no_faults(stand_in)
    forget_keys(stand_in)
    happened = effect == "drop_after"
    report = sweep()
    assert (len(report.accepted), len(report.still_open)) == ((1, 0) if happened else (0, 1))
    sweep(after=timedelta(hours=1))
    charge = OverageCharge.objects.get()
    assert charge.status == ("accepted" if happened else "failed")
    assert len(items(stand_in)) == happened
    assert credits_of(account) == (0 if happened else 1)
    assert UsageRecord.objects.filter(account_id=account.pk).count() == happened
    assert sweep(after=timedelta(hours=2)).accepted == []


@pytest.mark.req("CR-6")
def test_a_record_that_fails_after_the_charge_does_not_fail_the_work(trading, stand_in, monkeypatch):
    account = store("growth", credits_left=0)

    def fail(_charge):
        raise DatabaseError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(overage_charges, "overage_charge_record", fail)
        made = spend(account, 2)
    assert made.charge.status == "accepted"
    assert made.charge.stripe_item_id == items(stand_in)[0]["id"]
    assert made.record_id is None
    assert len(sweep().recorded) == 1
    assert moves(account)[-1] == ("overage", 0, 2)
    assert sweep().recorded == []
    assert UsageRecord.objects.filter(account_id=account.pk).count() == 1


@pytest.mark.req("CR-6")
def test_a_record_that_comes_after_its_reservation_gave_way_counts_all_the_same(travel, monkeypatch):
    account = store("growth", credits_left=0)

    def fail(_charge):
        raise DatabaseError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(overage_charges, "overage_charge_record", fail)
        spend(account, 2)
    travel.by(hours=2)
    assert reservations_expire() == 1
    assert len(sweep().recorded) == 1
    assert moves(account)[-1] == ("overage", 0, 2)


@pytest.mark.req("CR-6", "CR-1")
def test_what_is_charged_takes_no_credits_however_late_it_is_recorded(travel, monkeypatch):
    """Credits that came meanwhile are for what comes, not for what the card has paid."""
    account = store("growth", credits_left=1)

    def fail(_charge):
        raise DatabaseError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(overage_charges, "overage_charge_record", fail)
        spend(account, 3)
    travel.by(hours=2)
    reservations_expire()
    wallet_grant(account_id=account.pk, source="support", units=50, request_id="gift", now=database_now())
    assert len(sweep().recorded) == 1
    record = UsageRecord.objects.get(account_id=account.pk)
    assert (record.units, record.credit_units, record.overage_units) == (3, 1, 2)
    assert credits_of(account) == 50


# Taking back ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("CR-7")
def test_what_waits_for_the_next_invoice_is_taken_off_it(trading, stand_in):
    account = store("growth", credits_left=1)
    made = spend(account, 3)
    assert take_back(account, made)
    assert take_back(account, made)
    assert items(stand_in) == []
    assert credits_of(account) == 1
    assert sum(units for _, units, _ in moves(account)) == 1
    assert sum(past for _, _, past in moves(account)) == 0
    charge = OverageCharge.objects.get()
    assert (charge.status, charge.stripe_credit_note_id) == ("reversed", "")
    with pytest.raises(OverageChargeFailed):
        spend(account, 3)
    assert services.spent_minor(subscription(account)) == 0


@pytest.mark.req("CR-7")
def test_what_credits_paid_comes_back(trading, stand_in):
    account = store("growth", credits_left=5)
    made = spend(account, 4)
    assert take_back(account, made)
    assert take_back(account, made)
    assert credits_of(account) == 5
    assert moves(account)[-2:] == [("use", -4, 0), ("reversal", 4, 0)]


@pytest.mark.req("CR-7", "BI-5")
def test_what_is_invoiced_already_is_credited_and_returned(travel):
    account = store("growth", credits_left=0)
    made = spend(account, 2)
    travel.by(days=32)
    assert take_back(account, made)
    charge = OverageCharge.objects.get()
    assert charge.status == "reversed"
    there = state(travel.stand_in)
    (note,) = there["credit_notes"].values()
    (refund,) = there["refunds"].values()
    assert (note["total"], refund["amount"], note["id"]) == (28, 28, charge.stripe_credit_note_id)
    assert take_back(account, made)
    assert len(state(travel.stand_in)["credit_notes"]) == 1


@pytest.mark.req("CR-7", "CR-8")
@pytest.mark.parametrize("effect", ["error_before", "drop_after"])
def test_a_reversal_that_stripe_does_not_answer_is_finished_later(trading, stand_in, effect):
    account = store("growth", credits_left=1)
    made = spend(account, 3)
    fault(stand_in, path=f"{ITEMS}/", method="DELETE", effect=effect, times=99)
    assert not take_back(account, made)
    assert credits_of(account) == 1, "the use is undone at once"
    no_faults(stand_in)
    assert len(sweep().reversed) == 1
    assert items(stand_in) == []
    assert OverageCharge.objects.get().status == "reversed"
    assert sweep().reversed == []


def left_pending(account, stand_in, units=2):
    """A charge that Stripe has taken and not said so, as the sweep reads it before anybody else goes on with it."""
    fault(stand_in, path=ITEMS, effect="drop_after", times=99)
    made = spend(account, units)
    assert made.is_pending
    no_faults(stand_in)
    forget_keys(stand_in)
    return made, OverageCharge.objects.select_related("account", "subscription").get()


def nothing_is_left_of_it(account, stand_in):
    assert items(stand_in) == []
    assert sum(UsageRecord.objects.filter(account_id=account.pk).values_list("units", flat=True)) == 0
    assert sum(past for _, _, past in moves(account)) == 0
    assert sum(Bucket.objects.filter(account=account).values_list("used_units", flat=True)) == 0
    return True


@pytest.mark.req("CR-6", "CR-7")
@pytest.mark.parametrize("whole", [True, False])
def test_a_sweep_that_read_a_charge_before_it_was_taken_back_counts_nothing(trading, stand_in, whole):
    """It asks Stripe about two hundred of them, one after the other: the last was read minutes ago."""
    account = store("growth", credits_left=0)
    made, as_read = left_pending(account, stand_in)
    item = overage_charges.overage_item_find(as_read)
    if not whole:  # asked for, and not done yet
        fault(stand_in, path=ITEMS, effect="error_before", times=99)
    assert take_back(account, made) is whole
    no_faults(stand_in)
    with pytest.raises(OverageChargeFailed):
        overage_charges.overage_charge_accept(as_read, item)
    sweep()
    assert OverageCharge.objects.get().status == "reversed"
    assert nothing_is_left_of_it(account, stand_in)


@pytest.mark.req("CR-6", "CR-7")
def test_a_record_that_crosses_its_reversal_is_undone(trading, stand_in, monkeypatch):
    """The reversal has given the reservation back and looks no more for a record; the record then comes late."""
    account = store("growth", credits_left=0)
    made, as_read = left_pending(account, stand_in)
    item = overage_charges.overage_item_find(as_read)
    settle = overage_charges.usage_settle

    def cross(**asked):
        assert take_back(account, made)
        return settle(**asked)

    monkeypatch.setattr(overage_charges, "usage_settle", cross)
    with pytest.raises(OverageChargeFailed):
        overage_charges.overage_charge_accept(as_read, item)
    assert nothing_is_left_of_it(account, stand_in)


@pytest.mark.req("CR-7", "CR-8")
def test_an_answer_after_the_charge_was_given_up_leaves_no_item(trading, stand_in):
    """As when the process was stopped for longer than any call takes: nobody was served, so nobody pays."""
    account = store("growth", credits_left=0)
    _made, as_read = left_pending(account, stand_in)
    item = overage_charges.overage_item_find(as_read)
    overage_charges.overage_charge_fail(OverageCharge.objects.get(), "payment_provider_unavailable")
    with pytest.raises(OverageChargeFailed):
        overage_charges.overage_charge_accept(as_read, item)
    assert OverageCharge.objects.get().status == "failed"
    assert nothing_is_left_of_it(account, stand_in)


def test_the_metric_is_the_catalogues():
    assert GENERATIONS == "generations"
