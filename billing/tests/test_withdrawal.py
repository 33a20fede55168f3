"""Withdrawing from the contract within 14 days: amounts, refusals, and every point at which it can be cut off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail

from accounts.models import AccountKind
from billing.errors import PaymentProviderUnavailable, WithdrawalNotAllowed
from billing.gateways.sandbox import period_begin_now
from billing.models import Refund, Subscription, Withdrawal
from billing.rules.withdrawal import Spell, deadline, spread, unused, unused_of_invoice
from billing.services import refunds, withdrawal_make, withdrawal_offer, withdrawals, withdrawals_sweep
from billing.services.converge import subscription_refresh
from billing.services.sweep import plan_changes_sweep
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    decline,
    everything,
    fault,
    forget_keys,
    invoices,
    no_faults,
    state,
    subscription,
)
from billing.tests.test_pages import browser_of, form_of
from billing.tests.test_races import at_once
from common import outbox
from common.clock import database_now
from common.models import AuditEntry

pytestmark = pytest.mark.req("BI-8")

PAGE = "/account/billing/withdraw/"
START = datetime(2026, 11, 1, tzinfo=UTC)


def withdraw(account):
    return withdrawal_make(
        account=account, user=account.personal_owner, request_id="req-withdraw", now=database_now()
    )


def sweep(later=timedelta(minutes=10)):
    plan_changes_sweep(now=database_now() + later)
    withdrawals_sweep(now=database_now() + later)


def given_back(stand_in):
    return sum(note["total"] for note in state(stand_in)["credit_notes"].values())


# The rule -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("started", "end"),
    [
        ("2026-11-21T04:00:00+00:00", "2026-12-06T00:00:00+01:00"),
        ("2026-11-21T23:30:00+00:00", "2026-12-07T00:00:00+01:00"),  # already the 22nd in France
        ("2026-10-20T12:00:00+00:00", "2026-11-04T00:00:00+01:00"),  # over the end of summer time
    ],
)
def test_the_day_of_subscribing_does_not_count(started, end):
    assert deadline(datetime.fromisoformat(started)) == datetime.fromisoformat(end)


@pytest.mark.parametrize(
    ("amount", "seconds_gone", "rest"),
    [
        (3000, 0, 3000),
        (3000, 30 * 86_400, 0),
        (3000, 31 * 86_400, 0),
        (3000, -5, 3000),
        (500, 10 * 86_400, 333),  # 500 × 20/30 = 333.33
        (1, 15 * 86_400, 1),  # 0.5 goes up
        (-1, 15 * 86_400, -1),  # and away from zero
        (500, 1, 500),  # 499.9998
    ],
)
def test_unused_time_is_counted_in_seconds_half_up(amount, seconds_gone, rest):
    spell = Spell(amount, START, START + timedelta(days=30))
    assert unused(spell, START + timedelta(seconds=seconds_gone)) == rest


def test_discount_and_tax_follow_in_proportion():
    spell = Spell(2000, START, START + timedelta(days=30))
    at = START + timedelta(days=15)
    assert unused_of_invoice([spell], total_minor=1200, at=at) == 600
    assert unused_of_invoice([], total_minor=1200, at=at) == 0


def test_the_newest_invoices_give_back_first():
    assert spread(1900, [1500, 500]) == [1500, 400]
    assert spread(0, [1500]) == [0]
    assert spread(9, [5]) == [5], "never more than was paid"


# Withdrawing --------------------------------------------------------------------------------------------------------


def test_it_ends_at_once_and_gives_back_what_was_not_used(travel):
    account = person()
    ask(account, "basic")
    was = subscription(account)
    travel.to(was.current_period_start + (was.current_period_end - was.current_period_start) / 4)
    travel.by(seconds=0)
    offer = withdrawal_offer(account=account, now=database_now())
    assert (offer.paid_minor, offer.refund_minor) == (500, 375)
    done = withdraw(account)
    assert done.completed_at is not None
    assert (done.refund_minor, given_back(travel.stand_in)) == (375, 375)
    assert sum(one["amount"] for one in state(travel.stand_in)["refunds"].values()) == 375
    assert subscription(account).plan.code == "free"
    assert Subscription.objects.get(pk=was.pk).status == "canceled"
    assert sorted(one.action for one in AuditEntry.objects.filter(action__startswith="withdrawal")) == [
        "withdrawal.completed",
        "withdrawal.declared",
    ]


def test_an_upgrade_in_between_is_given_back_too(travel):
    account = person()
    ask(account, "basic")
    was = subscription(account)
    period = was.current_period_end - was.current_period_start
    travel.to(was.current_period_start + period / 4)
    ask(account, "premium")
    paid = sum(one["amount_paid"] for one in invoices(travel.stand_in))
    travel.to(was.current_period_start + period / 3)
    done = withdraw(account)
    assert done.paid_minor == paid == 500 + 1125
    assert abs(done.refund_minor - 2000 * 2 / 3) <= 1, "Premium's price for the time that is left"
    assert given_back(travel.stand_in) == done.refund_minor
    assert [one.amount_minor for one in Refund.objects.order_by("-amount_minor")] == [
        1125,
        done.refund_minor - 1125,
    ]


def test_a_scheduled_change_does_not_stand_in_the_way(catalog):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    assert withdraw(account).completed_at is not None
    assert subscription(account).plan.code == "free"
    assert not account.plan_changes.filter(status__in=["scheduled", "pending"]).exists()


def test_an_unpaid_invoice_is_not_asked_for_any_more(travel):
    """The second period begins by hand: by time alone the fourteen days would be over."""
    account = person()
    ask(account, "basic")
    decline(account)
    period_begin_now(subscription(account).stripe_subscription_id)
    subscription_refresh(stripe_subscription_id=subscription(account).stripe_subscription_id)
    assert subscription(account).status == "past_due"
    done = withdraw(account)
    assert done.completed_at is not None
    assert sorted(one["status"] for one in invoices(travel.stand_in)) == ["paid", "void"]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_receipt_is_mailed_as_text_and_html(catalog, language):
    account = person()
    account.personal_owner.language = language
    account.personal_owner.save()
    ask(account, "basic")
    done = withdraw(account)
    outbox.run_due(now=database_now())
    (receipt,) = [one for one in mail.outbox if str(done.pk) in one.body]
    html = str(receipt.alternatives[0][0])
    words = {
        "en": ("Receipt of your withdrawal from Basic", "€5.00"),
        "fr": ("Accusé de réception de votre rétractation : Basique", "5,00\u00a0€"),
    }[language]
    assert receipt.subject.replace("\u00a0", " ") == words[0]
    assert receipt.to == [account.personal_owner.email]
    for text in (receipt.body, html):
        assert words[1] in text
        assert str(done.pk) in text
    assert f'<html lang="{language}"' in html


# Refusals -----------------------------------------------------------------------------------------------------------


def refused(account, stand_in):
    before = everything(account, stand_in)
    with pytest.raises(WithdrawalNotAllowed) as raised:
        withdraw(account)
    assert everything(account, stand_in) == before
    assert given_back(stand_in) == 0
    return raised.value.details["reason"]


def test_not_after_fourteen_days(travel):
    account = person()
    ask(account, "basic")
    end = deadline(subscription(account).started_at)
    travel.to(end)
    assert refused(account, travel.stand_in) == "too_late"
    assert Withdrawal.objects.count() == 0


def test_up_to_the_last_second(travel):
    account = person()
    ask(account, "basic")
    end = deadline(subscription(account).started_at)
    travel.to(end - timedelta(seconds=30))
    assert withdraw(account).completed_at is not None


def test_not_from_the_free_plan_and_not_twice(catalog):
    account = person()
    assert refused(account, catalog) == "free_plan"
    ask(account, "basic")
    withdraw(account)
    with pytest.raises(WithdrawalNotAllowed) as raised:
        withdraw(account)
    assert raised.value.details["reason"] == "already_withdrawn"
    assert Withdrawal.objects.count() == 1
    assert len(state(catalog)["credit_notes"]) == 1


def test_not_for_organisations(catalog):
    account = person()
    ask(account, "basic")
    before = everything(account, catalog)
    account.kind = AccountKind.ORGANISATION
    with pytest.raises(WithdrawalNotAllowed) as raised:
        withdraw(account)
    assert raised.value.details["reason"] == "business"
    assert everything(account, catalog) == before


# Crashes and rivals -------------------------------------------------------------------------------------------------


def test_eight_at_once_withdraw_once(travel):
    account = person()
    ask(account, "basic")

    def act():
        try:
            return withdraw(account).pk
        except WithdrawalNotAllowed as error:
            return error.details["reason"]

    answers = at_once([act] * 8)
    sweep()
    done = Withdrawal.objects.get()
    assert done.completed_at is not None
    assert set(answers) <= {done.pk, "already_withdrawn", "change_in_progress"}
    assert done.pk in answers
    assert len(state(travel.stand_in)["credit_notes"]) == 1
    assert given_back(travel.stand_in) == done.refund_minor


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize(
    "where",
    [
        (withdrawals, "subscription_cancel"),
        (withdrawals, "refund_run"),
        (refunds, "refund_settle"),
        (withdrawals, "_complete"),
    ],
    ids=lambda place: place[1],
)
@pytest.mark.parametrize("keys", ["kept", "forgotten"])
def test_killed_at_each_step_it_is_finished_once(catalog, monkeypatch, where, keys):
    account = person()
    ask(account, "premium")
    with monkeypatch.context() as crash:
        crash.setattr(*where, lambda *_, **__: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            withdraw(account)
    declared = Withdrawal.objects.get()
    assert declared.completed_at is None
    if keys == "forgotten":
        forget_keys(catalog)
    sweep()
    sweep()
    declared.refresh_from_db()
    assert declared.completed_at is not None
    assert given_back(catalog) == declared.refund_minor
    assert len(state(catalog)["credit_notes"]) == len(state(catalog)["refunds"]) == 1
    assert subscription(account).plan.code == "free"


@pytest.mark.parametrize("effect", ["drop_after", "error_after", "error_before"])
@pytest.mark.parametrize("path", ["/v1/subscriptions/", "/v1/credit_notes"])
def test_a_silent_stripe_leaves_it_declared_and_it_is_finished_later(catalog, effect, path):
    account = person()
    ask(account, "premium")
    method = "DELETE" if "subscriptions" in path else "POST"
    fault(catalog, path=path, method=method, effect=effect, times=4)
    declared = withdraw(account)
    no_faults(catalog)
    assert Withdrawal.objects.get().pk == declared.pk
    sweep()
    sweep()
    declared.refresh_from_db()
    assert declared.completed_at is not None
    assert given_back(catalog) == declared.refund_minor
    assert len(state(catalog)["credit_notes"]) == 1


def unheard(account, stand_in):
    """Asked for while Stripe does not say what was paid."""
    before = everything(account, stand_in)
    fault(stand_in, path="/v1/invoices", method="GET", effect="error_before", times=4)
    with pytest.raises(PaymentProviderUnavailable) as raised:
        withdraw(account)
    no_faults(stand_in)
    assert everything(account, stand_in) == before
    assert not Withdrawal.objects.exists()
    return raised.value


def test_nothing_is_declared_when_the_amounts_cannot_be_read(catalog):
    """Nothing is half done; pressed again it is one withdrawal and one refund."""
    account = person()
    ask(account, "premium")
    for _ in range(2):
        assert "Confirm again in a minute" in str(unheard(account, catalog).message)
    done = withdraw(account)
    assert done.completed_at is not None
    assert given_back(catalog) == done.refund_minor > 0
    assert len(state(catalog)["credit_notes"]) == len(state(catalog)["refunds"]) == 1
    assert Withdrawal.objects.count() == 1


def test_who_asked_in_time_and_was_not_heard_may_ask_again_for_some_days(travel):
    account = person()
    ask(account, "basic")
    end = deadline(subscription(account).started_at)
    travel.to(end - timedelta(minutes=1))
    unheard(account, travel.stand_in)
    travel.to(end + timedelta(days=2))
    unheard(account, travel.stand_in)  # which gives no more days
    assert withdrawal_offer(account=account, now=database_now()).deadline > database_now()
    travel.to(end + timedelta(days=3, minutes=1))
    assert refused(account, travel.stand_in) == "too_late"
    assert Withdrawal.objects.count() == 0


def test_who_asks_too_late_is_told_so_though_stripe_is_silent(travel):
    account = person()
    ask(account, "basic")
    travel.to(deadline(subscription(account).started_at))
    fault(travel.stand_in, path="/v1/invoices", method="GET", effect="error_before", times=4)
    assert refused(account, travel.stand_in) == "too_late"


def test_the_page_keeps_its_button_while_stripe_is_silent(catalog):
    account = person()
    ask(account, "basic")
    client = browser_of(account)
    fault(catalog, path="/v1/invoices", method="GET", effect="error_before", times=8)
    seen = client.get(PAGE)
    assert seen.status_code == 503
    text = seen.content.decode()
    assert "we cannot show the sums" in text
    pressed = client.post(PAGE, form_of(text, PAGE))
    no_faults(catalog)
    assert pressed.status_code == 503
    text = pressed.content.decode()
    assert "you have not withdrawn yet" in text
    assert (
        "You have withdrawn from Basic"
        in client.post(PAGE, form_of(text, PAGE), follow=True).content.decode()
    )
    assert given_back(catalog) == Withdrawal.objects.get().refund_minor == 500
