"""Paying an open invoice now: one charge whatever happens, in words what went wrong, and a crash at every point."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import requests
from django.db import connection

from billing.errors import PaymentActionRequired, PaymentFailed, PaymentProviderUnavailable
from billing.gateways.stripe import StripeGateway
from billing.models import InvoicePayment
from billing.services import (
    invoice_pay,
    invoice_payments_sweep,
    payments,
)
from billing.services.payments import SETTLE_AFTER
from billing.tests.conftest import person
from billing.tests.helpers import ask, everything, fault, no_faults
from billing.tests.overdue import (
    ASKS,
    CURED,
    GOOD,
    GRACE,
    charged,
    new_card,
    open_invoice,
    overdue_person,
    pay,
    payment,
    standing,
)
from common.clock import database_now
from common.errors import IdempotencyKeyReused, NotFound, ValidationError

pytestmark = pytest.mark.req("BI-6", "BI-9", "CR-8")


def sweep(later: timedelta):
    return invoice_payments_sweep(now=database_now() + later)


def test_refused_says_why_and_charges_nothing(travel):
    account, _ = overdue_person(travel)
    with pytest.raises(PaymentFailed) as raised:
        pay(account)
    assert raised.value.details["decline_code"]
    assert "refused" in str(raised.value.message)
    assert standing(account) == GRACE
    assert (payment(account).status, payment(account).error_code) == ("failed", "payment_failed")
    assert charged(travel) == [500]


def test_the_bank_asks_and_the_payer_confirms(travel):
    account, _ = overdue_person(travel, card=ASKS)
    with pytest.raises(PaymentActionRequired) as raised:
        pay(account)
    secret = raised.value.details["client_secret"]
    assert raised.value.details["confirm_url"].startswith(travel.stand_in.url)
    assert (payment(account).status, standing(account)) == ("action_required", GRACE)
    told = {"intent": secret, "authenticate": True}
    requests.post(f"{travel.stand_in.url}/_sandbox/payer", json=told, timeout=20).raise_for_status()
    invoice_id = open_invoice(account)
    assert pay(account, invoice_id).status == "paid"  # asked again: nothing more is charged
    assert standing(account) == CURED
    assert charged(travel) == [500, 500]


def test_paid_already_is_answered_and_charged_once(travel):
    account, _ = overdue_person(travel)
    invoice_id = open_invoice(account)
    new_card(account, GOOD)
    answers = [pay(account, invoice_id).status for _ in range(3)]
    assert (answers, charged(travel)) == (["paid"] * 3, [500, 500])
    assert InvoicePayment.objects.count() == 1


def test_the_same_key_is_the_same_payment(travel):
    account, _ = overdue_person(travel)
    for _ in range(3):
        with pytest.raises(PaymentFailed):
            pay(account, idempotency_key="k1")
    assert InvoicePayment.objects.count() == 1
    with pytest.raises(IdempotencyKeyReused):
        pay(account, idempotency_key="k1", payment_method=GOOD)
    assert standing(account) == GRACE


@pytest.mark.parametrize("invoice_id", ["in_nobodyhasthisone0000000", "x", "", "in_\x00"])
def test_an_unknown_invoice_is_not_found(travel, invoice_id):
    account, _ = overdue_person(travel)
    with pytest.raises(NotFound):
        invoice_pay(account=account, user=None, invoice_id=invoice_id, request_id="", now=database_now())


def test_anothers_invoice_is_not_found_and_stays_as_it_is(travel):
    account, _ = overdue_person(travel)
    rival = person()
    ask(rival, "basic")
    before = everything(account, travel.stand_in)
    with pytest.raises(NotFound):
        invoice_pay(
            account=rival, user=None, invoice_id=open_invoice(account), request_id="", now=database_now()
        )
    assert everything(account, travel.stand_in) == before


def test_anothers_card_is_refused_and_nothing_moves(travel):
    account, _ = overdue_person(travel)
    rival = person()
    theirs = new_card(rival, GOOD)
    with pytest.raises(ValidationError):
        pay(account, payment_method=theirs)
    assert (standing(account), charged(travel)) == (GRACE, [500])
    assert not InvoicePayment.objects.exists()


def test_an_invoice_given_up_is_not_paid(travel):
    from billing.gateways.client import api

    account, _ = overdue_person(travel)
    invoice_id = open_invoice(account)
    api().invoices.void_invoice(invoice_id)
    with pytest.raises(ValidationError) as raised:
        pay(account, invoice_id)
    assert raised.value.details["fields"][0]["code"] == "not_open"
    assert charged(travel) == [500]


@pytest.mark.req("CR-9")
@pytest.mark.parametrize(
    ("effect", "times", "path"),
    [
        pytest.param("drop_after", 1, "/v1/invoices", id="1 answer lost, repeated under the same key"),
        pytest.param("rate_limit", 2, "/v1/invoices", id="429 twice"),
        pytest.param("error_before", 3, "/v1/invoices", id="500 before, 3 times"),
        pytest.param("drop_after", 4, "/v1/invoices", id="4 answers lost = all tries: asked of Stripe"),
        pytest.param("error_after", 1, "/v1/invoices", id="500 after the effect: asked of Stripe"),
    ],
)
def test_a_lost_answer_is_found_out_and_charged_once(travel, effect, times, path):
    account, _ = overdue_person(travel)
    new_card(account, GOOD)
    fault(travel.stand_in, path=path, method="POST", effect=effect, times=times)
    assert pay(account).status == "paid"
    assert (standing(account), charged(travel)) == (CURED, [500, 500])


def test_what_stays_unknown_is_pending_until_the_sweep_knows(travel):
    """The effect happened; neither the answer nor the question after it came through."""
    account, _ = overdue_person(travel)
    new_card(account, GOOD)
    invoice_id = open_invoice(account)
    fault(travel.stand_in, path="/v1/invoices", method="POST", effect="drop_after", times=4)
    real, asked = StripeGateway.invoice_get, []

    def away(self, one):
        asked.append(one)
        if len(asked) > 1:
            raise PaymentProviderUnavailable
        return real(self, one)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StripeGateway, "invoice_get", away)
        with pytest.raises(PaymentProviderUnavailable) as raised:
            pay(account)
    assert raised.value.details["status"] == "pending"
    no_faults(travel.stand_in)
    assert sweep(timedelta(seconds=10)) == [str(payment(account).pk)]
    assert (payment(account).status, standing(account)) == ("paid", CURED)
    assert (pay(account, invoice_id).status, charged(travel)) == ("paid", [500, 500])


class Died(BaseException):
    pass


def die(*_args, **_more):
    raise Died


POINTS = {
    "before the intent": (payments, "_open", False),
    "the intent is there, Stripe is not asked": (payments, "_run", False),
    "Stripe has done it, nothing is recorded": (payments, "_settle", True),
    "recorded, limits do not follow yet": (payments, "_follow", True),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_each_point(travel, point):
    account, _ = overdue_person(travel)
    new_card(account, GOOD)
    invoice_id = open_invoice(account)
    module, name, paid = POINTS[point]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, die)
        with pytest.raises(Died):
            pay(account)
    assert len(charged(travel)) == (2 if paid else 1)
    sweep(SETTLE_AFTER + timedelta(minutes=1))
    assert not InvoicePayment.objects.filter(status="pending").exists(), "nothing is left unknown"
    assert pay(account, invoice_id).status == "paid"
    assert (standing(account), charged(travel)) == (CURED, [500, 500])


def test_a_payment_that_did_not_happen_stays_open_as_long_as_it_could(travel):
    account, _ = overdue_person(travel)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payments, "_run", die)
        with pytest.raises(Died):
            pay(account)
    assert sweep(SETTLE_AFTER - timedelta(seconds=30)) == []
    assert payment(account).status == "pending"
    assert sweep(SETTLE_AFTER + timedelta(minutes=1)) == [str(payment(account).pk)]
    assert (payment(account).status, standing(account)) == ("failed", GRACE)


def test_many_at_once_are_one_charge(travel):
    account, _ = overdue_person(travel)
    new_card(account, GOOD)
    invoice_id = open_invoice(account)
    barrier, answers = threading.Barrier(4), []

    def one():
        try:
            barrier.wait()
            answers.append(pay(account, invoice_id).status)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers, charged(travel)) == (["paid"] * 4, [500, 500])
    assert standing(account) == CURED
