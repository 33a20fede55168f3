"""Every attempt to collect is on record, with its reason and the request that led to it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import requests

from billing.errors import PaymentActionRequired, PaymentFailed
from billing.models import PaymentAttempt, PlanChange
from billing.pages.attempts import attempt_rows
from billing.services.recorded import attempts_refresh
from billing.tests.conftest import person
from billing.tests.helpers import ask, invoices, state
from billing.tests.overdue import (
    ASKS,
    CURED,
    GOOD,
    new_card,
    open_invoice,
    outcomes,
    overdue_person,
    pay,
    refresh,
    standing,
)

pytestmark = pytest.mark.req("BI-9")


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
