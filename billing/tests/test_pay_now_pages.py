"""Paying an open invoice over the API and on the page; what others and support see of it."""

from __future__ import annotations

import pytest

from billing.models import PaymentAttempt
from billing.services.recorded import attempts_refresh
from billing.tests.conftest import person
from billing.tests.overdue import (
    ASKS,
    CURED,
    GOOD,
    GRACE,
    charged,
    new_card,
    open_invoice,
    overdue_person,
    standing,
)
from billing.tests.test_api import Api
from billing.tests.test_pages import browser_of

pytestmark = pytest.mark.req("BI-6", "BI-9")


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
    assert client.get("/account/billing/overdue/", headers={"HX-Request": "true"}).content.decode().strip()
    paid = client.post(action, {"key": "1" * 32}, follow=True).content.decode()
    assert "Paid: €5.00. Your plan is whole again." in paid
    for path in PAGES:
        assert "did not go through" not in client.get(path).content.decode()
    assert (
        client.get("/account/billing/overdue/", headers={"HX-Request": "true"}).content.decode().strip() == ""
    )
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
