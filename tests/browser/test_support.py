"""As support would: from an address and a request id to why a call was refused, a credit with a reason, and the customer
who sees it.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Watched
from tests.callers import Caller
from tests.stack import PASSWORD, Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.req("OP-1", "QU-9")]


def sign_in_as_staff(one: Watched, name: str) -> Page:
    page = one.open("/admin/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_label("Email").fill(f"{name}@palier.test")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/admin/")
    return page


def refused_call(one: Watched, stack: Stack) -> tuple[str, str, Caller]:
    """Somebody new whose messages of the day are used up: their address and the refused request's id."""
    email, phrase = f"customer-{uuid.uuid4().hex[:8]}@palier.test", "a-long-enough-phrase"
    page = one.open("/accounts/signup/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(phrase)
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/account/")
    caller = Caller.signed_in(stack.base_url, email, phrase)
    while True:
        answer = caller.post("/v1/chat/messages", {"text": "Where is the Moon?"})
        if not answer.ok:
            error = answer.json()["error"]
            assert error["code"] == "quota_exceeded", answer.text
            return email, error["request_id"], caller


def test_from_a_refusal_to_a_credit_the_customer_sees(visitor: Open, check, shared_stack: Stack):
    customer = visitor()
    email, request_id, caller = refused_call(customer, shared_stack)
    one = visitor()
    page = sign_in_as_staff(one, "support")
    found = check(page, "admin-index")
    one.open("/admin/accounts/account/")
    found += check(page, "admin-search")
    page.get_by_label("What the customer quotes").fill(request_id)
    page.get_by_role("button", name="Find").click()
    refusal = page.get_by_text("Refused: 1 messages (quota_exceeded)")
    expect(refusal).to_be_visible()
    expect(page.get_by_text(re.compile("limit was full: .* resets"))).to_be_visible()
    found += check(page, "admin-request")

    one.open("/admin/accounts/account/")
    page.get_by_label("What the customer quotes").fill(email)
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("heading", name="Limits now")).to_be_visible()
    expect(page.get_by_text("Refused: 1 messages (quota_exceeded)").first).to_be_visible()
    found += check(page, "admin-account")

    page.get_by_role("link", name="Give or take credits").click()
    found += check(page, "admin-credits")
    one.expected.add(422)
    page.get_by_label("Credits", exact=True).fill("12")
    page.get_by_role("button", name="Give or take credits").click()
    expect(page.get_by_text("This field is required.")).to_be_visible()
    found += check(page, "admin-credits-no-reason")
    page.get_by_label("Reason").fill("messages lost in an outage")
    page.get_by_role("button", name="Give or take credits").click()
    expect(page.get_by_text("12 credits given.")).to_be_visible()
    expect(page.get_by_text("messages lost in an outage").first).to_be_visible()

    movements = caller.get("/v1/billing/credits/transactions").json()["data"]
    assert [(each["units"], each["reason"]) for each in movements] == [(12, "messages lost in an outage")]
    customer.open("/account/billing/credits/")
    expect(customer.page.get_by_text("messages lost in an outage").first).to_be_visible()
    assert not found, "\n".join(found)


@pytest.mark.req("QU-14")
def test_a_limit_is_raised_and_the_next_call_passes(visitor: Open, check, shared_stack: Stack):
    customer = visitor()
    email, _, caller = refused_call(customer, shared_stack)
    one = visitor()
    page = sign_in_as_staff(one, "support")
    one.open("/admin/accounts/account/")
    page.get_by_label("What the customer quotes").fill(email)
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Raise a limit").click()
    page.get_by_label("Limit", exact=True).select_option("messages/day")
    page.get_by_label("Allow in all").fill("8")
    page.get_by_label("Until").fill(f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%dT%H:%M}")
    page.get_by_label("Reason").fill("promised on the telephone")
    found = check(page, "admin-raise-limit")
    page.get_by_role("button", name="Raise a limit").click()
    expect(page.get_by_text("messages per day: 8 until")).to_be_visible()
    assert caller.post("/v1/chat/messages", {"text": "And now?"}).ok
    customer.open("/account/")
    expect(customer.page.get_by_text("Raised by our support").first).to_be_visible()
    found += check(customer.page, "overview-raised")
    assert not found, "\n".join(found)


@pytest.mark.req("OP-2")
def test_how_all_of_it_is_doing(visitor: Open, check):
    one = visitor()
    page = sign_in_as_staff(one, "auditor")
    page.get_by_role("link", name="Operations").first.click()
    for title in ("Unlike usual", "Revenue", "Overdue accounts", "Deliveries from Stripe", "Open at Stripe"):
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    expect(page.get_by_text("took too long")).to_have_count(0)
    found = check(page, "admin-operations")
    assert not found, "\n".join(found)


def test_a_story_with_money_in_it(visitor: Open, check):
    one = visitor()
    page = sign_in_as_staff(one, "auditor")
    found = []
    for name in ("premium", "pastdue"):
        one.open("/admin/accounts/account/")
        page.get_by_label("What the customer quotes").fill(f"{name}@palier.test")
        page.get_by_role("button", name="Find").click()
        expect(page.get_by_role("heading", name="Invoices")).to_be_visible()
        expect(page.get_by_text("Payment of").first).to_be_visible()
        found += check(page, f"admin-account-{name}")
        number = page.get_by_role("region", name="Invoices: table").get_by_role("cell").first.inner_text()
        address = page.url
        one.open("/admin/accounts/account/")
        page.get_by_label("What the customer quotes").fill(number.lower())
        page.get_by_role("button", name="Find").click()
        page.wait_for_url(address)
    expect(page.get_by_role("link", name="Give or take credits")).to_have_count(0)
    assert not found, "\n".join(found)


def test_people_are_no_staff(visitor: Open):
    one = visitor()
    one.expected.add(403)
    page = one.sign_in("premium")
    one.open("/admin/")
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Palier: support")
    assert one.complaints == []
