"""Paying for a first plan, by hand in a browser: with a card in the page, on the provider's page, with a bank that asks."""

from __future__ import annotations

import re
import uuid

import pytest
import stripe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Watched
from tests.browser.test_leaving import newcomer as subscriber
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

GOOD, DECLINED, ASKS = "4242 4242 4242 4242", "4000 0000 0000 0002", "4000 0027 6000 3184"
BASIC = "/account/billing/plans/basic/month/"


def newcomer(one: Watched) -> Page:
    """Somebody who has just signed up: the free plan, no card."""
    page = one.open("/accounts/signup/")
    page.get_by_label("Email").fill(f"paying-{uuid.uuid4().hex[:8]}@palier.test")
    page.get_by_label("Password").fill("a-long-enough-phrase")
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/account/")
    return page


def to_the_card(one: Watched) -> Page:
    """As far as the fields for a card."""
    page = newcomer(one)
    one.open(BASIC)
    page.get_by_role("button", name="Enter a card here").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Basic: pay €5.00")
    return page


def enter_card(page: Page, number: str) -> None:
    frame = page.frame_locator("iframe").first
    frame.get_by_label("Card number").fill(number)
    frame.get_by_label("Expiry").fill("12 / 40")
    frame.get_by_label("CVC").fill("123")
    if frame.get_by_label("Postcode").is_visible():
        frame.get_by_label("Postcode").fill("75011")


def pay(page: Page) -> None:
    page.get_by_role("button", name="Pay €5.00").click()


def on_their_page(page: Page, number: str) -> None:
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Expiry").fill("12 / 40")
    page.get_by_label("CVC").fill("123")
    page.get_by_role("button", name=re.compile("^(Subscribe|Pay .*|Save card)$")).click()


def has(one: Watched, plan: str) -> None:
    page = one.open("/account/")
    expect(page.locator(".plan-name")).to_have_text(plan)


@pytest.mark.req("BI-3", "AC-6")
def test_a_card_in_the_page(visitor: Open, check):
    one = visitor()
    page = to_the_card(one)
    expect(page.frame_locator("iframe").first.get_by_label("Card number")).to_be_visible()
    found = check(page, "pay")
    enter_card(page, GOOD)
    pay(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("You are on Basic now")
    expect(page.locator("main")).to_contain_text("€5.00 was charged, once")
    found += check(page, "pay-done")
    one.open("/account/billing/")
    expect(page.locator("main")).to_contain_text("4242")
    assert found == []


@pytest.mark.req("BI-3", "PC-2")
def test_a_declined_card_and_then_one_that_pays(visitor: Open, check):
    one = visitor()
    one.expected = {402}
    page = to_the_card(one)
    enter_card(page, DECLINED)
    pay(page)
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("Your card was declined")
    found = check(page, "pay-declined")
    enter_card(page, GOOD)
    pay(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("You are on Basic now")
    has(one, "Basic")
    assert found == []


@pytest.mark.req("BI-3", "PC-2")
def test_a_bank_that_asks(visitor: Open, check):
    """Refused there, then accepted: charged once."""
    one = visitor()
    one.expected = {402}
    page = to_the_card(one)
    enter_card(page, ASKS)
    pay(page)
    bank = page.frame_locator("dialog iframe")
    bank.get_by_role("button", name="Fail authentication").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("unable to authenticate")
    found = check(page, "pay-not-confirmed")
    has(one, "Free")
    found += check(page, "overview-payment-waits")
    page.get_by_role("link", name="Go on to pay").click()
    enter_card(page, ASKS)
    pay(page)
    bank.get_by_role("button", name="Complete authentication").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are on Basic now")
    has(one, "Basic")
    one.open("/account/billing/invoices/")
    expect(page.get_by_role("row").filter(has_text="€5.00")).to_have_count(1)
    assert found == []


@pytest.mark.req("BI-3", "PC-2")
def test_an_upgrade_that_the_bank_asks_about(visitor: Open, check, shared_stack: Stack):
    """The card on file wants a yes: refused it leaves the old plan, confirmed it brings the new one."""
    one = visitor()
    one.expected = {402}
    page = to_the_card(one)
    enter_card(page, ASKS)
    pay(page)
    bank = page.frame_locator("dialog iframe")
    bank.get_by_role("button", name="Complete authentication").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are on Basic now")
    shared_stack.wait_quiet()  # the card is kept as the customer's
    one.open("/account/billing/plans/premium/month/")
    page.get_by_role("button", name=re.compile("^Pay .* and switch now")).click()
    expect(page.get_by_role("heading", name="Confirm with your bank")).to_be_visible()
    found = check(page, "pay-confirm")
    page.get_by_role("button", name="Confirm the payment").click()
    bank.get_by_role("button", name="Fail authentication").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("unable to authenticate")
    has(one, "Basic")
    page.get_by_role("link", name="Go on to pay").click()
    page.get_by_role("button", name="Use another card").click()
    enter_card(page, GOOD)
    page.locator("[data-pay-form] button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are on Premium now")
    has(one, "Premium")
    assert found == []


@pytest.mark.req("BI-3")
def test_left_and_taken_back(visitor: Open, check):
    """The page is closed without paying: the account says what waits, until when, and both ways on."""
    one = visitor()
    page = to_the_card(one)
    has(one, "Free")
    notice = page.get_by_role("status").filter(has_text="waits to be paid")
    expect(notice).to_contain_text("Nothing is changed and nothing charged until then")
    one.open("/account/billing/plans/")
    expect(page.get_by_role("status").filter(has_text="waits to be paid")).to_be_visible()
    expect(page.get_by_role("link", name="Choose Premium")).to_be_visible()
    found = check(page, "plans-payment-waits")
    page.get_by_role("button", name="Do not pay, change nothing").click()
    expect(
        page.get_by_role("status").filter(has_text="Nothing was changed and nothing charged")
    ).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="waits to be paid")).to_have_count(0)
    has(one, "Free")
    assert found == []


@pytest.mark.req("BI-3")
def test_paid_and_the_browser_closed(visitor: Open, shared_stack: Stack):
    """The payment goes through; nobody comes back to hear of it."""
    one = visitor()
    page = to_the_card(one)
    enter_card(page, GOOD)
    page.route(re.compile(r"/account/billing/changes/[^/]+/\?"), lambda route: route.abort())
    with page.expect_response(lambda answer: answer.url.endswith("/confirm") and answer.ok):
        pay(page)
    other = page.context.new_page()
    page.close()
    one.page = other
    shared_stack.wait_quiet()
    has(one, "Basic")
    expect(other.get_by_role("status").filter(has_text="waits to be paid")).to_have_count(0)
    one.complaints = [text for text in one.complaints if "ERR_FAILED" not in text]


def _provider(stack: Stack):
    key = stack.secrets["STRIPE_SECRET_KEY"]
    return stripe.StripeClient(key, base_addresses={"api": stack.sandbox_url}).v1


def _code(stack: Stack) -> str:
    """A promotion code of a fifth, made at the provider."""
    client = _provider(stack)
    coupon = client.coupons.create({"percent_off": 20, "duration": "once"})
    name = f"FIFTH{uuid.uuid4().hex[:6].upper()}"
    client.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": name})
    return name


@pytest.mark.req("BI-3", "PC-13", "AC-6")
@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
def test_on_the_providers_page_with_a_code(visitor: Open, check, shared_stack: Stack, script: bool):
    """Works without JavaScript: a wrong code is said at its field, a right one is taken off, and paid there."""
    code = _code(shared_stack)
    one = visitor(java_script_enabled=script)
    one.expected = {402}
    page = newcomer(one)
    one.open(BASIC)
    found = check(page, "preview-code") if script else []
    page.get_by_label("Promotion code").fill("NOSUCHCODE")
    page.get_by_role("button", name="Apply the code").click()
    expect(page.get_by_text("There is no such code")).to_be_visible()
    found += check(page, "preview-code-wrong") if script else []
    page.get_by_label("Promotion code").fill(code.lower())
    page.get_by_role("button", name="Apply the code").click()
    expect(page.get_by_role("row", name="Due now")).to_contain_text("€4.00")
    expect(page.get_by_role("row", name="Next invoice")).to_contain_text("€5.00")
    found += check(page, "preview-code-taken") if script else []
    expect(page.get_by_role("button", name="Enter a card here")).to_be_visible(visible=script)
    page.get_by_role("button", name="Pay on our payment provider’s page").click()
    expect(page).to_have_title(re.compile("Checkout"))
    page.get_by_role("link", name="Back").click()
    expect(page.get_by_text("You came back without paying")).to_be_visible()
    found += check(page, "pay-left") if script else []
    page.get_by_role("link", name="Go on to pay").click()
    on_their_page(page, DECLINED)
    expect(page.get_by_text("declined")).to_be_visible()
    on_their_page(page, ASKS)
    page.get_by_role("button", name="Complete authentication").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are on Basic now")
    expect(page.locator("main")).to_contain_text("€4.00 was charged, once")
    has(one, "Basic")
    assert found == []


@pytest.mark.req("BI-4", "AC-6")
def test_cards(visitor: Open, check):
    """One added with the bank's yes, after its no; another on the provider's page; one chosen, one removed."""
    one = visitor()
    one.expected = {402}
    page = newcomer(one)
    found = check(one.open("/account/billing/payment-methods/"), "payment-methods-none")
    page.get_by_role("link", name="Add a card").click()
    page.get_by_role("button", name="Enter a card here").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Enter your card")
    expect(page.frame_locator("iframe").first.get_by_label("Card number")).to_be_visible()
    found += check(page, "card-fields")
    enter_card(page, ASKS)
    page.get_by_role("button", name="Add this card").click()
    bank = page.frame_locator("dialog iframe")
    bank.get_by_role("button", name="Fail authentication").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("unable to authenticate")
    page.get_by_role("button", name="Add this card").click()
    bank.get_by_role("button", name="Complete authentication").click()
    expect(page.get_by_role("status").filter(has_text="was added")).to_be_visible()
    page.get_by_role("link", name="Add a card").click()
    page.get_by_role("button", name="On our payment provider’s page").click()
    on_their_page(page, GOOD)
    expect(page.get_by_role("listitem").filter(has_text="4242")).to_contain_text("is charged")
    found += check(page, "payment-methods-two")
    page.get_by_role("button", name=re.compile("Charge this one")).click()
    expect(page.get_by_role("listitem").filter(has_text="3184")).to_contain_text("is charged")
    page.get_by_role("button", name=re.compile("Remove .*4242")).click()
    expect(page.get_by_role("listitem").filter(has_text="4242")).to_have_count(0)
    assert found == []


def _email(one: Watched) -> str:
    found = re.search(r"\w+-\w+@palier\.test", one.open("/accounts/email/").content())
    assert found is not None
    return found.group()


def _renew(stack: Stack, email: str) -> None:
    """The next period begins now for this subscriber alone: everybody else's time stays where it is."""
    client = _provider(stack)
    (customer,) = client.customers.list({"email": email}).data
    (running,) = client.subscriptions.list({"customer": customer.id}).data
    client.subscriptions.update(running.id, {"billing_cycle_anchor": "now", "proration_behavior": "none"})
    stack.wait_quiet()


@pytest.mark.req("BI-6", "AC-5", "AC-6")
def test_a_renewal_that_fails_and_is_cured(visitor: Open, check, shared_stack: Stack):
    """The banner says what, until when and how; paid with another card it is gone, and the plan is whole."""
    one = visitor()
    one.expected = {402}
    page = to_the_card(one)
    enter_card(page, GOOD)
    pay(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("You are on Basic now")
    one.open("/account/billing/card/")
    page.get_by_label("Visa 0341").check()
    page.get_by_role("button", name="Add this card").click()
    _renew(shared_stack, _email(one))
    one.open("/account/")
    banner = page.get_by_role("status").filter(has_text="did not go through")
    expect(banner).to_contain_text("The payment of €5.00 for Basic")
    expect(banner).to_contain_text("You keep full access until")
    found = check(page, "overdue-banner")
    banner.get_by_role("button", name="Pay €5.00 now").click()
    expect(page.locator("main")).to_contain_text("refused")
    found += check(page, "overdue-refused")
    one.open("/account/")
    banner.get_by_role("link", name="Use another card").click()
    page.get_by_label("Visa 4242").check()
    page.get_by_role("button", name="Add this card").click()
    banner.get_by_role("button", name="Pay €5.00 now").click()
    expect(banner).to_have_count(0)
    shared_stack.wait_quiet()
    has(one, "Basic")
    expect(banner).to_have_count(0)
    one.open("/account/billing/invoices/")
    expect(page.get_by_role("row").filter(has_text="€5.00")).to_have_count(2)
    assert found == []


@pytest.mark.req("BI-6", "AC-5", "AC-6")
def test_a_renewal_that_the_bank_wants_confirmed(visitor: Open, check, shared_stack: Stack):
    """The banner asks for that, not for another payment; confirmed, it is gone and all is paid."""
    one = visitor()
    page = subscriber(one)
    one.open("/account/billing/card/")
    page.get_by_label("Visa 3184").check()
    page.get_by_role("button", name="Add this card").click()
    _renew(shared_stack, _email(one))
    one.open("/account/")
    banner = page.get_by_role("status").filter(has_text="Your bank wants you to confirm the payment of €5.00")
    expect(banner).to_contain_text("You keep full access until")
    expect(banner.get_by_role("button", name=re.compile("Pay"))).to_have_count(0)
    found = check(page, "overdue-confirm")
    banner.get_by_role("link", name="Confirm €5.00").click()
    on_their_page(page, ASKS)
    page.get_by_role("button", name="Complete authentication").click()
    page.wait_for_url("**/i/**")
    shared_stack.wait_quiet()
    one.open("/account/")
    expect(banner).to_have_count(0)
    one.open("/account/billing/invoices/")
    expect(page.get_by_role("row").filter(has_text="Paid").filter(has_text="€5.00")).to_have_count(2)
    assert found == []
