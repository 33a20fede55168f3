"""What the publishable key may do, and what it is told."""

from typing import Any

import pytest
import requests
import stripe

from sandbox.stripe.tests.conftest import World

pytestmark = pytest.mark.req("BI-3")


def browse(
    world: World, method: str, path: str, key: str | None = None, **params: Any
) -> tuple[int, dict[str, Any]]:
    headers = {
        "Authorization": f"Bearer {key or world.stand_in.publishable_key}",
        "Origin": "http://shop.test",
    }
    place = {"params": params} if method == "GET" else {"data": params}
    answer = requests.request(method, f"{world.url}{path}", headers=headers, timeout=10, **place)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    return answer.status_code, answer.json()


def waiting(world: World, **extra: Any) -> tuple[Any, str]:
    """A subscription that waits for its first payment, and the secret for it."""
    customer = world.customer(card=None)
    sub = world.subscribe(
        world.price("Basic", 500),
        customer,
        payment_behavior="default_incomplete",
        payment_settings={"save_default_payment_method": "on_subscription"},
        expand=["latest_invoice.confirmation_secret", "pending_setup_intent"],
        **extra,
    )
    intent = sub.pending_setup_intent or sub.latest_invoice.confirmation_secret
    return sub, intent.client_secret


def card(world: World, number: str) -> str:
    fields = {"type": "card", "card[number]": number, "card[exp_month]": 12, "card[exp_year]": 2040}
    status, method = browse(world, "POST", "/v1/payment_methods", **fields, **{"card[cvc]": "123"})
    assert status == 200, method
    assert "fingerprint" not in method["card"]
    return method["id"]


def confirm(world: World, secret: str, method: str) -> tuple[int, dict[str, Any]]:
    intent = secret.partition("_secret_")[0]
    kind = "setup" if intent.startswith("seti_") else "payment"
    params = {"client_secret": secret, "payment_method": method, "use_stripe_sdk": "true"}
    return browse(world, "POST", f"/v1/{kind}_intents/{intent}/confirm", **params)


def test_a_card_from_the_page_pays_the_first_invoice(world: World):
    sub, secret = waiting(world)
    status, intent = confirm(world, secret, card(world, "4242424242424242"))
    assert (status, intent["status"]) == (200, "succeeded")
    assert {"customer", "metadata", "latest_charge"} & set(intent) == set()
    sub = world.v1.subscriptions.retrieve(sub.id)
    assert (sub.status, sub.default_payment_method) == ("active", intent["payment_method"])
    assert world.v1.payment_methods.retrieve(intent["payment_method"]).customer == sub.customer
    kinds = [event.type for event in world.events()]
    assert kinds.index("payment_method.attached") < kinds.index("payment_intent.succeeded")


def test_a_card_that_is_declined_leaves_it_incomplete(world: World):
    sub, secret = waiting(world)
    status, body = confirm(world, secret, card(world, "4000000000009995"))
    error = body["error"]
    assert (status, error["code"], error["decline_code"]) == (402, "card_declined", "insufficient_funds")
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert "customer" not in error["payment_intent"]
    assert world.v1.subscriptions.retrieve(sub.id).status == "incomplete"
    invoice = world.v1.invoices.retrieve(sub.latest_invoice.id)
    assert (invoice.status, invoice.attempted, invoice.attempt_count) == ("open", True, 1)
    assert len(world.events("invoice.payment_failed")) == 1
    status, intent = confirm(world, secret, card(world, "4242424242424242"))
    assert (status, intent["status"]) == (200, "succeeded")
    assert world.v1.subscriptions.retrieve(sub.id).status == "active"


def test_the_script_is_sent_to_the_banks_page_itself(world: World):
    _, secret = waiting(world)
    status, intent = confirm(world, secret, card(world, "4000002500003155"))
    assert (status, intent["status"]) == (200, "requires_action")
    assert intent["next_action"]["type"] == "use_stripe_sdk"
    assert len(world.events("invoice.payment_action_required")) == 1
    page = intent["next_action"]["use_stripe_sdk"]["stripe_js"] + "&framed=1"
    assert "Complete authentication" in requests.get(page, timeout=10).text
    answered = requests.post(page, data={"passed": "yes"}, timeout=10, allow_redirects=False)
    assert (answered.status_code, 'data-answered="succeeded"' in answered.text) == (200, True)
    again = requests.post(page, data={"passed": "no"}, timeout=10)  # too late: it is paid
    assert 'data-answered="succeeded"' in again.text


def test_a_trial_without_a_card_asks_for_one(world: World):
    sub, secret = waiting(world, trial_period_days=14)
    assert (sub.status, secret.startswith("seti_")) == ("trialing", True)
    status, intent = confirm(world, secret, card(world, "4000002500003155"))
    assert (status, intent["status"]) == (200, "requires_action")
    world.control("payer", {"intent": secret, "authenticate": True})
    sub = world.v1.subscriptions.retrieve(sub.id)
    assert (sub.pending_setup_intent, sub.default_payment_method) == (None, intent["payment_method"])
    world.to(sub.trial_end)
    assert world.v1.subscriptions.retrieve(sub.id).status == "active"  # charged without asking again


def test_a_trial_with_a_card_asks_for_nothing(world: World):
    sub = world.subscribe(world.price("Basic", 500), trial_period_days=14)
    assert sub.pending_setup_intent is None
    asking = world.subscribe(
        world.price("Basic", 500), world.customer("pm_card_authenticationRequired"), trial_period_days=14
    )
    intent = world.v1.setup_intents.retrieve(asking.pending_setup_intent)
    assert (intent.status, intent.customer) == ("requires_confirmation", asking.customer)


def test_a_setup_that_the_bank_refuses(world: World):
    sub, secret = waiting(world, trial_period_days=14)
    status, body = confirm(world, secret, card(world, "4000000000000002"))
    assert (status, body["error"]["code"]) == (402, "card_declined")
    assert world.v1.subscriptions.retrieve(sub.id).pending_setup_intent == secret.partition("_secret_")[0]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/customers"),
        ("POST", "/v1/subscriptions"),
        ("GET", "/v1/payment_methods/pm_1"),
        ("POST", "/v1/payment_intents"),
        ("POST", "/v1/payment_intents/pi_1/cancel"),
        ("DELETE", "/v1/customers/cus_1"),
    ],
)
def test_what_needs_the_secret_key(world: World, method: str, path: str):
    before = world.state()
    status, body = browse(world, method, path)
    assert (status, body["error"]["code"]) == (403, "secret_key_required")
    assert world.state() == before


@pytest.mark.parametrize("secret", [None, "", "pi_1_secret_x"])
def test_an_intent_is_reached_with_its_secret_only(world: World, secret: str | None):
    _, right = waiting(world)
    intent = right.partition("_secret_")[0]
    proof = {} if secret is None else {"client_secret": secret}
    for method, path in (("GET", ""), ("POST", "/confirm")):
        before = world.state()
        status, body = browse(world, method, f"/v1/payment_intents/{intent}{path}", **proof)
        assert (status, body["error"]["code"]) == (404, "resource_missing")
        assert world.state() == before
    status, shown = browse(world, "GET", f"/v1/payment_intents/{intent}", client_secret=right)
    assert (status, shown["status"]) == (200, "requires_payment_method")


def test_another_customers_card_is_refused(world: World):
    _, secret = waiting(world)
    foreign = world.v1.customers.payment_methods.list(world.customer()).data[0].id
    before = world.state()
    assert confirm(world, secret, foreign)[0] == 400
    assert world.state() == before


def test_a_key_of_nobody_is_refused(world: World):
    assert browse(world, "POST", "/v1/payment_methods", key="pk_test_other", type="card")[0] == 401


def test_other_origins_may_ask(world: World):
    answer = requests.options(f"{world.url}/v1/payment_methods", timeout=10)
    assert answer.status_code == 204
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


def test_the_number_of_a_card_is_nowhere_to_be_read(world: World):
    _, secret = waiting(world)
    confirm(world, secret, card(world, "4242424242424242"))
    for place in ("requests", "state"):
        assert "4242424242424242" not in str(world.control(place))


def test_the_sdk_hears_of_no_difference(world: World):
    _, secret = waiting(world)
    intent = world.v1.payment_intents.retrieve(secret.partition("_secret_")[0])
    assert isinstance(intent, stripe.PaymentIntent)
    assert intent.customer is not None
