"""The card that paid an open invoice is charged from then on; one that did not pay it is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
import requests

from billing.errors import PaymentActionRequired, PaymentFailed
from billing.gateways.stripe import gateway
from billing.models import CardChoice
from billing.services import (
    payment_method_make_default,
    payment_methods_list,
)
from billing.services.payments import invoice_payments_follow
from billing.tests.helpers import fault, no_faults, subscription
from billing.tests.overdue import (
    ASKS,
    CURED,
    GOOD,
    charged,
    new_card,
    open_invoice,
    overdue_person,
    pay,
    payment,
    standing,
    stripe_id,
)
from common import outbox
from common.clock import database_now

pytestmark = pytest.mark.req("BI-4", "BI-6")


def default_of(account) -> str | None:
    methods, default = payment_methods_list(account=account)
    return next((str(one.brand) for one in methods if one.id == default), None)


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


def test_a_card_that_was_refused_is_not_charged_from_now_on(travel):
    account, _ = overdue_person(travel)
    _methods, before = payment_methods_list(account=account)
    with pytest.raises(PaymentFailed):
        pay(account, payment_method="pm_card_chargeCustomerFail")
    assert payment_methods_list(account=account)[1] == before
    assert not CardChoice.objects.exists()


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
