"""The script that stands for Stripe's, in a browser, on a seller's page with a strict Content-Security-Policy."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from sandbox.stripe import StripeStandIn
from sandbox.stripe.tests.conftest import World
from sandbox.stripe.tests.test_browser_calls import waiting

pytestmark = [pytest.mark.browser, pytest.mark.req("BI-3")]

PAGE = """<!doctype html><html lang=en><meta charset=utf-8><title>Shop</title><main><h1>Pay</h1>
<div id=card></div><button id=pay>Pay</button><p role=status id=outcome></p><p id=told></p></main>
<script src="{url}/js/stripe.js"></script><script src=/shop.js></script>"""

SHOP = """
const query = new URLSearchParams(location.search);
const stripe = Stripe("{key}");
const secret = query.get("secret");
const options = query.get("mode") ? {{mode: query.get("mode"), amount: 500, currency: "eur"}} : {{clientSecret: secret}};
const elements = stripe.elements({{...options, locale: query.get("locale") || "en", appearance: {{theme: query.get("theme") || "stripe"}}}});
const element = elements.create("payment");
element.on("ready", () => document.body.dataset.ready = "yes");
element.on("change", (event) => document.body.dataset.complete = event.complete);
element.mount("#card");
document.getElementById("pay").addEventListener("click", async () => {{
  const shown = document.getElementById("outcome");
  const told = document.getElementById("told");
  try {{
    const submitted = query.get("submit") === "no" ? {{}} : await elements.submit();
    if (submitted.error) return void (shown.textContent = submitted.error.code);
    const confirm = secret.startsWith("seti_") ? "confirmSetup" : "confirmPayment";
    const redirect = query.get("redirect") || "if_required";
    const confirmParams = {{return_url: location.origin + "/done?kept=1"}};
    const result = await stripe[confirm]({{elements, clientSecret: secret, confirmParams, redirect}});
    told.textContent = result.error ? result.error.message : "";
    shown.textContent = result.error
      ? [result.error.code, result.error.decline_code].filter(Boolean).join(" ")
      : (result.paymentIntent || result.setupIntent).status;
  }} catch (error) {{ shown.textContent = error.name + ": " + error.message; }}
}});
"""


class Shop:
    """A seller's site on another origin. It keeps everything it is sent."""

    def __init__(self, stand_in: StripeStandIn) -> None:
        self.received: list[str] = []
        policy = f"default-src 'self'; script-src 'self' {stand_in.url}; connect-src 'self' {stand_in.url}; "
        policy += f"frame-src {stand_in.url}; object-src 'none'; frame-ancestors 'none'"
        page, script = PAGE.format(url=stand_in.url), SHOP.format(key=stand_in.publishable_key)
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                received.append(self.path)
                is_script = self.path == "/shop.js"
                body = (script if is_script else page if self.path.startswith("/?") else "Done").encode()
                self.send_response(200)
                self.send_header(
                    "Content-Type", "text/javascript" if is_script else "text/html; charset=utf-8"
                )
                self.send_header("Content-Security-Policy", policy)
                self.send_header("Referrer-Policy", "same-origin")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def shop(world: World) -> Iterator[Shop]:
    shop = Shop(world.stand_in)
    yield shop
    shop.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB", reduced_motion="reduce")
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """What the browser complains of; card errors are answers with status 402."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "console",
        lambda m: found.append(m.text) if m.type in ("error", "warning") and "402" not in m.text else None,
    )
    yield found
    assert found == []


def fields(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[title='Secure card form']")


def enter(page: Page, number: str, expiry: str = "12 / 40", cvc: str = "123") -> None:
    frame = fields(page)
    frame.get_by_label("Card number").fill(number)
    frame.get_by_label("Expiry").fill(expiry)
    frame.get_by_label("CVC").fill(cvc)


def open_shop(page: Page, shop: Shop, secret: str, **query: str) -> None:
    extra = "".join(f"&{name}={value}" for name, value in query.items())
    page.goto(f"{shop.url}/?secret={secret}{extra}")
    expect(page.locator("body")).to_have_attribute("data-ready", "yes")


def pay(page: Page) -> None:
    page.get_by_role("button", name="Pay").click()


def outcome(page: Page, text: str) -> None:
    expect(page.get_by_role("status")).to_have_text(text)


@pytest.mark.usefixtures("complaints")
def test_a_good_card(world: World, shop: Shop, page: Page):
    sub, secret = waiting(world)
    open_shop(page, shop, secret)
    fields(page).get_by_label("Card number").press_sequentially("4242424242424242")
    expect(fields(page).get_by_label("Card number")).to_have_value("4242 4242 4242 4242")
    fields(page).get_by_label("Expiry").press_sequentially("1240")
    expect(fields(page).get_by_label("Expiry")).to_have_value("12 / 40")
    fields(page).get_by_label("CVC").press_sequentially("123")
    fields(page).get_by_label("Postcode").fill("75011")
    expect(page.locator("body")).to_have_attribute("data-complete", "true")
    pay(page)
    outcome(page, "succeeded")
    sub = world.v1.subscriptions.retrieve(sub.id, {"expand": ["default_payment_method"]})
    assert (sub.status, sub.default_payment_method.card.last4) == ("active", "4242")
    assert sub.default_payment_method.billing_details.address.postal_code == "75011"
    assert "4242" not in "".join(shop.received)
    addresses = (world.url, shop.url)  # whose ports may be any number
    assert "4242" not in re.sub("|".join(addresses), "", page.content())


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("4000000000000002", "card_declined generic_decline"),
        ("4000000000009995", "card_declined insufficient_funds"),
        ("4000000000000069", "expired_card"),
        ("4000000000000341", "card_declined generic_decline"),
        ("4111111111111111", "card_declined test_mode_live_card"),
    ],
)
def test_a_refused_card_and_then_a_good_one(world: World, shop: Shop, page: Page, number: str, code: str):
    sub, secret = waiting(world)
    open_shop(page, shop, secret)
    enter(page, number)
    pay(page)
    outcome(page, code)
    assert world.v1.subscriptions.retrieve(sub.id).status == "incomplete"
    enter(page, "4242424242424242")
    pay(page)
    outcome(page, "succeeded")
    assert world.v1.subscriptions.retrieve(sub.id).status == "active"


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize(
    ("number", "expiry", "cvc", "code", "message"),
    [
        ("4242 4242", "12 / 40", "123", "incomplete_number", "Your card number is incomplete."),
        ("4242424242424241", "12 / 40", "123", "invalid_number", "Your card number is invalid."),
        ("4242424242424242", "", "123", "incomplete_expiry", "Your card’s expiration date is incomplete."),
        (
            "4242424242424242",
            "13 / 40",
            "123",
            "invalid_expiry_month",
            "Your card’s expiration date is invalid.",
        ),
        (
            "4242424242424242",
            "12 / 20",
            "123",
            "invalid_expiry_year_past",
            "Your card’s expiration year is in the past.",
        ),
        ("4242424242424242", "12 / 40", "1", "incomplete_cvc", "Your card’s security code is incomplete."),
    ],
)
def test_what_is_not_whole_is_not_sent(
    world: World, shop: Shop, page: Page, number: str, expiry: str, cvc: str, code: str, message: str
):
    _, secret = waiting(world)
    open_shop(page, shop, secret)
    enter(page, number, expiry, cvc)
    before = world.state()
    pay(page)
    outcome(page, code)
    expect(fields(page).get_by_role("alert").filter(has_text=message)).to_be_visible()
    assert world.state() == before


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize("number", ["4000002500003155", "4000002760003184"])
def test_three_d_secure_passed(world: World, shop: Shop, page: Page, number: str):
    sub, secret = waiting(world)
    open_shop(page, shop, secret)
    enter(page, number)
    pay(page)
    bank = page.frame_locator("iframe[title='3-D Secure authentication']")
    expect(bank.get_by_text("€5.00")).to_be_visible()
    bank.get_by_role("button", name="Complete authentication").click()
    outcome(page, "succeeded")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert world.v1.subscriptions.retrieve(sub.id).status == "active"


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize("way", ["Fail authentication", "Cancel", "Escape"])
def test_three_d_secure_not_passed(world: World, shop: Shop, page: Page, way: str):
    sub, secret = waiting(world)
    open_shop(page, shop, secret)
    enter(page, "4000002760003184")
    pay(page)
    bank = page.frame_locator("iframe[title='3-D Secure authentication']")
    expect(bank.get_by_role("button", name="Fail authentication")).to_be_visible()
    if way == "Escape":
        page.get_by_role("button", name="Cancel").focus()
        page.keyboard.press("Escape")
    else:
        (bank if way.startswith("Fail") else page).get_by_role("button", name=way).click()
    outcome(page, "payment_intent_authentication_failure")
    assert world.v1.subscriptions.retrieve(sub.id).status == "incomplete"


@pytest.mark.usefixtures("complaints")
def test_a_card_for_a_trial(world: World, shop: Shop, page: Page):
    sub, secret = waiting(world, trial_period_days=14)
    open_shop(page, shop, secret)
    enter(page, "4000002500003155")
    pay(page)
    page.frame_locator("iframe[title='3-D Secure authentication']").get_by_role(
        "button", name="Complete"
    ).click()
    outcome(page, "succeeded")
    assert world.v1.subscriptions.retrieve(sub.id).default_payment_method is not None


@pytest.mark.usefixtures("complaints")
def test_by_redirect(world: World, shop: Shop, page: Page):
    _, secret = waiting(world)
    open_shop(page, shop, secret, redirect="always")
    enter(page, "4242424242424242")
    pay(page)
    page.wait_for_url("**/done?**")
    assert "kept=1" in page.url
    assert f"payment_intent_client_secret={secret}" in page.url
    assert "redirect_status=succeeded" in page.url


@pytest.mark.usefixtures("complaints")
def test_without_a_secret_of_its_own_submit_comes_first(world: World, shop: Shop, page: Page):
    _, secret = waiting(world)
    open_shop(page, shop, secret, mode="subscription", submit="no")
    enter(page, "4242424242424242")
    pay(page)
    expect(page.get_by_role("status")).to_contain_text("IntegrationError: elements.submit() must be called")
    open_shop(page, shop, secret, mode="subscription")
    enter(page, "4242424242424242")
    pay(page)
    outcome(page, "succeeded")


@pytest.mark.usefixtures("complaints")
def test_in_french_and_dark_and_narrow(world: World, shop: Shop, page: Page):
    _, secret = waiting(world)
    page.set_viewport_size({"width": 320, "height": 640})
    open_shop(page, shop, secret, locale="fr", theme="night")
    frame = page.frame_locator("iframe[title='Saisie sécurisée de la carte']")
    pay(page)
    expect(frame.get_by_text("Le numéro de votre carte est incomplet.")).to_be_visible()
    frame.get_by_text("Cartes de test").click()
    frame.get_by_role("button", name="4000 0027 6000 3184").click()
    expect(frame.get_by_label("Numéro de carte")).to_have_value("4000 0027 6000 3184")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    pay(page)
    bank = page.frame_locator("iframe[title='Authentification 3-D Secure']")
    bank.get_by_role("button", name="Refuser l’authentification").click()
    expect(page.locator("#told")).to_contain_text("Nous n’avons pas pu authentifier")
    frame.get_by_role("button", name="4000 0000 0000 9995").click()
    pay(page)
    expect(page.locator("#told")).to_have_text("Votre carte ne dispose pas de fonds suffisants.")
    frame.get_by_role("button", name="4000 0027 6000 3184").click()
    pay(page)
    bank.get_by_role("button", name="Valider l’authentification").click()
    outcome(page, "succeeded")


@pytest.mark.usefixtures("complaints")
def test_the_frame_is_accessible(world: World, shop: Shop, page: Page):
    from tests.browser.conftest import AXE, AXE_TAGS

    _, secret = waiting(world)
    for theme in ("stripe", "night"):
        open_shop(page, shop, secret, theme=theme)
        frame = next(one for one in page.frames if "/js/card" in one.url)
        frame.evaluate(AXE)
        found = frame.evaluate(
            # The heading is that of the page around.
            "tags => axe.run(document, {runOnly: tags, rules: {'page-has-heading-one': {enabled: false}}}).then(r => r.violations.map(v => v.id + v.nodes[0].html))",
            AXE_TAGS,
        )
        assert found == []
