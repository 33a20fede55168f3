"""The page of use by hand: filters, the chart by keyboard, the same without script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.req("AC-4", "AC-6")]


def points(page: Page):
    return page.get_by_role("group", name=re.compile("^Messages by")).get_by_role("img")


def test_filters_change_the_chart_and_the_address_and_go_back(visitor: Open, check):
    one = visitor()
    one.sign_in("premium")
    page = one.open("/account/usage/")
    expect(points(page)).to_have_count(30)
    page.evaluate("window.stays = true")
    page.get_by_role("link", name="7 days").click()
    expect(points(page)).to_have_count(7)
    expect(page.get_by_role("link", name="7 days")).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="Messages by day,")).to_be_attached()
    page.get_by_label("Bars").select_option("month")
    page.get_by_role("button", name="Show").click()
    month = re.compile(r"by month$")
    expect(page.locator("figcaption").filter(has_text=month)).to_be_visible()
    assert "granularity=month" in page.url
    assert page.evaluate("window.stays") is True, "only the part was exchanged"
    assert page.get_by_role("link", name="What is shown, as CSV").get_attribute("href") is not None
    page.go_back()
    expect(points(page)).to_have_count(7)

    one.expected = {422}
    page.get_by_label("From").fill("2026-05-02")
    page.get_by_label("To", exact=True).fill("2026-05-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("The last day is before the first.")).to_be_visible()
    expect(page.get_by_label("From")).to_have_value("2026-05-02")
    assert check(page, "usage-wrong") == []


def test_the_keyboard_reads_the_chart(visitor: Open):
    one = visitor()
    one.sign_in("premium")
    page = one.open("/account/usage/")
    page.get_by_role("button", name="Show").focus()
    page.keyboard.press("Tab")
    expect(points(page).last).to_be_focused()
    expect(points(page).last.locator(".tip")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    before = points(page).nth(28)
    expect(before).to_be_focused()
    expect(before.locator(".tip")).to_be_visible()
    expect(before.locator(".tip")).to_have_text(before.get_attribute("aria-label") or "no label")
    expect(points(page).last.locator(".tip")).to_be_hidden()
    page.keyboard.press("Home")
    expect(points(page).first).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_text("These figures as a table")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("row")).to_have_count(31)


def test_the_same_without_script(visitor: Open):
    one = visitor(java_script_enabled=False)
    one.sign_in("premium")
    page = one.open("/account/usage/")
    page.get_by_role("link", name="Today").click()
    expect(points(page)).to_have_count(24)
    page.get_by_label("Bars").select_option("day")
    page.get_by_role("button", name="Show").click()
    expect(points(page)).to_have_count(1)
    page.get_by_label("Tell me at these percentages of a limit").fill("50")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("You are told at these percentages from now on.")).to_be_visible()
    expect(points(page)).to_have_count(1)
    page.get_by_label("Tell me at these percentages of a limit").fill("80, 95")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Tell me at these percentages of a limit")).to_have_value("80, 95")
