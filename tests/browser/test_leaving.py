"""Paying, cancelling in three clicks, taking it back, and withdrawing from the contract, by hand in a browser."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def newcomer(one) -> Page:
    """Somebody who has just signed up, with a card on file and the plan Basic."""
    page = one.open("/accounts/signup/")
    page.get_by_label("Email").fill(f"leaving-{uuid.uuid4().hex[:8]}@palier.test")
    page.get_by_label("Password").fill("a-long-enough-phrase")
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/account/")
    one.open("/account/billing/card/?next=/account/billing/plans/basic/month/")
    page.get_by_role("button", name="Add this card").click()
    page.get_by_role("button", name=re.compile("Pay .* and switch now")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are on Basic now")
    return page


@pytest.mark.req("BI-5", "BI-8", "AC-5", "PC-13")
def test_cancel_resume_withdraw(visitor: Open, check):
    one = visitor()
    page = newcomer(one)
    found = []

    one.open("/account/")
    page.get_by_role("link", name="Cancel the subscription").click()
    found += check(page, "leaving-cancel")
    page.get_by_role("button", name="Cancel the subscription").click()
    expect(page.get_by_text("You keep Basic until")).to_be_visible()
    one.open("/account/billing/")
    expect(page.get_by_role("status").filter(has_text="then Free")).to_be_visible()
    found += check(page, "leaving-scheduled")
    page.get_by_role("button", name="Keep Basic").click()
    expect(page.get_by_text("Your subscription goes on")).to_be_visible()

    page.get_by_role("link", name=re.compile(r"^[A-Z0-9]+-\d+$")).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Invoice")
    found += check(page, "leaving-invoice")
    address = page.get_by_role("link", name="Download as PDF").evaluate("node => node.href")
    pdf = page.context.request.get(address)
    assert pdf.ok
    assert pdf.body().startswith(b"%PDF")

    one.open("/account/")
    page.get_by_role("link", name="Withdraw from the contract here").click()
    found += check(page, "leaving-withdraw")
    page.get_by_role("button", name="Confirm the withdrawal").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You have withdrawn from Basic")
    found += check(page, "leaving-receipt")
    one.open("/account/billing/")
    expect(page.get_by_text("credited")).to_be_visible()
    page.get_by_role("link", name=re.compile(r"^[A-Z0-9]+-\d+$")).first.click()
    expect(page.get_by_role("heading", name="Credit notes")).to_be_visible()
    found += check(page, "leaving-credit-note")
    assert found == []


@pytest.mark.req("PC-9", "PC-10")
def test_what_a_smaller_plan_has_no_room_for(visitor: Open, check, shared_stack: Stack):
    """Three made, one chosen to stay; the others are archived, and one comes back in its place."""
    one = visitor()
    page = newcomer(one)
    for name in ("Ada", "Bea", "Cleo"):
        one.open("/personas/")
        page.get_by_label("Name").fill(name)
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_role("button", name=f"Delete {name}")).to_be_visible()
    found = check(one.open("/account/billing/plans/free/month/"), "preview-too-much")
    one.open("/account/billing/cancel/")
    page.get_by_label("Ada").uncheck()
    page.get_by_label("Cleo").check()
    page.get_by_label("Now").check()
    page.get_by_role("button", name="Cancel the subscription").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are on Free now")
    shared_stack.wait_quiet()
    one.open("/personas/")
    found += check(page, "personas-archived")
    in_use = page.get_by_role("region", name="In use")
    archived = page.get_by_role("region", name="Archived")
    expect(in_use).to_contain_text("Cleo")
    expect(archived).to_contain_text("Ada")
    expect(page.get_by_role("button", name="Bring back")).to_have_count(0)
    page.get_by_role("button", name="Delete Cleo").click()
    page.get_by_role("button", name="Bring back Ada").click()
    expect(in_use).to_contain_text("Ada")
    assert found == []
