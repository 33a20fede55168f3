"""Checkout and the customer portal, as a browser meets them."""

from typing import Any

import pytest
import requests
import stripe

from sandbox.stripe.engine import cards
from sandbox.stripe.pages import speech
from sandbox.stripe.tests.conftest import World, refused

pytestmark = pytest.mark.req("BI-3")

GOOD, REFUSED, ASKING = "4242 4242 4242 4242", "4000 0000 0000 0002", "4000 0027 6000 3184"


def session_for(world: World, **extra: Any) -> Any:
    params = {
        "mode": "subscription",
        "line_items": [{"price": world.price("Basic", 500), "quantity": 1}],
        "success_url": "http://127.0.0.1:9/done?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://127.0.0.1:9/back",
        "client_reference_id": "account-1",
        **extra,
    }
    return world.v1.checkout.sessions.create(params)


def submit(session: Any, number: str = GOOD, **fields: str) -> requests.Response:
    data = {"number": number, "email": "new@palier.test", **fields}
    return requests.post(session.url, data=data, allow_redirects=False, timeout=20)


def test_checkout_makes_customer_card_and_subscription(world: World):
    session = session_for(world, subscription_data={"metadata": {"plan": "basic"}})
    assert (session.status, session.amount_total, session.payment_status) == ("open", 500, "unpaid")
    page = requests.get(session.url, timeout=10)
    assert "Basic" in page.text
    assert "€5.00" in page.text
    answer = submit(session)
    assert answer.headers["Location"] == f"http://127.0.0.1:9/done?session={session.id}"
    done = world.v1.checkout.sessions.retrieve(
        session.id,
        {"expand": ["subscription", "line_items.data.discounts", "customer", "total_details.breakdown"]},
    )
    assert (done.status, done.payment_status, done.url) == ("complete", "paid", None)
    assert (done.customer.email, done.client_reference_id) == ("new@palier.test", "account-1")
    assert (done.subscription.status, done.subscription.metadata["plan"]) == ("active", "basic")
    assert done.line_items.data[0].price.unit_amount == 500
    assert world.events("checkout.session.completed")[0].data.object.id == session.id
    over = requests.get(session.url, timeout=10)
    assert (over.status_code, "This session is over" in over.text) == (410, True)
    assert f'href="http://127.0.0.1:9/done?session={session.id}"' in over.text
    assert requests.get(f"{world.url}/c/pay/cs_test_unknown", timeout=10).status_code == 404


def test_a_refused_card_makes_nothing(world: World):
    session = session_for(world)
    before = world.state()
    answer = submit(session, REFUSED)
    assert answer.status_code == 402
    assert "Your card was declined." in answer.text
    assert world.state() == before
    assert submit(session, "1234").status_code == 402
    assert submit(session).status_code == 303


def test_three_d_secure_in_checkout(world: World):
    session = session_for(world)
    assert "Complete authentication" in submit(session, ASKING).text
    assert world.state()["subscriptions"] == {}
    failed = requests.post(session.url, data={"passed": "no"}, timeout=10)
    assert failed.status_code == 402
    assert world.state()["subscriptions"] == {}
    submit(session, ASKING)
    passed = requests.post(session.url, data={"passed": "yes"}, allow_redirects=False, timeout=10)
    assert passed.status_code == 303
    assert [sub["status"] for sub in world.state()["subscriptions"].values()] == ["active"]


def test_checkout_with_trial_and_coupon(world: World):
    coupon = world.v1.coupons.create({"percent_off": 20, "duration": "forever"})
    session = session_for(world, discounts=[{"coupon": coupon.id}])
    assert (session.amount_subtotal, session.amount_total) == (500, 400)
    submit(session)
    assert [invoice["total"] for invoice in world.state()["invoices"].values()] == [400]
    trial = session_for(world, subscription_data={"trial_period_days": 7})
    submit(trial)
    done = world.v1.checkout.sessions.retrieve(trial.id, {"expand": ["subscription"]})
    assert (done.payment_status, done.subscription.status) == ("no_payment_required", "trialing")


def test_checkout_that_only_saves_a_card(world: World):
    customer = world.customer(card=None)
    session = world.v1.checkout.sessions.create({"mode": "setup", "customer": customer, "currency": "eur"})
    assert submit(session).status_code == 200
    done = world.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
    assert done.setup_intent.status == "succeeded"
    assert len(world.v1.customers.payment_methods.list(customer).data) == 1


def test_checkout_that_takes_one_payment(world: World):
    product = world.v1.products.create({"name": "Credits"})
    item = {"price_data": {"currency": "eur", "product": product.id, "unit_amount": 1500}, "quantity": 2}
    session = world.v1.checkout.sessions.create({"mode": "payment", "line_items": [item]})
    submit(session)
    done = world.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (done.payment_intent.status, done.payment_intent.amount) == ("succeeded", 3000)


def test_sessions_expire(world: World):
    by_hand, by_time = session_for(world), session_for(world)
    assert world.v1.checkout.sessions.expire(by_hand.id).status == "expired"
    refused(stripe.InvalidRequestError, world.v1.checkout.sessions.expire, by_hand.id)
    world.advance(hours=24)
    assert world.v1.checkout.sessions.retrieve(by_time.id).status == "expired"
    before = world.state()
    for over in (submit(by_time), requests.get(by_hand.url, timeout=10)):
        assert (over.status_code, "It has expired. Nothing was charged." in over.text) == (410, True)
        assert 'href="http://127.0.0.1:9/back"' in over.text
    assert world.state() == before
    assert len(world.events("checkout.session.expired")) == 2


@pytest.mark.parametrize(
    "extra", [{"mode": "payment"}, {"line_items": []}, {"ui_mode": "elements"}, {"expires_at": 1}]
)
def test_sessions_that_make_no_sense(world: World, extra: dict[str, Any]):
    world.price("Basic", 500)
    before = world.state()
    with pytest.raises(stripe.InvalidRequestError):
        session_for(world, **extra)
    assert world.state() == before


# In the payer's language ---------------------------------------------------------------------------------------------

FRENCH = {"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.5"}


@pytest.mark.req("AC-6")
@pytest.mark.parametrize(
    ("locale", "headers", "lang"),
    [
        ("fr", {}, "fr"),
        ("fr-CA", {}, "fr"),
        ("en", FRENCH, "en"),
        ("auto", FRENCH, "fr"),
        (None, FRENCH, "fr"),
        (None, {"Accept-Language": "de"}, "en"),
        (None, {}, "en"),
    ],
)
def test_checkout_speaks_the_sessions_language(world: World, locale: str | None, headers: dict, lang: str):
    session = session_for(world, **({"locale": locale} if locale else {}))
    text = requests.get(session.url, headers=headers, timeout=10).text
    assert f'<html lang="{lang}"' in text
    for english, french in (
        ("Card number", "Numéro de carte"),
        ("Subscribe", "S’abonner"),
        (">Back<", ">Retour<"),
        ("€5.00", "5,00\N{NO-BREAK SPACE}€"),
    ):
        assert (english in text, french in text) == (lang == "en", lang == "fr")


@pytest.mark.req("AC-6")
def test_what_goes_wrong_is_said_in_it_too(world: World):
    session = session_for(world, locale="fr", allow_promotion_codes=True)
    assert "Votre carte a été refusée." in submit(session, REFUSED).text
    wrong = requests.post(session.url, data={"promotion_code": "nothing"}, timeout=10)
    assert "Ce code promotionnel n’est pas valable." in wrong.text
    assert "Refuser l’authentification" in submit(session, ASKING).text
    assert "n’a pas été authentifié" in requests.post(session.url, data={"passed": "no"}, timeout=10).text
    world.v1.checkout.sessions.expire(session.id)
    assert "Elle a expiré. Rien n’a été débité." in requests.get(session.url, timeout=10).text


@pytest.mark.req("AC-6")
def test_every_refusal_of_a_card_has_its_french():
    assert set(cards.MESSAGES.values()) <= set(speech.FRENCH)


@pytest.mark.req("AC-6")
def test_an_invoice_speaks_the_customers_language(world: World):
    invoice = unpaid(world)
    assert "Pay €5.00" in requests.get(invoice.hosted_invoice_url, timeout=10).text
    world.v1.customers.update(invoice.customer, {"preferred_locales": ["fr"]})
    text = requests.get(invoice.hosted_invoice_url, timeout=10).text
    assert "Payer 5,00\N{NO-BREAK SPACE}€" in text
    assert f"Facture {invoice.number}" in text
    assert "à payer" in text
    bank = requests.post(invoice.hosted_invoice_url, data={"number": ASKING}, timeout=10)
    assert "Valider l’authentification" in bank.text


@pytest.mark.parametrize("path", ["/c/pay/cs_test_unknown", "/nowhere"])
def test_a_browser_need_not_ask_for_an_icon(world: World, path: str):
    page = requests.get(world.url + path, timeout=10)
    assert (page.status_code, '<link rel="icon" href="data:' in page.text) == (404, True)


# The portal ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("BI-4")
def test_the_portal_cancels_keeps_and_adds_cards(world: World):
    sub = world.subscribe(world.price("Basic", 500))
    portal = world.v1.billing_portal.sessions.create(
        {"customer": sub.customer, "return_url": "http://127.0.0.1:9/account"}
    )

    def act(action: str, object_id: str) -> requests.Response:
        return requests.post(portal.url, data={"action": action, "id": object_id}, timeout=10)

    first = requests.get(portal.url, timeout=10).text
    assert "renews on" in first
    assert "visa •••• 4242" in first
    assert "ends on" in act("cancel", sub.id).text
    assert world.v1.subscriptions.retrieve(sub.id).cancel_at_period_end is True
    act("keep", sub.id)
    assert world.v1.subscriptions.retrieve(sub.id).cancel_at_period_end is False
    act("add", "5555555555554444")
    method = world.v1.customers.payment_methods.list(sub.customer).data[0]
    assert method.card.brand == "mastercard"
    act("default", method.id)
    assert world.v1.customers.retrieve(sub.customer).invoice_settings.default_payment_method == method.id
    assert act("add", REFUSED).status_code == 400
    other = world.subscribe(world.price("Basic", 500))
    assert act("cancel", other.id).status_code == 404
    assert world.v1.subscriptions.retrieve(other.id).cancel_at_period_end is False
    assert requests.get(f"{world.url}/p/session/unknown", timeout=10).status_code == 404


def test_what_a_page_shows_is_escaped(world: World):
    sub = world.subscribe(world.price("<script>alert(1)</script>", 500), expand=["latest_invoice"])
    for url in (session_for(world).url, sub.latest_invoice.hosted_invoice_url):
        assert "<script>" not in requests.get(url, timeout=10).text


# Promotion codes, trials without a card ------------------------------------------------------------------------------


def test_a_code_entered_at_checkout(world: World):
    coupon = world.v1.coupons.create({"percent_off": 20, "duration": "once"})
    world.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "Welcome20"}
    )
    session = session_for(world, allow_promotion_codes=True)
    wrong = requests.post(session.url, data={"promotion_code": "nothing"}, timeout=10)
    assert (wrong.status_code, "This promotion code is invalid." in wrong.text) == (402, True)
    assert "€4.00" in requests.post(session.url, data={"promotion_code": "WELCOME20"}, timeout=10).text
    assert submit(session).status_code == 303
    done = world.v1.checkout.sessions.retrieve(session.id, {"expand": ["invoice"]})
    assert (done.amount_total, done.invoice.total) == (400, 400)
    closed = session_for(world)
    assert requests.post(closed.url, data={"promotion_code": "WELCOME20"}, timeout=10).status_code == 402


def test_a_trial_without_a_card_at_checkout(world: World):
    session = session_for(
        world,
        payment_method_collection="if_required",
        subscription_data={
            "trial_period_days": 14,
            "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}},
        },
    )
    assert "Card number" not in requests.get(session.url, timeout=10).text
    answer = requests.post(session.url, data={"email": "new@palier.test"}, allow_redirects=False, timeout=10)
    assert answer.status_code == 303
    done = world.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    assert (done.payment_status, done.subscription.status) == ("no_payment_required", "trialing")
    world.advance(days=15)
    assert world.v1.subscriptions.retrieve(done.subscription.id).status == "canceled"


# The hosted invoice --------------------------------------------------------------------------------------------------


def unpaid(world: World) -> Any:
    """An invoice that the card on file did not pay, with its page."""
    sub = world.subscribe(world.price("Basic", 500), world.customer("pm_card_chargeCustomerFail"))
    return world.v1.invoices.retrieve(sub.latest_invoice)


@pytest.mark.req("BI-6")
def test_an_invoice_is_paid_on_its_page(world: World):
    invoice = unpaid(world)
    assert "Pay €5.00" in requests.get(invoice.hosted_invoice_url, timeout=10).text
    refused_card = requests.post(invoice.hosted_invoice_url, data={"number": REFUSED}, timeout=10)
    assert (refused_card.status_code, "Your card was declined." in refused_card.text) == (402, True)
    assert world.v1.invoices.retrieve(invoice.id).status == "open"
    paid = requests.post(invoice.hosted_invoice_url, data={"number": GOOD}, timeout=10)
    assert (paid.status_code, "Pay €" in paid.text) == (200, False)
    assert world.v1.invoices.retrieve(invoice.id).status == "paid"
    again = requests.post(invoice.hosted_invoice_url, data={"number": GOOD}, timeout=10)
    assert again.status_code == 200
    assert len(world.v1.charges.list({"customer": invoice.customer}).data) == 3  # two refused, one good


@pytest.mark.req("BI-6")
@pytest.mark.parametrize(("passed", "status"), [("yes", "paid"), ("no", "open")])
def test_an_invoice_is_paid_on_its_page_with_three_d_secure(world: World, passed: str, status: str):
    invoice = unpaid(world)
    bank = requests.post(invoice.hosted_invoice_url, data={"number": ASKING}, timeout=10)
    assert "Complete authentication" in bank.text
    back = requests.post(bank.url, data={"passed": passed}, timeout=10)
    assert back.url.startswith(invoice.hosted_invoice_url)
    assert ("not authenticated" in back.text) == (passed == "no")
    assert world.v1.invoices.retrieve(invoice.id).status == status


def test_a_number_that_is_no_test_card_pays_nothing(world: World):
    invoice = unpaid(world)
    before = world.state()
    assert requests.post(invoice.hosted_invoice_url, data={"number": "1"}, timeout=10).status_code == 402
    assert world.state() == before


# Errands in the portal -----------------------------------------------------------------------------------------------


def test_a_customer_is_sent_to_change_the_card(world: World):
    customer = world.customer()
    before = world.v1.customers.retrieve(customer).invoice_settings.default_payment_method
    after = {"type": "redirect", "redirect": {"return_url": "http://127.0.0.1:9/thanks"}}
    session = world.v1.billing_portal.sessions.create(
        {
            "customer": customer,
            "flow_data": {"type": "payment_method_update", "after_completion": after},
        }
    )
    assert "Change your card" in requests.get(session.url, timeout=10).text
    data = {"action": "add", "id": "5555555555554444"}
    answer = requests.post(session.url, data=data, allow_redirects=False, timeout=10)
    assert answer.headers["Location"] == "http://127.0.0.1:9/thanks"
    now = world.v1.customers.retrieve(customer, {"expand": ["invoice_settings.default_payment_method"]})
    assert now.invoice_settings.default_payment_method.card.brand == "mastercard"
    assert now.invoice_settings.default_payment_method.id != before
    assert "Invoices" in requests.get(session.url, timeout=10).text  # the errand is done


def test_a_customer_is_sent_to_cancel(world: World):
    sub = world.subscribe(world.price("Basic", 500))
    session = world.v1.billing_portal.sessions.create(
        {
            "customer": sub.customer,
            "flow_data": {"type": "subscription_cancel", "subscription_cancel": {"subscription": sub.id}},
        }
    )
    assert "Cancel your subscription" in requests.get(session.url, timeout=10).text
    requests.post(session.url, data={"action": "cancel", "id": sub.id}, timeout=10)
    assert world.v1.subscriptions.retrieve(sub.id).cancel_at_period_end is True


def test_errands_that_are_not_possible(world: World):
    other = world.subscribe(world.price("Basic", 500))
    customer = world.customer()
    before = world.state()
    for flow in (
        {"type": "subscription_cancel", "subscription_cancel": {"subscription": other.id}},
        {"type": "subscription_update", "subscription_update": {"subscription": other.id}},
        {"type": "payment_method_update", "after_completion": {"type": "redirect"}},
    ):
        params = {"customer": customer, "flow_data": flow}
        refused(stripe.InvalidRequestError, world.v1.billing_portal.sessions.create, params)
    assert world.state() == before
