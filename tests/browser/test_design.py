"""With DEBUG: every component in every state, and the mails that were sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import DESKTOP, NOTHING_BY_ITSELF, Watched
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.req("AC-6")]


def test_components_and_mails(browser: Browser, new_stack: Callable[..., Stack], check, tmp_path: Path):
    stack = new_stack(environment={"DEBUG": "1", "EMAIL_URL": f"filemail:///{tmp_path}"})
    context = browser.new_context(viewport=DESKTOP, locale="en-GB", reduced_motion="reduce")
    context.add_init_script(NOTHING_BY_ITSELF)
    one = Watched(context.new_page(), stack.base_url, stack.sandbox_url)
    page = one.open("/design/")
    expect(page.get_by_role("heading", name="Charts")).to_be_visible()
    found = check(page, "design")

    one.open("/accounts/signup/")
    page.get_by_label("Email").fill("mails@palier.test")
    page.get_by_label("Password").fill("a-long-enough-phrase")
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/account/")
    found += check(one.open("/design/mails/"), "mails")
    page.locator("ul.rows a").first.click()
    expect(page.get_by_role("heading", name="As text")).to_be_visible()
    found += check(page, "mail")
    context.close()
    assert [*found, *one.complaints] == []
