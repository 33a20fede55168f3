"""Cards, payment methods, intents, invoices and what is seen of them in a browser."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import stripe

from sandbox.stripe.engine.cards import CARDS
from sandbox.stripe.tests.conftest import World, refused

pytestmark = pytest.mark.req("BI-4")

DECLINES = [
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
    ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
]


@pytest.mark.parametrize(("card", "code", "decline_code"), DECLINES)
def test_cards_that_decline_are_not_attached(world: World, card: str, code: str, decline_code: str | None):
    customer = world.customer(card=None)
    error = refused(stripe.CardError, world.v1.payment_methods.attach, card, {"customer": customer})
    assert (error["status"], error["code"], error.get("decline_code")) == (402, code, decline_code)
    assert world.v1.customers.payment_methods.list(customer).data == []


@pytest.mark.parametrize("name", sorted(CARDS))
def test_every_test_card_has_a_number_and_an_outcome(world: World, name: str):
    number = CARDS[name].number
    card = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    method = world.v1.payment_methods.create({"type": "card", "card": card})
    assert (method.card.last4, method.card.brand) == (number[-4:], CARDS[name].brand)


def test_a_number_that_is_no_test_card_is_refused(world: World):
    card = {"number": "4000123412341234", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    error = refused(stripe.CardError, world.v1.payment_methods.create, {"type": "card", "card": card})
    assert error["decline_code"] == "test_mode_live_card"


def test_methods_are_attached_listed_and_detached(world: World):
    customer = world.customer()
    world.v1.payment_methods.attach("pm_card_mastercard", {"customer": customer})
    listed = world.v1.customers.payment_methods.list(customer, {"type": "card"}).data
    assert [method.card.brand for method in listed] == ["mastercard", "visa"]
    default = world.v1.customers.retrieve(customer).invoice_settings.default_payment_method
    world.v1.payment_methods.detach(default)
    assert world.v1.customers.retrieve(customer).invoice_settings.default_payment_method is None
    refused(stripe.InvalidRequestError, world.v1.payment_methods.attach, default, {"customer": customer})
    other = world.customer(card=None)
    refused(
        stripe.InvalidRequestError,
        world.v1.customers.update,
        other,
        {"invoice_settings": {"default_payment_method": listed[0].id}},
    )


def test_a_token_makes_a_method(world: World):
    method = world.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    assert method.card.last4 == "4242"


# Intents -------------------------------------------------------------------------------------------------------------


def test_a_payment_that_succeeds(world: World):
    intent = world.v1.payment_intents.create(
        {"amount": 1234, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True}
    )
    assert (intent.status, intent.amount_received) == ("succeeded", 1234)
    charge = world.v1.charges.retrieve(intent.latest_charge, {"expand": ["balance_transaction"]})
    assert (charge.status, charge.balance_transaction.fee) == ("succeeded", 44)  # 1.5 % and 25
    assert refused(stripe.InvalidRequestError, world.v1.payment_intents.confirm, intent.id)["code"] == (
        "payment_intent_unexpected_state"
    )


def test_a_payment_that_is_refused_carries_its_intent(world: World):
    params = {
        "amount": 1234,
        "currency": "eur",
        "payment_method": "pm_card_visa_chargeDeclined",
        "confirm": True,
    }
    error = refused(stripe.CardError, world.v1.payment_intents.create, params)
    assert error["payment_intent"]["status"] == "requires_payment_method"
    stored = world.v1.payment_intents.retrieve(error["payment_intent"]["id"])
    assert stored.last_payment_error.decline_code == "generic_decline"
    assert [event.type for event in world.events()][-2:] == ["charge.failed", "payment_intent.payment_failed"]


def test_off_session_authentication_is_a_refusal(world: World):
    params = {
        "amount": 1234,
        "currency": "eur",
        "customer": world.customer("pm_card_authenticationRequired"),
        "confirm": True,
        "off_session": True,
    }
    method = world.v1.customers.payment_methods.list(params["customer"]).data[0].id
    error = refused(stripe.CardError, world.v1.payment_intents.create, params | {"payment_method": method})
    assert error["code"] == "authentication_required"


def test_too_little_is_refused(world: World):
    params = {"amount": 49, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True}
    assert (
        refused(stripe.InvalidRequestError, world.v1.payment_intents.create, params)["code"]
        == "amount_too_small"
    )
    assert world.state()["payment_intents"] == {}


def test_a_card_set_up_once_pays_off_session(world: World):
    customer = world.customer(card=None)
    intent = world.v1.setup_intents.create(
        {"customer": customer, "payment_method": "pm_card_authenticationRequiredOnSetup", "confirm": True}
    )
    assert intent.status == "requires_action"
    done = world.control("payer", {"intent": intent.client_secret, "authenticate": True})
    assert done["status"] == "succeeded"
    world.v1.customers.update(
        customer, {"invoice_settings": {"default_payment_method": done["payment_method"]}}
    )
    assert world.subscribe(world.price("Basic", 500), customer).status == "active"


def test_a_setup_that_is_refused(world: World):
    customer = world.customer(card=None)
    params = {"customer": customer, "payment_method": "pm_card_visa_chargeDeclined", "confirm": True}
    error = refused(stripe.CardError, world.v1.setup_intents.create, params)
    assert error["setup_intent"]["status"] == "requires_payment_method"
    assert world.v1.customers.payment_methods.list(customer).data == []


def test_the_banks_page(world: World):
    intent = world.v1.payment_intents.create(
        {
            "amount": 1234,
            "currency": "eur",
            "payment_method": "pm_card_authenticationRequired",
            "confirm": True,
            "return_url": "http://127.0.0.1:9/back?a=b",
        }
    )
    page = intent.next_action.redirect_to_url.url
    assert "12.34" in requests.get(page, timeout=10).text
    answer = requests.post(page, data={"passed": "yes"}, allow_redirects=False, timeout=10)
    back = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert (back["a"], back["redirect_status"], back["payment_intent"]) == (["b"], ["succeeded"], [intent.id])
    assert world.v1.payment_intents.retrieve(intent.id).status == "succeeded"
    assert requests.get(page.replace("secret", "x"), timeout=10).status_code == 404


# Invoices ------------------------------------------------------------------------------------------------------------


@pytest.mark.req("BI-5")
def test_a_manual_invoice_from_draft_to_paid(world: World):
    customer = world.customer()
    invoice = world.v1.invoices.create({"customer": customer})
    assert (invoice.status, invoice.number) == ("draft", None)
    world.v1.invoice_items.create(
        {"customer": customer, "invoice": invoice.id, "amount": 750, "currency": "eur", "description": "Work"}
    )
    invoice = world.v1.invoices.finalize_invoice(invoice.id)
    assert (invoice.status, invoice.amount_due) == ("open", 750)
    invoice = world.v1.invoices.pay(invoice.id)
    assert (invoice.status, invoice.amount_paid, invoice.amount_remaining) == ("paid", 750, 0)
    assert (
        refused(stripe.InvalidRequestError, world.v1.invoices.pay, invoice.id)["code"]
        == "invoice_already_paid"
    )
    refused(stripe.InvalidRequestError, world.v1.invoices.void_invoice, invoice.id)


@pytest.mark.req("BI-5")
def test_void_and_uncollectible(world: World):
    customer = world.customer(balance=-100)
    made = []
    for _ in range(2):
        invoice = world.v1.invoices.create({"customer": customer})
        world.v1.invoice_items.create(
            {"customer": customer, "invoice": invoice.id, "amount": 750, "currency": "eur"}
        )
        made.append(world.v1.invoices.finalize_invoice(invoice.id))
    assert [invoice.amount_due for invoice in made] == [650, 750]
    voided = world.v1.invoices.void_invoice(made[0].id)
    assert voided.status == "void"
    assert world.v1.customers.retrieve(customer).balance == -100
    given_up = world.v1.invoices.mark_uncollectible(made[1].id)
    assert given_up.status == "uncollectible"
    assert world.v1.invoices.pay(given_up.id).status == "paid"


@pytest.mark.req("BI-5")
def test_the_hosted_invoice_and_its_pdf(world: World):
    sub = world.subscribe(world.price("Basic (été)", 500), expand=["latest_invoice"])
    page = requests.get(sub.latest_invoice.hosted_invoice_url, timeout=10)
    assert page.status_code == 200
    assert "€5.00" in page.text
    pdf = requests.get(sub.latest_invoice.invoice_pdf, timeout=10)
    assert pdf.headers["Content-Type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF-1.4")
    assert pdf.content.rstrip().endswith(b"%%EOF")
    start = int(pdf.content.rsplit(b"startxref\n", 1)[1].split()[0])
    assert pdf.content[start:].startswith(b"xref")
    assert "été".encode("cp1252") in pdf.content
    assert requests.get(f"{world.url}/i/unknown/pdf", timeout=10).status_code == 404


def test_more_than_ten_lines_are_paged(world: World):
    customer = world.customer()
    for n in range(12):
        world.v1.invoice_items.create({"customer": customer, "amount": 100 + n, "currency": "eur"})
    invoice = world.v1.invoices.create({"customer": customer, "pending_invoice_items_behavior": "include"})
    assert (len(invoice.lines.data), invoice.lines.has_more, invoice.total) == (10, True, 1266)
    listed = world.v1.invoices.line_items.list(invoice.id, {"limit": 5}).auto_paging_iter()
    assert sorted(line.amount for line in listed) == list(range(100, 112))


# Customers -----------------------------------------------------------------------------------------------------------


def test_a_deleted_customer(world: World):
    sub = world.subscribe(world.price("Basic", 500))
    deleted = world.v1.customers.delete(sub.customer)
    assert deleted.deleted is True
    assert world.v1.customers.retrieve(sub.customer).deleted is True
    assert world.v1.subscriptions.retrieve(sub.id).status == "canceled"
    error = refused(stripe.InvalidRequestError, world.v1.customers.update, sub.customer, {"name": "x"})
    assert error["code"] == "resource_missing"


# Catalogue -----------------------------------------------------------------------------------------------------------


def test_lookup_keys_are_unique_and_can_be_moved(world: World):
    product = world.v1.products.create({"id": "palier_basic", "name": "Basic"})
    first = {"product": product.id, "currency": "eur", "unit_amount": 500, "recurring": {"interval": "month"}}
    old = world.v1.prices.create(first | {"lookup_key": "basic"})
    error = refused(stripe.InvalidRequestError, world.v1.prices.create, first | {"lookup_key": "basic"})
    assert error["code"] == "resource_already_exists"
    new = world.v1.prices.create(first | {"lookup_key": "basic", "transfer_lookup_key": True})
    assert world.v1.prices.retrieve(old.id).lookup_key is None
    assert [price.id for price in world.v1.prices.list({"lookup_keys": ["basic", "none"]}).data] == [new.id]
    refused(stripe.InvalidRequestError, world.v1.products.create, {"id": "palier_basic", "name": "Again"})
    refused(stripe.InvalidRequestError, world.v1.products.delete, product.id)


@pytest.mark.parametrize(
    "extra",
    [
        {"recurring": {"interval": "month", "usage_type": "metered"}},
        {"billing_scheme": "tiered"},
        {"unit_amount_decimal": "0.5"},
        {"recurring": {"interval": "year", "interval_count": 4}},
    ],
)
def test_prices_that_are_not_spoken_are_refused(world: World, extra: dict):
    product = world.v1.products.create({"name": "Basic"})
    params = {
        "product": product.id,
        "currency": "eur",
        **({} if "unit_amount_decimal" in extra else {"unit_amount": 5}),
    }
    refused(stripe.InvalidRequestError, world.v1.prices.create, params | extra)
    assert world.state()["prices"] == {}


def test_an_inactive_price_cannot_be_subscribed_to(world: World):
    price, customer = world.price("Basic", 500), world.customer()
    world.v1.prices.update(price, {"active": False})
    params = {"customer": customer, "items": [{"price": price}]}
    refused(stripe.InvalidRequestError, world.v1.subscriptions.create, params)
    assert world.state()["subscriptions"] == {}
