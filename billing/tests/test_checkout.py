"""Subscribing on Stripe's own page: there, back, away, twice, and what is found out when nobody comes back."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
import requests

from billing.errors import AlreadySubscribed, PaymentProviderUnavailable, PlanChangeNotAllowed, QuoteStale
from billing.gateways.client import api
from billing.models import PlanChange
from billing.selectors import awaiting_change
from billing.services import Addresses, checkout_begin, subscription_refresh
from billing.tests.conftest import person
from billing.tests.helpers import ask, everything, fault, messages_limit, no_faults, state, subscription
from billing.tests.test_pages import browser_of
from billing.tests.test_payer import asked, nobody, pay, sweep
from billing.tests.test_races import at_once
from common import books
from common.clock import database_now

BACK = Addresses(
    "https://palier.example/{change}/?redirect_status=succeeded", "https://palier.example/{change}/left/"
)


def visit(account, plan="basic", **more):
    return checkout_begin(
        account=account,
        user=account.personal_owner,
        plan=plan,
        interval=None,
        **{
            "promotion_code": None,
            "shown_minor": None,
            "addresses": BACK,
            "locale": "fr",
            "idempotency_key": None,
            "request_id": "req-checkout",
            "now": database_now(),
            **more,
        },
    )


def at_stripe(url: str, number: str = "4242 4242 4242 4242", **more):
    """The payer fills the page in."""
    form = {"number": number, "expiry": "12 / 40", "cvc": "123", "email": "somebody@example.test", **more}
    return requests.post(url, data=form, allow_redirects=False, timeout=20)


BEGINNINGS = {"free": lambda: person(card=None), "nothing": nobody}


@pytest.mark.req("BI-3")
@pytest.mark.parametrize("heard", ["the return page", "an event"])
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_paid_there(catalog, beginning, heard):
    account = BEGINNINGS[beginning]()
    going = visit(account, shown_minor=500)
    assert going.url.startswith(catalog.url)
    assert awaiting_change(account.pk).pk == going.change.pk
    assert state(catalog)["charges"] == {}
    answer = at_stripe(going.url)
    assert (
        answer.headers["Location"] == f"https://palier.example/{going.change.pk}/?redirect_status=succeeded"
    )
    if heard == "an event":
        (there,) = state(catalog)["subscriptions"]
        subscription_refresh(stripe_subscription_id=there)
    else:
        assert sweep().applied == [str(going.change.pk)]
    done = PlanChange.objects.get(pk=going.change.pk)
    assert (done.status, done.charged_minor) == ("applied", 500)
    assert (subscription(account).plan.code, messages_limit(account)) == ("basic", 50)
    assert books.verify_all() == []


@pytest.mark.req("BI-3")
def test_a_refused_card_is_told_there_and_another_pays(catalog):
    account = person(card=None)
    going = visit(account)
    assert at_stripe(going.url, "4000 0000 0000 0002").status_code == 402
    sweep()
    assert subscription(account).plan.code == "free"
    assert at_stripe(going.url).status_code == 303
    sweep()
    assert subscription(account).plan.code == "basic"


@pytest.mark.req("BI-3")
def test_nobody_comes_back(travel):
    account = person(card=None)
    going = visit(account)
    travel.by(hours=25)
    assert PlanChange.objects.get(pk=going.change.pk).status == "failed"
    assert subscription(account).plan.code == "free"
    assert visit(account).change.pk != going.change.pk
    assert books.verify_all() == []


@pytest.mark.req("BI-3", "PC-6")
def test_another_wish_closes_the_page(catalog):
    account = person(card=None)
    first = visit(account)
    other = asked(lambda: ask(account, "premium", collects=True))
    assert at_stripe(first.url).status_code == 410
    assert pay(catalog, other, payment_method="pm_card_visa") == "succeeded"
    sweep()
    assert subscription(account).plan.code == "premium"
    assert len([one for one in state(catalog)["charges"].values() if one["paid"]]) == 1


@pytest.mark.req("BI-3", "PC-6")
def test_paid_there_while_another_plan_is_chosen_here(catalog):
    account = nobody()
    first = visit(account)
    at_stripe(first.url)
    with pytest.raises(AlreadySubscribed):
        visit(account, "premium")
    assert subscription(account).plan.code == "basic"
    assert len(state(catalog)["subscriptions"]) == 1


@pytest.mark.req("BI-3")
def test_who_may_not(catalog):
    account = person()
    ask(account, "basic")
    before = everything(account, catalog)
    with pytest.raises(AlreadySubscribed):
        visit(account, "premium")
    with pytest.raises(PlanChangeNotAllowed):
        visit(account, "growth")
    assert everything(account, catalog) == before


@pytest.mark.req("BI-3", "PC-8")
def test_the_price_shown_is_the_price_asked(catalog):
    account = person(card=None)
    before = everything(account, catalog)
    with pytest.raises(QuoteStale):
        visit(account, shown_minor=400)
    assert everything(account, catalog) == before
    assert awaiting_change(account.pk) is None


@pytest.mark.req("BI-3", "CR-8")
@pytest.mark.parametrize("effect", ["drop_after", "error_before"])
def test_a_lost_answer_is_given_up_when_nothing_can_come_of_it(catalog, effect):
    """The payer was never sent there, so nobody can pay."""
    account = person(card=None)
    fault(catalog, path="/v1/checkout", method="POST", effect=effect, times=4)
    with pytest.raises(PaymentProviderUnavailable) as raised:
        visit(account)
    assert raised.value.details["status"] == "pending"
    no_faults(catalog)
    assert sweep(timedelta(minutes=30)).failed
    assert visit(account).url
    assert books.verify_all() == []


@pytest.mark.req("BI-3", "CR-8")
@pytest.mark.parametrize("effect", ["drop_after", "error_before"])
def test_who_tries_again_after_a_lost_answer_is_sent_there_without_waiting(catalog, effect):
    account = person(card=None)
    fault(catalog, path="/v1/checkout", method="POST", effect=effect, times=4)
    with pytest.raises(PaymentProviderUnavailable):
        visit(account, idempotency_key="first", shown_minor=500)
    no_faults(catalog)
    later = database_now() + timedelta(seconds=10)
    going = visit(account, idempotency_key="second", shown_minor=500, now=later)
    assert (going.url.startswith(catalog.url), len(state(catalog)["checkout_sessions"])) == (True, 1)
    at_stripe(going.url)
    sweep()
    assert subscription(account).plan.code == "basic"
    assert books.verify_all() == []


@pytest.mark.req("BI-3", "PC-6")
def test_the_same_form_sent_twice_is_the_same_page(catalog):
    account = person(card=None)
    client = browser_of(account)
    form = {"key": "3" * 32, "shown": "500"}
    path = "/account/billing/plans/basic/month/checkout/"
    first = client.post(path, form)["Location"]
    again = client.post(path, form)["Location"]
    assert first == again
    assert first.startswith(catalog.url)
    assert client.post(path, form | {"key": "4" * 32})["Location"] == first, (
        "nor does another tab open a second"
    )
    assert len(state(catalog)["checkout_sessions"]) == 1
    assert PlanChange.objects.count() == 1
    at_stripe(first)
    paid = client.post(path, form)["Location"]
    change = PlanChange.objects.get()
    assert (paid, change.status) == (f"/account/billing/changes/{change.pk}/", "applied")
    assert len([one for one in state(catalog)["charges"].values() if one["paid"]]) == 1


@pytest.mark.req("BI-3", "PC-6")
def test_the_same_form_sent_many_times_at_once_is_one_page(trading):
    account = person(card=None)
    calls = [partial(visit, account, idempotency_key="page-5", shown_minor=500) for _ in range(4)]
    assert len({one.url for one in at_once(calls)}) == 1
    assert len(state(trading)["checkout_sessions"]) == 1
    assert PlanChange.objects.count() == 1


@pytest.mark.req("BI-3")
@pytest.mark.parametrize("over", ["expired there", "another price"])
def test_a_page_that_does_not_serve_any_more_is_not_the_same(catalog, over):
    account = person(card=None)
    first = visit(account, idempotency_key="page-6", shown_minor=500)
    if over == "expired there":
        api().checkout.sessions.expire(first.change.checkout_session_id)
        second = visit(account, idempotency_key="page-6", shown_minor=500)
    else:
        second = visit(account, "premium", shown_minor=2000)
    assert second.url != first.url
    assert at_stripe(first.url).status_code == 410
    assert PlanChange.objects.get(pk=first.change.pk).status == "failed"
    assert at_stripe(second.url).status_code == 303
