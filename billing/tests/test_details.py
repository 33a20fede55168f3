"""What stands on invoices: kept by Stripe, changed on a page, refused in plain words."""

from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import translation

from accounts.services import account_create_organisation
from accounts.tests.factories import PASSWORD
from billing.pages.details import countries
from billing.services import billing_details, customer_ensure, tax_id_add
from billing.tests.conftest import person
from billing.tests.helpers import ask, fault, no_faults, only, state
from billing.tests.test_pages import browser_of
from common import clock, outbox

pytestmark = [pytest.mark.django_db, pytest.mark.req("BI-4")]

PAGE, ADD = "/account/billing/details/", "/account/billing/details/tax-ids/"
ADDRESS = {
    "line1": "1 rue de la Paix",
    "line2": "",
    "postal_code": "75002",
    "city": "Paris",
    "state": "",
    "country": "FR",
}
DETAILS = {"name": "Café Élan", "email": "factures@elan.test", **ADDRESS}


def customer_of(stand_in, account) -> dict:
    account.refresh_from_db()
    return state(stand_in)["customers"][account.stripe_customer_id]


def test_before_there_is_anything_at_stripe(catalog):
    account = person()
    before = state(catalog)["customers"]
    text = browser_of(account).get(PAGE).content.decode()
    assert account.billing_email in text
    assert state(catalog)["customers"] == before, "looking makes nothing"


@pytest.mark.parametrize("card", [None, "pm_card_visa"])
def test_they_stand_on_the_next_invoice(catalog, card):
    account = person(card)
    client = browser_of(account)
    for _twice in range(2):
        assert client.post(PAGE, DETAILS)["Location"] == PAGE
    found = customer_of(catalog, account)
    assert (found["name"], found["email"], found["address"]["city"]) == (
        "Café Élan",
        "factures@elan.test",
        "Paris",
    )
    assert account.billing_email == "factures@elan.test"
    assert "1 rue de la Paix" in client.get(PAGE).content.decode()
    if card:
        ask(account, "basic")
        invoice = only(state(catalog)["invoices"])
        assert (invoice["customer_name"], invoice["customer_address"]["country"]) == ("Café Élan", "FR")


def test_an_address_can_be_taken_back(catalog):
    account = person()
    client = browser_of(account)
    client.post(PAGE, DETAILS)
    client.post(PAGE, {"name": "Café Élan", "email": "factures@elan.test"})
    assert not customer_of(catalog, account)["address"]
    assert billing_details(account=account).address is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 151},
        {"name": "a\0b"},
        {"email": "nobody"},
        {"city": ""},
        {"line1": ""},
        {"country": ""},
        {"country": "XX"},
        {"country": "EU"},
        {"line1": "x" * 201},
    ],
)
def test_what_cannot_be_is_told_at_its_field_and_nothing_is_saved(catalog, wrong):
    account = person()
    before = state(catalog)["customers"]
    answer = browser_of(account).post(PAGE, {**DETAILS, **wrong})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert f'id="error_{next(iter(wrong))}"' in text or f"id_{next(iter(wrong))}_error" in text
    assert "factures@elan.test" in text or "email" in wrong, "what was typed is not lost"
    account.refresh_from_db()
    assert account.billing_email != "factures@elan.test"
    assert state(catalog)["customers"] == before


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("FR00 000000000", "confirmed"),
        ("fr11111111111", "not found in the register"),
        ("FR12345678901", "being checked"),
    ],
)
def test_a_tax_number_says_what_became_of_its_check(catalog, value, told):
    account = person()
    client = browser_of(account)
    for _twice in range(2):
        assert client.post(ADD, {"kind": "eu_vat", "value": value})["Location"] == PAGE
    assert len(state(catalog)["tax_ids"]) == 1
    assert told in client.get(PAGE).content.decode()


@pytest.mark.parametrize(
    "body",
    [{"kind": "eu_vat", "value": "12"}, {"kind": "eu_vat", "value": ""}, {"kind": "xx", "value": "1"}, {}],
)
def test_a_tax_number_that_is_none(catalog, body):
    account = person()
    answer = browser_of(account).post(ADD, body)
    assert answer.status_code == 422
    assert not state(catalog)["tax_ids"]
    assert billing_details(account=account).tax_ids == ()


def test_removed_and_added_again(catalog):
    account = person()
    client = browser_of(account)
    for _again in range(2):
        client.post(ADD, {"kind": "eu_vat", "value": "FR12345678901"})
        (known,) = billing_details(account=account).tax_ids
        assert client.post(f"{ADD}{known.id}/remove/")["Location"] == PAGE
    assert billing_details(account=account).tax_ids == ()
    assert client.post(f"{ADD}{known.id}/remove/").status_code == 404


def test_anothers_tax_number_is_unknown(catalog):
    mine, other = person(), person()
    theirs = tax_id_add(account=other, kind="eu_vat", value="FR12345678901", key="1")
    for client in (browser_of(mine), browser_of(person("pm_card_visa"))):
        assert client.post(f"{ADD}{theirs.id}/remove/").status_code == 404
    assert len(billing_details(account=other).tax_ids) == 1


def test_an_answer_that_is_lost_adds_no_second_number(catalog):
    account = person("pm_card_visa")
    client = browser_of(account)
    path = f"/v1/customers/{account.stripe_customer_id}/tax_ids"
    fault(catalog, path=path, method="POST", effect="error_after", times=4)
    body = {"kind": "eu_vat", "value": "FR12345678901", "key": "0" * 32}
    client.post(ADD, body)
    no_faults(catalog)
    client.post(ADD, body)
    assert len(billing_details(account=account).tax_ids) == 1


def test_countries_are_named_in_the_readers_language():
    with translation.override("fr"):
        french = countries()
    assert ("DE", "Allemagne") in french
    assert ("FR", "France") in french
    assert {code for code, _ in french} == {code for code, _ in countries()}
    assert "EU" not in dict(french)
    names = [name for _code, name in french]
    assert names.index("Égypte") < names.index("Zambie"), "É stands with E"


def moves(account, new: str = "moved@example.test") -> None:
    """The account's person makes another, confirmed address their main one, on the page."""
    user = account.personal_owner
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"primary": True, "verified": True}
    )
    EmailAddress.objects.create(user=user, email=new, verified=True)
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    answer = client.post("/accounts/email/", {"email": new, "action_primary": ""})
    assert answer.status_code == 302
    outbox.run_due(now=clock.now())
    user.refresh_from_db()
    assert user.email == new


@pytest.mark.req("AC-1")
@pytest.mark.parametrize("at_stripe", [False, True])
def test_invoices_go_to_a_new_main_address(catalog, at_stripe):
    account = person()
    organisation = account_create_organisation(name="Acme", owner=account.personal_owner, now=clock.now())
    theirs = organisation.billing_email
    if at_stripe:
        customer_ensure(account=account)
    moves(account)
    account.refresh_from_db()
    organisation.refresh_from_db()
    assert account.billing_email == "moved@example.test"
    assert organisation.billing_email == theirs, "an organisation's invoices are not one person's"
    if at_stripe:
        assert customer_of(catalog, account)["email"] == "moved@example.test"


@pytest.mark.req("AC-1")
def test_an_address_named_for_invoices_stays(catalog):
    account = person()
    assert browser_of(account).post(PAGE, DETAILS)["Location"] == PAGE
    moves(account)
    assert customer_of(catalog, account)["email"] == "factures@elan.test"
    assert account.billing_email == "factures@elan.test"


@pytest.mark.req("AC-6")
@pytest.mark.parametrize("path", [PAGE, "/account/billing/payment-methods/", "/account/billing/card/"])
def test_the_way_back_to_billing_is_shown(catalog, path):
    text = browser_of(person()).get(path).content.decode()
    assert re.search(r'href="/account/billing/" aria-current="page"', text)
    crumbs = re.search(r'class="crumbs".*?</nav>', text, re.DOTALL)
    assert crumbs is not None
    assert 'href="/account/billing/"' in crumbs.group()
