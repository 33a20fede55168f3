"""Paying an open invoice now: one charge whatever happens, in words what went wrong, and a crash at every point."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import requests
from django.db import connection

from billing.errors import PaymentActionRequired, PaymentFailed, PaymentProviderUnavailable
from billing.gateways.stripe import StripeGateway, gateway
from billing.models import CardChoice, InvoicePayment, PaymentAttempt, PlanChange
from billing.pages.attempts import attempt_rows
from billing.services import (
    invoice_pay,
    invoice_payments_sweep,
    payment_method_make_default,
    payment_methods_list,
    payments,
)
from billing.services.payments import SETTLE_AFTER, invoice_payments_follow
from billing.services.recorded import attempts_refresh
from billing.tests.conftest import person
from billing.tests.helpers import ask, everything, fault, invoices, no_faults, state, subscription
from billing.tests.overdue import (
    new_card,
    open_invoice,
    outcomes,
    overdue_person,
    refresh,
    standing,
    stripe_id,
)
from billing.tests.test_api import Api
from billing.tests.test_pages import browser_of
from common import outbox
from common.clock import database_now
from common.errors import IdempotencyKeyReused, NotFound, ValidationError

pytestmark = pytest.mark.req("BI-6", "BI-9", "CR-8")

GOOD, ASKS = "pm_card_visa", "pm_card_authenticationRequired"
GRACE, CURED = ("basic", "past_due", "grace", 50, 1), ("basic", "active", "full", 50, 0)


def pay(account, invoice_id=None, **more):
    return invoice_pay(
        account=account,
        user=account.personal_owner,
        invoice_id=invoice_id or open_invoice(account),
        request_id="req-pay-now",
        now=database_now(),
        **more,
    )


def charged(travel) -> list[int]:
    """What was taken from cards, oldest first."""
    rows = [one for one in state(travel.stand_in)["charges"].values() if one["status"] == "succeeded"]
    return [one["amount"] for one in sorted(rows, key=lambda one: one["created"])]


def sweep(later: timedelta):
    return invoice_payments_sweep(now=database_now() + later)


def payment(account) -> InvoicePayment:
    return InvoicePayment.objects.filter(account=account).latest("requested_at")


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


# The card that paid -------------------------------------------------------------------------------------------------


def default_of(account) -> str | None:
    methods, default = payment_methods_list(account=account)
    return next((str(one.brand) for one in methods if one.id == default), None)


@pytest.mark.req("BI-4")
@pytest.mark.parametrize("own_card", [False, True], ids=["the customer's", "the subscription's own"])
def test_the_card_that_paid_is_charged_from_now_on(travel, own_card):
    account, _ = overdue_person(travel)
    if own_card:
        _methods, refused = payment_methods_list(account=account)
        gateway.subscription_card_set(subscription_id=str(stripe_id(account)), payment_method_id=str(refused))
    assert pay(account, payment_method="pm_card_mastercard").status == "paid"
    assert default_of(account) == "mastercard"
    travel.to(subscription(account).current_period_end + timedelta(minutes=1))
    assert (standing(account), charged(travel)) == (CURED, [500, 500, 500])


@pytest.mark.req("BI-4")
def test_a_card_that_was_refused_is_not_charged_from_now_on(travel):
    account, _ = overdue_person(travel)
    _methods, before = payment_methods_list(account=account)
    with pytest.raises(PaymentFailed):
        pay(account, payment_method="pm_card_chargeCustomerFail")
    assert payment_methods_list(account=account)[1] == before
    assert not CardChoice.objects.exists()


@pytest.mark.req("BI-4")
def test_a_card_that_the_payer_confirmed_is_charged_from_now_on(travel):
    account, _ = overdue_person(travel)
    invoice_id = open_invoice(account)
    with pytest.raises(PaymentActionRequired) as raised:
        pay(account, payment_method=ASKS)
    _methods, default = payment_methods_list(account=account)
    told = {"intent": raised.value.details["client_secret"], "authenticate": True}
    requests.post(f"{travel.stand_in.url}/_sandbox/payer", json=told, timeout=20).raise_for_status()
    assert payment_methods_list(account=account)[1] == default
    invoice_payments_follow(gateway.invoice_get(invoice_id))  # as the event does
    outbox.run_due(now=database_now())
    assert payment_methods_list(account=account)[1] == payment(account).payment_method_id


@pytest.mark.req("BI-4")
@pytest.mark.parametrize("meanwhile", [False, True], ids=["", "another card was chosen"])
def test_that_stripe_does_not_answer_then_is_made_good_once(travel, meanwhile):
    account, _ = overdue_person(travel)
    card = new_card(account, GOOD)
    new_card(account, "pm_card_chargeCustomerFail")
    where = f"/v1/customers/{account.stripe_customer_id}"
    fault(travel.stand_in, path=where, method="POST", effect="error_before", times=9)
    assert pay(account, payment_method="pm_card_mastercard").status == "paid"
    no_faults(travel.stand_in)
    assert default_of(account) != "mastercard"
    if meanwhile:
        payment_method_make_default(account=account, payment_method_id=card)
    outbox.run_due(now=database_now() + timedelta(minutes=1))
    assert default_of(account) == ("visa" if meanwhile else "mastercard")
    assert payment_methods_list(account=account)[1] == card or not meanwhile


# The record of attempts ---------------------------------------------------------------------------------------------


def test_every_attempt_is_recorded_with_its_reason_and_request(travel):
    account, failed_at = overdue_person(travel)
    travel.to(failed_at + timedelta(hours=1), sweep=False)
    with pytest.raises(PaymentFailed):
        pay(account)
    travel.to(failed_at + timedelta(days=4), sweep=False)
    new_card(account, GOOD)
    assert pay(account).status == "paid"
    for invoice in invoices(travel.stand_in):
        attempts_refresh(invoice_id=invoice["id"])
    rows = list(PaymentAttempt.objects.filter(account=account).order_by("attempted_at", "pk"))
    there = state(travel.stand_in)["charges"]
    assert {one.stripe_id for one in rows} == set(there)
    assert [one.amount_minor for one in rows] == [500] * len(rows)
    assert outcomes(account) == ["succeeded", *["failed"] * (len(rows) - 2), "succeeded"]
    first, by_stripe, by_hand, last = rows[0], rows[1], rows[2], rows[-1]
    assert first.request_id == PlanChange.objects.get(account=account).request_id
    assert (by_stripe.request_id, by_hand.request_id, last.request_id) == ("", "req-pay-now", "req-pay-now")
    assert (last.card_brand, last.card_last4) == ("visa", "4242")
    assert by_hand.reason_code == "card_declined" or by_hand.reason_code.endswith("decline")
    shown = attempt_rows(account)
    assert shown[0].card == "Visa •••• 4242"
    assert "bank" in shown[1].reason


def test_reading_attempts_again_changes_nothing(travel):
    account, _ = overdue_person(travel)
    for _ in range(3):
        attempts_refresh(invoice_id=open_invoice(account))
    assert outcomes(account) == ["failed"]


def test_a_confirmation_that_is_waited_for_shows_until_it_is_given(travel):
    account, _ = overdue_person(travel, card=ASKS)
    invoice_id = open_invoice(account)
    with pytest.raises(PaymentActionRequired) as raised:
        pay(account)
    attempts_refresh(invoice_id=invoice_id)
    assert outcomes(account) == ["action_required"]
    told = {"intent": raised.value.details["client_secret"], "authenticate": False}
    requests.post(f"{travel.stand_in.url}/_sandbox/payer", json=told, timeout=20).raise_for_status()
    attempts_refresh(invoice_id=invoice_id)
    assert outcomes(account) == ["failed"]
    new_card(account, GOOD)
    pay(account)
    attempts_refresh(invoice_id=invoice_id)
    assert outcomes(account) == ["succeeded"]
    refresh(account)
    assert standing(account) == CURED


def test_a_change_that_was_refused_is_an_attempt(catalog):
    account = person(card="pm_card_chargeCustomerFail")
    with pytest.raises(PaymentFailed):
        ask(account, "premium")
    (attempt,) = PaymentAttempt.objects.filter(account=account)
    assert (attempt.outcome, attempt.amount_minor, attempt.request_id) == ("failed", 2000, "req-billing-test")
    assert attempt.reason_code


def test_no_card_is_no_attempt(catalog):
    account = person(card=None)
    with pytest.raises(PaymentFailed):
        ask(account, "premium")
    assert not PaymentAttempt.objects.exists()


# The edges ----------------------------------------------------------------------------------------------------------


def test_the_api(travel):
    account, _ = overdue_person(travel)
    path = f"invoices/{open_invoice(account)}/pay"
    api = Api(account)
    status, body = api.post(path)
    assert (status, body["error"]["code"]) == (402, "payment_failed")
    status, body = api.post(path, {"payment_method": ASKS})
    assert (status, body["error"]["code"]) == (402, "payment_action_required")
    assert body["error"]["details"]["client_secret"].startswith("pi_")
    status, body = api.post(path, {"payment_method": GOOD})
    assert (status, body["data"]["status"]) == (200, "paid")
    assert body["data"]["amount_paid"] == {"amount_minor": 500, "currency": "eur"}
    assert Api(person()).post(path)[0] == 404


@pytest.mark.parametrize(
    "body", [{"payment_method": 5}, {"payment_method": ""}, {"other": 1}, {"payment_method": "x" * 300}]
)
def test_the_api_refuses_what_is_no_card(travel, body):
    account, _ = overdue_person(travel)
    assert Api(account).post(f"invoices/{open_invoice(account)}/pay", body)[0] == 422
    assert (standing(account), charged(travel)) == (GRACE, [500])


PAGES = ["/account/", "/account/billing/plans/", "/account/billing/card/"]


def test_the_banner_says_what_and_is_gone_once_it_is_paid(travel):
    account, _ = overdue_person(travel)
    client = browser_of(account)
    for path in PAGES:
        page = client.get(path).content.decode()
        assert "The payment of €5.00 for Basic" in page, path
        assert "Pay €5.00 now" in page
        assert "We try again by ourselves on" in page
        assert "You keep full access until" in page
    action = f"/account/billing/pay/{open_invoice(account)}/"
    refused = client.post(action, {"key": "0" * 32}, follow=True).content.decode()
    assert "The payment was refused" in refused
    new_card(account, GOOD)
    assert client.get("/account/billing/overdue/").content.decode().strip()
    paid = client.post(action, {"key": "1" * 32}, follow=True).content.decode()
    assert "Paid: €5.00. Your plan is whole again." in paid
    for path in PAGES:
        assert "did not go through" not in client.get(path).content.decode()
    assert client.get("/account/billing/overdue/").content.decode().strip() == ""
    assert standing(account) == CURED


def test_the_page_leads_on_to_the_banks_question(travel):
    account, _ = overdue_person(travel, card=ASKS)
    answer = browser_of(account).post(f"/account/billing/pay/{open_invoice(account)}/", {"key": "0" * 32})
    assert answer.status_code == 302
    assert answer["Location"].startswith(travel.stand_in.url)


def test_somebody_elses_page_shows_nothing_and_pays_nothing(travel):
    account, _ = overdue_person(travel)
    client = browser_of(person())
    assert "did not go through" not in client.get("/account/").content.decode()
    assert client.post(f"/account/billing/pay/{open_invoice(account)}/").status_code == 404
    assert (standing(account), charged(travel)) == (GRACE, [500])


def test_support_reads_attempts_and_changes_none(travel, admin_client):
    account, _ = overdue_person(travel)
    attempts_refresh(invoice_id=open_invoice(account))
    row = PaymentAttempt.objects.get(account=account)
    assert (
        row.stripe_invoice_id
        in admin_client.get(f"/admin/billing/paymentattempt/{row.pk}/change/").content.decode()
    )
    assert admin_client.get("/admin/billing/paymentattempt/add/").status_code == 403
    assert admin_client.post(f"/admin/billing/paymentattempt/{row.pk}/delete/").status_code == 403
    assert PaymentAttempt.objects.filter(pk=row.pk).exists()
