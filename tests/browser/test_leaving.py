"""Paying, cancelling in three clicks, taking it back, and withdrawing from the contract, by hand in a browser."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, violations

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
def test_cancel_resume_withdraw(visitor: Open):
    one = visitor()
    page = newcomer(one)
    found = []

    one.open("/account/")
    page.get_by_role("link", name="Cancel the subscription").click()
    found += violations(page)
    page.get_by_role("button", name="Cancel the subscription").click()
    expect(page.get_by_text("You keep Basic until")).to_be_visible()
    one.open("/account/billing/")
    expect(page.get_by_role("status").filter(has_text="then Free")).to_be_visible()
    found += violations(page)
    page.get_by_role("button", name="Keep Basic").click()
    expect(page.get_by_text("Your subscription goes on")).to_be_visible()

    page.get_by_role("link", name=re.compile(r"^[A-Z0-9]+-\d+$")).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Invoice")
    found += violations(page)
    address = page.get_by_role("link", name="Download as PDF").evaluate("node => node.href")
    pdf = page.context.request.get(address)
    assert pdf.ok
    assert pdf.body().startswith(b"%PDF")

    one.open("/account/")
    page.get_by_role("link", name="Withdraw from the contract here").click()
    found += violations(page)
    page.get_by_role("button", name="Confirm the withdrawal").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You have withdrawn from Basic")
    found += violations(page)
    one.open("/account/billing/")
    expect(page.get_by_text("credited")).to_be_visible()
    page.get_by_role("link", name=re.compile(r"^[A-Z0-9]+-\d+$")).first.click()
    expect(page.get_by_role("heading", name="Credit notes")).to_be_visible()
    found += violations(page)
    assert found == []
