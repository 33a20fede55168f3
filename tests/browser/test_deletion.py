"""Taking one's data along and deleting the account, by hand in a browser."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.req("AC-3")]

PHRASE = "a-long-enough-phrase"


def test_export_then_delete(visitor: Open, check):
    one = visitor()
    page = one.open("/accounts/signup/")
    email = f"goodbye-{uuid.uuid4().hex[:8]}@palier.test"
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PHRASE)
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/account/")
    one.open("/account/settings/")
    page.get_by_role("link", name="Delete the account").click()
    expect(page.get_by_text("Invoices, and counts of what was used")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download my data").click()
    assert json.loads(Path(download.value.path()).read_text())["account"]["email"] == email

    one.expected.add(422)
    page.get_by_label("Your password").fill("another")
    page.get_by_label("I want my account deleted").check()
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_text("This is not your current password.")).to_be_visible()
    found = check(page, "deletion-wrong-password")
    page.get_by_label("Your password").fill(PHRASE)
    page.get_by_label("I want my account deleted").check()
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account is deleted")
    found += check(page, "deleted")
    one.open("/account/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert found == []
