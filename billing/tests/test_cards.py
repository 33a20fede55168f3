"""Cards: saved in the page or on Stripe's page, charged, replaced, removed, and about to expire."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import requests
from django.urls import reverse

from billing.gateways.client import api
from billing.services import (
    card_setup_begin,
    card_setup_finish,
    payment_method_add,
    payment_method_make_default,
    payment_method_remove,
    payment_methods_list,
)
from billing.tests.conftest import person
from billing.tests.helpers import ask, fault, no_faults, only, state
from billing.tests.test_checkout import at_stripe
from billing.tests.test_pages import browser_of
from common import outbox
from common.clock import database_now
from common.errors import NotFound

pytestmark = pytest.mark.django_db

METHODS = "/account/billing/payment-methods/"
ENTER, VISIT = "/account/billing/card/enter/", "/account/billing/card/visit/"


def bank(stand_in, client_secret: str, **what) -> dict:
    """What the payer does in the browser with a card that is to be saved."""
    body = {"intent": client_secret, **what}
    return requests.post(f"{stand_in.url}/_sandbox/payer", json=body, timeout=20).json()


def cards_of(account) -> tuple[list[str], str | None]:
    account.refresh_from_db()
    methods, default = payment_methods_list(account=account)
    return [str(one.brand) for one in methods], next((str(o.brand) for o in methods if o.id == default), None)


def _begun(client, key: str = "0" * 32) -> tuple[str, str]:
    """The page with the fields, and the client secret that stands on it."""
    answer = client.post(ENTER, {"key": key})
    assert answer.status_code == 302
    text = client.get(answer["Location"]).content.decode()
    found = re.search(r'data-client-secret="([^"]+)"', text)
    assert found is not None
    return str(answer["Location"]), found[1]


@pytest.mark.req("BI-4")
@pytest.mark.parametrize("subscribed", [False, True])
def test_a_card_entered_in_the_page_is_charged_from_now_on(catalog, subscribed):
    account = person("pm_card_visa" if subscribed else None)
    if subscribed:
        ask(account, "basic")
    client = browser_of(account)
    where, secret = _begun(client)
    assert bank(catalog, secret, payment_method="pm_card_mastercard")["status"] == "succeeded"
    for _twice in range(2):
        answer = client.get(f"{where}done/", follow=True)
        assert "Mastercard ending in 4444" in answer.content.decode()
    assert cards_of(account) == (["mastercard", "visa"] if subscribed else ["mastercard"], "mastercard")
    assert len(state(catalog)["setup_intents"]) == 1
    charges = [one["amount"] for one in state(catalog)["charges"].values()]
    assert charges == ([500] if subscribed else []), "adding charges nothing"
    assert client.get(where)["Location"].endswith("/done/"), "a card is entered once"


@pytest.mark.req("BI-4")
@pytest.mark.parametrize("how", ["given up", "the bank says no", "refused"])
def test_a_card_that_is_not_confirmed_is_not_there(catalog, how):
    account = person()
    client = browser_of(account)
    where, secret = _begun(client)
    if how == "the bank says no":
        bank(catalog, secret, payment_method="pm_card_authenticationRequired", authenticate=False)
    elif how == "refused":
        bank(catalog, secret, payment_method="pm_card_chargeDeclined")
    answer = client.get(f"{where}done/", follow=True)
    assert "The card was not added." in answer.content.decode()
    assert cards_of(account) == (["visa"], "visa")
    assert bank(catalog, secret, payment_method="pm_card_mastercard")["status"] == "succeeded"
    client.get(f"{where}done/")
    assert cards_of(account)[1] == "mastercard"


@pytest.mark.req("BI-4", "EN-11")
def test_anothers_intent_and_visit_are_unknown(catalog):
    owner, stranger = person(), person()
    where, secret = _begun(browser_of(owner))
    bank(catalog, secret, payment_method="pm_card_mastercard")
    intent = only(state(catalog)["setup_intents"])["id"]
    for path in (where, f"{where}done/", "/account/billing/card/seti_nobody/"):
        assert browser_of(stranger).get(path).status_code == 404
    with pytest.raises(NotFound):
        card_setup_finish(account=stranger, setup_intent_id=intent)
    browser_of(owner).post(VISIT, {"key": "1" * 32})
    (visit,) = state(catalog)["checkout_sessions"]
    back = reverse("card_back")
    assert browser_of(stranger).get(f"{back}?session_id={visit}").status_code == 404
    assert browser_of(stranger).get(back).status_code == 404
    assert cards_of(stranger) == (["visa"], "visa")


@pytest.mark.req("BI-4", "AC-6")
def test_on_stripes_page(catalog):
    account = person(None)
    client = browser_of(account)
    answer = client.post(f"{VISIT}?next=/account/billing/plans/basic/month/", {"key": "2" * 32})
    again = client.post(f"{VISIT}?next=/account/billing/plans/basic/month/", {"key": "2" * 32})
    assert answer["Location"] == again["Location"]
    assert answer["Location"].startswith(catalog.url)
    back = at_stripe(answer["Location"]).headers["Location"]
    path = back.removeprefix("http://127.0.0.1:9")
    said = client.get(path)
    assert said["Location"] == "/account/billing/plans/basic/month/"
    assert cards_of(account) == (["visa"], "visa")
    assert state(catalog)["charges"] == {}


@pytest.mark.req("BI-4")
def test_another_card_is_charged_and_the_old_one_removed(catalog):
    account = person()
    ask(account, "basic")
    other = payment_method_add(account=account, payment_method_id="pm_card_mastercard").id
    client = browser_of(account)
    text = client.get(METHODS).content.decode()
    assert text.index("Visa ending in 4242") < text.index("Mastercard ending in 4444")
    visa = next(one.id for one in payment_methods_list(account=account)[0] if one.brand == "visa")
    refused = client.post(f"{METHODS}{visa}/remove/", follow=True).content.decode()
    assert "Make another one the default first" in refused
    assert cards_of(account) == (["mastercard", "visa"], "visa")
    done = client.post(f"{METHODS}{other}/default/", follow=True).content.decode()
    assert "This card is charged from now on" in done
    assert "The card was removed" in client.post(f"{METHODS}{visa}/remove/", follow=True).content.decode()
    assert cards_of(account) == (["mastercard"], "mastercard")
    assert client.post(f"{METHODS}{visa}/remove/").status_code == 404
    assert browser_of(person()).post(f"{METHODS}{other}/remove/").status_code == 404
    assert browser_of(person()).post(f"{METHODS}{other}/default/").status_code == 404


@pytest.mark.req("BI-4")
def test_without_a_subscription_the_last_card_may_go(catalog):
    account = person()
    client = browser_of(account)
    ((only_card,), _default) = payment_methods_list(account=account)
    client.post(f"{METHODS}{only_card.id}/remove/")
    assert cards_of(account) == ([], None)
    assert "No card on file" in client.get(METHODS).content.decode()


@pytest.mark.req("BI-4")
def test_a_card_that_expires_is_said(travel):
    account = person()
    ask(account, "basic")
    (card,), _default = payment_methods_list(account=account)
    assert "expires soon" not in browser_of(account).get(METHODS).content.decode()
    now = database_now()
    api().payment_methods.update(card.id, {"card": {"exp_month": now.month, "exp_year": now.year}})
    assert "expires soon" in browser_of(account).get(METHODS).content.decode()
    travel.by(days=40)
    assert "expired" in browser_of(account).get(METHODS).content.decode()


@pytest.mark.req("BI-4", "CR-8")
def test_an_answer_that_is_lost_makes_no_second_intent(catalog):
    account = person()
    fault(catalog, path="/v1/setup_intents", method="POST", effect="drop_after", times=1)
    first = card_setup_begin(account=account, key="once")
    no_faults(catalog)
    assert card_setup_begin(account=account, key="once").id == first.id
    assert len(state(catalog)["setup_intents"]) == 1


@pytest.mark.req("BI-4", "CR-8")
def test_a_service_that_fails_leaves_the_cards_as_they_were(catalog):
    account = person()
    fault(catalog, path="/v1/setup_intents", method="POST", effect="error_after", times=4)
    answer = browser_of(account).post(ENTER, {"key": "3" * 32})
    no_faults(catalog)
    assert answer.status_code == 503
    assert cards_of(account) == (["visa"], "visa")
    where, _secret = _begun(browser_of(account))
    assert where.startswith("/account/billing/card/seti_")


@pytest.mark.req("BI-4")
@pytest.mark.parametrize("where", ["in the page", "at Stripe"])
def test_looking_again_at_where_a_card_was_added_chooses_nothing_again(catalog, where):
    account = person()
    (first,), _default = payment_methods_list(account=account)
    client = browser_of(account)
    if where == "in the page":
        page, secret = _begun(client)
        bank(catalog, secret, payment_method="pm_card_mastercard")
        back = f"{page}done/"
    else:
        url = client.post(VISIT, {"key": "0" * 32})["Location"]
        back = at_stripe(url, "5555 5555 5555 4444").headers["Location"]
    assert "will be charged from now on" in client.get(back, follow=True).content.decode()
    assert cards_of(account)[1] == "mastercard"
    payment_method_make_default(account=account, payment_method_id=first.id)
    told = client.get(back, follow=True).content.decode()
    assert "was added before; another card is charged now" in told
    assert cards_of(account)[1] == "visa"


@pytest.mark.req("BI-4")
def test_a_card_that_was_added_and_removed_since_ends_no_circle(catalog):
    account = person()
    client = browser_of(account)
    where, secret = _begun(client)
    bank(catalog, secret, payment_method="pm_card_mastercard")
    saved = card_setup_finish(account=account, setup_intent_id=where.rstrip("/").rpartition("/")[2])
    payment_method_make_default(
        account=account,
        payment_method_id=next(o.id for o in payment_methods_list(account=account)[0] if o.brand == "visa"),
    )
    payment_method_remove(account=account, payment_method_id=saved.method.id)
    answer = client.get(f"{where}done/", follow=True)
    assert [path for path, _status in answer.redirect_chain] == [METHODS]
    assert "has been removed since" in answer.content.decode()
    assert cards_of(account) == (["visa"], "visa")


@pytest.mark.req("BI-4", "CR-8")
def test_a_card_whose_choice_stripe_did_not_hear_of_is_chosen_later_unless_another_was(catalog):
    account = person()
    (first,), _default = payment_methods_list(account=account)
    client = browser_of(account)
    for overtaken in (False, True):
        where, secret = _begun(client, key=str(int(overtaken)) * 32)
        bank(catalog, secret, payment_method="pm_card_mastercard")
        fault(
            catalog,
            path=f"/v1/customers/{account.stripe_customer_id}",
            method="POST",
            effect="error_before",
            times=9,
        )
        assert client.get(f"{where}done/").status_code == 503
        no_faults(catalog)
        assert cards_of(account)[1] == "visa"
        if overtaken:
            payment_method_make_default(account=account, payment_method_id=first.id)
        outbox.run_due(now=database_now() + timedelta(minutes=1))
        assert cards_of(account)[1] == ("visa" if overtaken else "mastercard")
        payment_method_make_default(account=account, payment_method_id=first.id)
