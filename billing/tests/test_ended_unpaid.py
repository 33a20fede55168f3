"""What an ended subscription leaves unpaid is asked for no more, by whichever end; what was used still is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import Account, Notification
from accounts.notifications.messages import message_of
from billing.errors import PaymentProviderUnavailable, ProviderRefused
from billing.gateways.client import api
from billing.gateways.stripe import gateway
from billing.models import InvoicePayment, OverageCollection, Subscription
from billing.services import carry_out, invoice_pay, overage_charges_sweep, overdue_apply, plan_changes_sweep
from billing.services.drift_mending import subscription_end
from billing.services.reconcile import reconcile
from billing.services.waiving import WAIVE, unpaid_waive
from billing.tests.helpers import cancel, decline, fault, invoices, no_faults, subscription
from billing.tests.overdue import (
    REFUSED,
    charged,
    new_card,
    open_invoice,
    overdue_person,
    pay_elsewhere,
    refresh,
    stripe_id,
)
from billing.tests.stores import spend, store, take_back
from billing.tests.test_credits_page import reader
from billing.tests.test_leaving import leave
from billing.tests.test_pages import browser_of
from common import outbox
from common.clock import database_now
from common.errors import ValidationError
from common.models import AuditEntry, OutboxMessage

pytestmark = pytest.mark.req("BI-6", "BI-8", "PC-13")
GOOD = "pm_card_visa"


def given_up_by_stripe(travel, account, failed_at):
    travel.to(failed_at + timedelta(days=15, minutes=5), sweep=False)
    refresh(account)


def ended_by_the_rules(travel, account, failed_at):
    travel.stand_in.core.settings.change({"after_retries": "past_due"})
    travel.to(failed_at + timedelta(days=16), sweep=False)
    refresh(account)
    overdue_apply(now=database_now())


def cancelled_now(travel, account, failed_at):
    cancel(account, "now")


def cancelled_at_the_periods_end(travel, account, failed_at):
    travel.stand_in.core.settings.change({"after_retries": "past_due"})
    cancel(account)
    travel.to(subscription(account).current_period_end + timedelta(seconds=1), sweep=False)
    refresh(account)


def ended_at_the_dashboard(travel, account, failed_at):
    api().subscriptions.cancel(stripe_id(account))
    refresh(account)


ENDS = [
    given_up_by_stripe,
    ended_by_the_rules,
    cancelled_now,
    cancelled_at_the_periods_end,
    ended_at_the_dashboard,
]


def afterwards() -> None:
    outbox.run_due(now=database_now())


def statuses(travel) -> list[str]:
    return [one["status"] for one in invoices(travel.stand_in)]


def waived() -> list[tuple[str, int]]:
    rows = AuditEntry.objects.filter(action="invoice.waived")
    return [(one.subject, one.data["amount_minor"]) for one in rows]


def pay(account: Account, invoice_id: str):
    return invoice_pay(
        account=account, user=None, invoice_id=invoice_id, request_id="req-late", now=database_now()
    )


@pytest.mark.parametrize("end", ENDS)
def test_what_is_unpaid_at_any_end_can_be_paid_no_more(travel, end):
    account, failed_at = overdue_person(travel)
    invoice_id = open_invoice(account)
    end(travel, account, failed_at)
    assert subscription(account).plan.code == "free"
    afterwards()
    assert statuses(travel) == ["paid", "void"]
    assert waived() == [(invoice_id, 500)]
    new_card(account, GOOD)
    with pytest.raises(ValidationError):
        pay(account, invoice_id)
    with pytest.raises(ProviderRefused):
        gateway.invoice_pay(invoice_id=invoice_id, payment_method_id=None, key="late")
    assert charged(travel) == [500]
    page = browser_of(account).get(f"/account/billing/invoices/{invoice_id}/").content.decode()
    assert "Its subscription has ended. Nothing is to be paid for it any more." in page
    assert "/account/billing/pay/" not in page


@pytest.mark.req("AC-3")
def test_whoever_deletes_the_account_is_not_asked_for_more(travel):
    account, _failed_at = overdue_person(travel)
    assert leave(account).done_at
    afterwards()
    assert statuses(travel) == ["paid", "void"]
    assert not OutboxMessage.objects.exclude(last_error="").exists()


def test_while_stripe_does_not_answer_it_is_refused_by_us_and_voided_later(travel):
    account, _failed_at = overdue_person(travel)
    invoice_id = open_invoice(account)
    cancel(account, "now")
    fault(travel.stand_in, path=f"/v1/invoices/{invoice_id}/void", effect="error_before", times=99)
    afterwards()
    assert statuses(travel) == ["paid", "open"]
    new_card(account, GOOD)
    with pytest.raises(ValidationError):
        pay(account, invoice_id)
    client = browser_of(account)
    page = client.get(f"/account/billing/invoices/{invoice_id}/").content.decode()
    assert "Nothing is to be paid for it any more." in page
    assert "/account/billing/pay/" not in page
    told = client.post(f"/account/billing/pay/{invoice_id}/", {"key": "1" * 32}, follow=True)
    assert "The subscription has ended." in told.content.decode()
    assert (charged(travel), InvoicePayment.objects.count(), waived()) == ([500], 0, [])
    no_faults(travel.stand_in)
    outbox.run_due(now=database_now() + timedelta(minutes=1))
    assert statuses(travel) == ["paid", "void"]


def test_an_answer_that_is_lost_voids_once(travel):
    account, _failed_at = overdue_person(travel)
    invoice_id = open_invoice(account)
    cancel(account, "now")
    fault(travel.stand_in, path=f"/v1/invoices/{invoice_id}/void", effect="drop_after", times=9)
    afterwards()
    no_faults(travel.stand_in)
    outbox.run_due(now=database_now() + timedelta(minutes=1))
    assert statuses(travel) == ["paid", "void"]
    assert unpaid_waive(stripe_subscription_id=str(stripe_id(account))) == []


def test_ended_between_the_look_and_the_intent_nothing_is_charged(travel, monkeypatch):
    account, _failed_at = overdue_person(travel)
    invoice_id = open_invoice(account)
    new_card(account, GOOD)
    from billing.services import payments

    use = payments.payment_method_use

    def rival(**what):
        cancel(account, "now")
        return use(**what)

    monkeypatch.setattr(payments, "payment_method_use", rival)
    with pytest.raises(ValidationError):
        pay(account, invoice_id)
    assert (charged(travel), InvoicePayment.objects.count()) == ([500], 0)


def test_paid_at_that_very_moment_is_found_and_left_to_a_person(travel, monkeypatch):
    account, _failed_at = overdue_person(travel)
    method = new_card(account, GOOD)
    cancel(account, "now")
    read = gateway.overage_on_invoice

    def rival(invoice_id):
        used = read(invoice_id)
        pay_elsewhere(invoice_id, payment_method=method)
        return used

    monkeypatch.setattr(gateway.__class__, "overage_on_invoice", lambda _self, invoice_id: rival(invoice_id))
    from billing import metrics

    counted = metrics.coherence_errors_total.labels("ended_though_paid")
    before = counted._value.get()
    assert unpaid_waive(stripe_subscription_id=str(stripe_id(account))) == []
    assert counted._value.get() == before + 1
    assert (statuses(travel), waived()) == (["paid", "paid"], [])


def test_a_running_subscriptions_invoice_stays_due(travel):
    account, _failed_at = overdue_person(travel)
    assert unpaid_waive(stripe_subscription_id=str(stripe_id(account))) == []
    cancel(account)
    afterwards()
    assert statuses(travel) == ["paid", "open"]


@pytest.mark.req("BI-7")
def test_what_the_outbox_gave_up_on_is_found_and_mended(travel):
    account, _failed_at = overdue_person(travel)
    invoice_id = open_invoice(account)
    cancel(account, "now")
    OutboxMessage.objects.filter(task=WAIVE).delete()
    report = reconcile(now=database_now(), account_id=account.pk, mend=False)
    assert [(one.kind.value, one.subject) for one in report.found] == [("invoice_left_open", invoice_id)]
    assert statuses(travel) == ["paid", "open"], "looking changes nothing"
    reconcile(now=database_now(), account_id=account.pk, mend=True)
    assert statuses(travel) == ["paid", "void"]
    assert reconcile(now=database_now(), account_id=account.pk, mend=False).found == []


@pytest.mark.req("BI-7")
def test_what_runs_at_stripe_is_not_waived_because_we_believe_it_ended(travel):
    account, _failed_at = overdue_person(travel)
    subscription_end(account.pk, str(stripe_id(account)))
    afterwards()
    assert statuses(travel) == ["paid", "open"]
    assert waived() == []


# What was used ------------------------------------------------------------------------------------------------------


def test_what_was_used_stays_due_when_its_renewal_is_waived(travel):
    """One invoice asks for both: the new period, which nobody will have, and the overage of the old one."""
    account = store("growth", credits_left=0)
    for number in range(12):  # more lines than an invoice shows at once
        spend(account, 1, key=f"work-{number}")
    decline(account)
    travel.to(subscription(account).current_period_end, sweep=False)
    refresh(account)
    invoice_id = open_invoice(account)
    cancel(account, "now")
    afterwards()
    (renewal,) = (one for one in invoices(travel.stand_in) if one["id"] == invoice_id)
    assert (renewal["total"], renewal["amount_remaining"]) == (9900 + 12 * 14, 12 * 14)
    assert renewal["status"] == "open"
    assert waived() == [(invoice_id, 9900)]
    assert unpaid_waive(stripe_subscription_id=str(stripe_id(account))) == [], "and no second time"
    new_card(account, GOOD)
    assert pay(account, invoice_id).status == "paid"
    assert charged(travel) == [9900, 12 * 14]


@pytest.mark.parametrize("card", [GOOD, REFUSED], ids=["paid", "refused"])
def test_what_was_used_is_asked_for_before_an_end_at_once(travel, card):
    """No invoice of the subscription will come any more; the page says the sum before, and the result after."""
    account = store("growth", credits_left=0)
    spend(account, 8)
    new_card(account, card)
    client = reader(account)
    page = client.get("/account/billing/cancel/").content.decode()
    assert "$1.12 were used past the plan: that is charged now." in page
    done = client.post(
        "/account/billing/cancel/", {"at": "now", "key": "1" * 32}, follow=True
    ).content.decode()
    afterwards()
    assert Subscription.objects.get(account=account).ended_at is not None
    (used,) = (one for one in invoices(travel.stand_in) if one["total"] == 8 * 14)
    assert used["status"] == ("paid" if card == GOOD else "open")
    assert "Growth has ended" in done
    assert ("$1.12 was charged, once, for what was used past the plan" in done) == (card == GOOD)
    assert charged(travel) == [9900, 112][: 2 if card == GOOD else 1]
    assert waived() == []


def test_while_stripe_does_not_say_what_was_used_is_paid_nothing_is_ended(travel):
    account = store("growth", credits_left=0)
    spend(account, 8)
    fault(travel.stand_in, path="/v1/invoices", method="POST", effect="error_before", times=99)
    with pytest.raises(PaymentProviderUnavailable):
        cancel(account, "now")
    no_faults(travel.stand_in)
    plan_changes_sweep(now=database_now() + timedelta(hours=1))
    assert subscription(account).plan.code == "growth"
    cancel(account, "now")
    assert charged(travel) == [9900, 112]


def test_what_is_used_until_a_planned_end_is_on_the_last_invoice(travel):
    account = store("growth", credits_left=0)
    cancel(account)
    spend(account, 8)
    travel.to(subscription(account).current_period_end + timedelta(seconds=1), sweep=False)
    refresh(account)
    afterwards()
    assert charged(travel) == [9900, 112]


@pytest.mark.parametrize("card", [GOOD, REFUSED], ids=["paid", "refused"])
def test_what_was_used_before_an_end_elsewhere_is_asked_for_after_it(travel, card):
    """Stripe's dashboard makes no last invoice of what waits."""
    account = store("growth", credits_left=0)
    spend(account, 8)
    new_card(account, card)
    ended_at_the_dashboard(travel, account, None)
    for _ in range(3):
        overage_charges_sweep(now=database_now() + timedelta(minutes=1))
    afterwards()
    (used,) = (one for one in invoices(travel.stand_in) if one["total"] == 8 * 14)
    assert used["status"] == ("paid" if card == GOOD else "open")
    assert charged(travel) == [9900, 112][: 2 if card == GOOD else 1]
    assert OverageCollection.objects.count() == 1


@pytest.mark.parametrize("known", ["accepted", "pending"])
def test_what_is_used_while_the_end_is_under_way_is_asked_for_after_it(travel, monkeypatch, known):
    """A charge that comes between the collecting and the end; at Stripe, whether we have heard so or not."""
    account = store("growth", credits_left=0)
    spend(account, 8)
    collect = carry_out.overage_collect_before_end

    def rival(subscription):
        done = collect(subscription)
        if known == "pending":
            fault(travel.stand_in, path="/v1/invoiceitems", method="POST", effect="drop_after", times=4)
            fault(travel.stand_in, path="/v1/invoiceitems", method="GET", effect="error_before", times=4)
        assert spend(account, 4, key="late").is_pending == (known == "pending")
        no_faults(travel.stand_in)
        return done

    monkeypatch.setattr(carry_out, "overage_collect_before_end", rival)
    cancel(account, "now")
    for _ in range(3):
        overage_charges_sweep(now=database_now() + timedelta(minutes=1))
    afterwards()
    assert charged(travel) == [9900, 112, 56]
    assert [one["status"] for one in invoices(travel.stand_in)] == ["paid"] * 3
    assert OverageCollection.objects.filter(status="paid").count() == 2


def test_an_invoice_that_stripe_refuses_after_an_end_is_waited_for(travel, monkeypatch):
    """Until an invoice of Stripe's own has taken what waits; it is asked for once."""
    account = store("growth", credits_left=0)
    spend(account, 8)
    there = stripe_id(account)
    ended_at_the_dashboard(travel, account, None)

    def refuse(_self, **_what):
        raise ProviderRefused(provider_code="invoice_no_subscription_line_items")

    with monkeypatch.context() as refusal:
        refusal.setattr(gateway.__class__, "overage_invoice_create", refuse)
        for _ in range(2):
            assert len(overage_charges_sweep(now=database_now() + timedelta(minutes=1)).still_open) == 1
    api().invoices.create({"customer": account.stripe_customer_id, "subscription": there})
    for _ in range(2):
        assert overage_charges_sweep(now=database_now() + timedelta(minutes=1)).still_open == []
    assert [one.status for one in OverageCollection.objects.all()] == ["not_needed"]
    assert sorted(one["total"] for one in invoices(travel.stand_in)) == [112, 9900]


def test_an_end_that_left_nothing_waiting_asks_for_nothing(travel):
    """What waited is on the last invoice, or taken back."""
    planned, gone = store("growth", credits_left=0), store("growth", credits_left=0)
    cancel(planned)
    spend(planned, 8)
    take_back(gone, spend(gone, 8))
    ended_at_the_dashboard(travel, gone, None)
    travel.to(subscription(planned).current_period_end + timedelta(seconds=1), sweep=False)
    refresh(planned)
    before = charged(travel)
    for _ in range(3):
        assert overage_charges_sweep(now=database_now() + timedelta(minutes=1)).still_open == []
    assert charged(travel) == before
    assert list(OverageCollection.objects.values_list("account", "status")) == [(planned.pk, "not_needed")]


# What is told -------------------------------------------------------------------------------------------------------


@pytest.mark.req("NO-2")
@pytest.mark.parametrize(
    ("end", "subject"),
    [
        (given_up_by_stripe, "Basic has ended, because it was not paid"),
        (ended_by_the_rules, "Basic has ended, because it was not paid"),
        (ended_at_the_dashboard, "Basic has ended"),
        (cancelled_now, "You are on Free"),
        (cancelled_at_the_periods_end, "You are on Free"),
    ],
)
def test_the_end_is_told_once(travel, end, subject):
    account, failed_at = overdue_person(travel)
    end(travel, account, failed_at)
    refresh(account)
    afterwards()
    told = [message_of(one.template, one.context) for one in Notification.objects.all()]
    ends = [one for one in told if "ended" in one.subject or "Free" in one.subject]
    assert [one.subject for one in ends if "until" not in one.subject] == [subject]
    if "not paid" in subject:
        (told_of,) = ends
        assert "nothing is to be paid for it any more" in told_of.lines[0]
        assert told_of.lines[1] == "You go on with Free. What you stored is kept."
