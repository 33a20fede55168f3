"""The main job, by hand in a browser: use, be stopped, see the price, pay it, go on, go down, take it back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, violations
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def ask(page: Page, text: str) -> None:
    page.get_by_label("Your question").fill(text)
    page.get_by_role("button", name="Ask", exact=True).click()


@pytest.mark.req("PC-1", "PC-2", "PC-4", "PC-8", "PC-9", "QU-2", "QU-10", "AC-7")
def test_from_the_limit_to_a_larger_plan_and_back(visitor: Open, check, shared_stack: Stack):
    one = visitor()
    one.expected = {429}
    page = one.sign_in("free")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="The desk").click()
    talk = page.get_by_role("list", name="Conversation").locator("> li")
    for number in range(1, 6):
        ask(page, f"Where is Venus? ({number})")
        expect(talk).to_have_count(number)
        expect(talk.last).to_contain_text("Venus stands at")
    expect(page.get_by_text("Limit reached")).to_be_visible()
    found = check(page, "desk-reached")
    for name, path in (("overview-reached", "/account/"), ("usage-reached", "/account/usage/")):
        found += check(one.open(path), name)
    assert found == []
    _stay_where_one_is_when_figures_are_renewed(one.open("/account/"))
    one.open("/chat/")

    # As when somebody drags its corner: htmx would copy the style, which our policy forbids.
    page.get_by_label("Your question").evaluate("node => { node.style.height = '12rem' }")
    ask(page, "Where is Mars?")
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text("You have reached the limit of your plan")
    expect(refusal).to_contain_text("5 of 5 used")
    expect(refusal).to_contain_text("nothing was counted")
    expect(talk).to_have_count(5)
    expect(page.get_by_label("Your question")).to_have_value("Where is Mars?")
    assert violations(page) == []

    refusal.get_by_role("link", name="Premium").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("From Free to Premium")
    shown = page.get_by_role("row", name="Due now").get_by_role("cell").inner_text()
    assert shown == "€20.00"
    page.get_by_role("button", name=f"Pay {shown} and switch now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are on Premium now")
    expect(page.locator("main")).to_contain_text(f"{shown} was charged, once")
    assert violations(page) == []
    newest = shared_stack.caller("free").get("/v1/billing/invoices").json()["data"][0]
    assert newest["total"] == {"amount_minor": 2000, "currency": "eur"}

    page.get_by_role("link", name="Go on at the desk").click()
    ask(page, "Where is Mars?")
    expect(talk.last).to_contain_text("Mars stands at")
    expect(page.get_by_role("status").first).to_contain_text("Mars stands at")  # said to screen readers
    expect(page.get_by_label("Your question")).to_be_focused()
    expect(page.get_by_role("meter")).to_have_attribute("aria-valuetext", "6 of 1,000 used, 0%")

    _go_down_and_take_it_back(page)


def _stay_where_one_is_when_figures_are_renewed(page: Page) -> None:
    """By keyboard, on something within the part of the page that is exchanged."""
    more = page.get_by_role("link", name="Plans that allow more").first
    more.focus()
    page.locator("#quotas").evaluate("node => { node.dataset.old = 'yes' }")
    page.evaluate("document.body.dispatchEvent(new CustomEvent('palier:refresh'))")
    expect(page.locator("#quotas[data-old]")).to_have_count(0)
    expect(more).to_be_focused()


def _go_down_and_take_it_back(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Plans").click()
    page.get_by_role("link", name="Choose Basic").click()
    expect(page.get_by_role("row", name="Due now")).to_contain_text("€0.00")
    page.get_by_role("button", name=re.compile(r"^Switch on \d+")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Basic from")
    expect(page.locator("main")).to_contain_text("Nothing was charged")
    page.get_by_role("link", name="To your account").click()
    expect(page.get_by_text(re.compile("Premium until .*, then Basic"))).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Undo: stay on Premium").click()
    expect(page.get_by_role("status").first).to_contain_text(
        "Undone: you stay on Premium. The next charge is €20.00"
    )
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


@pytest.mark.req("AC-6", "AC-1", "BI-3", "PC-2")
def test_the_same_without_javascript(visitor: Open, shared_stack: Stack):
    """A newcomer signs up, adds a card that is refused, sees why, adds one that works, pays, changes language."""
    one = visitor(java_script_enabled=False)
    one.expected = {402}
    page = one.open("/accounts/signup/")
    page.get_by_label("Email").fill("newcomer@example.test")
    page.get_by_label("Password").fill("a-long-enough-phrase")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Hello, newcomer")
    expect(page.get_by_text("of 5", exact=True)).to_be_visible()

    page = one.open("/chat/")
    page.get_by_role("button", name="Where is the Moon today?").click()
    expect(page.get_by_role("list", name="Conversation")).to_contain_text("The Moon stands at")
    expect(page.get_by_role("meter")).to_have_attribute("aria-valuetext", "1 of 5 used, 20%")

    page = one.open("/account/billing/plans/basic/month/")
    page.get_by_role("link", name="Add a card").click()
    page.get_by_label("Visa 0341").check()
    page.get_by_role("button", name="Add this card").click()
    page.get_by_role("button", name="Pay €5.00 and switch now").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was charged.")
    assert shared_stack.sql(
        "SELECT p.code FROM billing_subscription s JOIN billing_planversion v ON v.id = s.plan_version_id"
        " JOIN billing_plan p ON p.id = v.plan_id JOIN accounts_account a ON a.id = s.account_id"
        " WHERE a.billing_email = 'newcomer@example.test' AND s.ended_at IS NULL"
    ) == [("free",)]

    page.get_by_role("link", name="Use another card").first.click()
    page.get_by_label("Visa 4242").check()
    page.get_by_role("button", name="Add this card").click()
    page.get_by_role("button", name="Pay €5.00 and switch now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are on Basic now")

    page.get_by_role("button", name="Français").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Vous avez maintenant la formule Basique")
    expect(page.locator("main")).to_contain_text("5,00\u00a0€ ont été prélevés")
    page.get_by_role("button", name="Sombre").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.req("AC-6")
def test_the_keyboard_reaches_the_content_and_the_menu(visitor: Open):
    one = visitor()
    page = one.sign_in("basic")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    summary = page.locator("summary.account")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(summary).to_be_focused()


@pytest.mark.req("QU-10")
def test_what_changes_elsewhere_appears_by_itself(visitor: Open, shared_stack: Stack):
    """The overview renews its figures; when that fails it says that they may be old."""
    one = visitor()
    page = one.sign_in("premium")
    meter = page.get_by_role("meter", name="Messages today")
    used = int((meter.get_attribute("aria-valuetext") or "").split(" ")[0])
    answer = shared_stack.caller("premium").post("/v1/chat/messages", {"text": "Where is the Moon?"})
    assert answer.status_code == 200
    page.evaluate("document.body.dispatchEvent(new CustomEvent('palier:refresh'))")
    expect(meter).to_have_attribute("aria-valuetext", re.compile(rf"^{used + 1} of 1,000 used"))

    expect(page.locator(".htmx-added, .htmx-settling, .htmx-request")).to_have_count(0)  # listens again
    page.route("**/account/quotas/", lambda route: route.fulfill(status=503, body=""))
    one.expected = {503}
    notice = page.get_by_text("These figures could not be renewed just now")
    expect(notice).to_be_hidden()
    page.evaluate("document.body.dispatchEvent(new CustomEvent('palier:refresh'))")
    expect(notice).to_be_visible()
    one.complaints = [text for text in one.complaints if "503 from /account/quotas/" not in text]
