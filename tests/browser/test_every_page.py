"""Every page in both themes and at 320 px: nothing axe objects to, no complaint of the browser, no sideways scroll."""

from __future__ import annotations

import base64
import hmac
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

NOBODY = {
    "home": "/",
    "home-yearly": "/?interval=year",
    "sign-in": "/accounts/login/",
    "sign-up": "/accounts/signup/",
    "password-reset": "/accounts/password/reset/",
    "password-reset-sent": "/accounts/password/reset/done/",
    "password-reset-bad-link": "/accounts/password/reset/key/1-nonsense/",
    "verification-sent": "/accounts/confirm-email/",
    "email-confirm-bad-link": "/accounts/confirm-email/nonsense/",
    "inactive": "/accounts/inactive/",
}
PREMIUM = {
    "overview": "/account/",
    "usage": "/account/usage/",
    "usage-today": "/account/usage/?granularity=hour",
    "usage-year": "/account/usage/?granularity=month",
    "usage-none": "/account/usage/?metric=exports",
    "plans": "/account/billing/plans/",
    "plans-yearly": "/account/billing/plans/?interval=year",
    "preview-downgrade": "/account/billing/plans/basic/month/",
    "preview-yearly": "/account/billing/plans/premium/year/",
    "preview-free": "/account/billing/plans/free/month/",
    "card": "/account/billing/card/",
    "payment-methods": "/account/billing/payment-methods/",
    "billing-details": "/account/billing/details/",
    "billing": "/account/billing/",
    "invoices": "/account/billing/invoices/",
    "invoices-none-fits": "/account/billing/invoices/?status=void",
    "cancel": "/account/billing/cancel/",
    "withdraw": "/account/billing/withdraw/",
    "personas": "/personas/",
    "desk": "/chat/",
    "home-signed-in": "/",
    "settings": "/account/settings/",
    "notifications": "/account/notifications/",
    "deletion": "/account/deletion/",
    "password-change": "/accounts/password/change/",
    "email": "/accounts/email/",
    "two-factor": "/accounts/2fa/",
    "sessions": "/accounts/sessions/",
    "sign-out": "/accounts/logout/",
}
OTHERS = {
    "growth": {
        "credits": "/account/billing/credits/",
        "billing-store": "/account/billing/",
        "cancel-store": "/account/billing/cancel/",
        "organisation-close-with-plan": "/organisation/close/",
    },
    "dry": {"credits-none-left": "/account/billing/credits/"},
    "near": {
        "overview-near": "/account/",
        "usage-near": "/account/usage/",
        "plans-suggested": "/account/billing/plans/?plan=premium#plan-premium",
        "preview-upgrade": "/account/billing/plans/premium/month/",
    },
    "pastdue": {"overview-overdue": "/account/", "billing-overdue": "/account/billing/"},
    "nosub": {
        "overview-no-plan": "/account/",
        "usage-no-plan": "/account/usage/",
        "plans-no-plan": "/account/billing/plans/",
        "start-free": "/account/billing/plans/free/month/",
        "start-paid": "/account/billing/plans/basic/month/",
        "desk-no-plan": "/chat/",
        "billing-no-plan": "/account/billing/",
        "credits-no-plan": "/account/billing/credits/",
        "invoices-none": "/account/billing/invoices/",
        "personas-no-plan": "/personas/",
    },
}
PEOPLE = {"premium": PREMIUM, **OTHERS}


@pytest.mark.req("AC-6")
@pytest.mark.parametrize("language", ["en-GB", "fr-FR"])
def test_pages_for_everybody(visitor: Open, check, language: str):
    one = visitor(locale=language)
    found = []
    for name, path in NOBODY.items():
        page = one.open(path)
        assert page.locator("html").get_attribute("lang") == language[:2]
        found += check(page, name if language == "en-GB" else f"{name}-fr")
    assert not found, "\n".join(found)


@contextmanager
def speaking(stack: Stack, person: str, language: str) -> Iterator[None]:
    """The person has chosen that language, and afterwards English again, as the other tests expect."""
    change = "UPDATE accounts_user SET language = %s WHERE email = %s RETURNING id"
    assert stack.sql(change, language, f"{person}@palier.test")
    try:
        yield
    finally:
        stack.sql(change, "en", f"{person}@palier.test")


@pytest.mark.req("AC-6", "PC-9", "QU-10", "BI-6")
@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("person", PEOPLE)
def test_pages_of_people_in_every_state(
    visitor: Open, check, shared_stack: Stack, person: str, language: str
):
    one = visitor()
    one.sign_in(person)
    found = []
    with speaking(shared_stack, person, language):
        for name, path in PEOPLE[person].items():
            page = one.open(path)
            assert page.locator("html").get_attribute("lang") == language
            found += check(page, name if language == "en" else f"{name}-fr")
    assert not found, "\n".join(found)


@pytest.mark.req("AC-6")
def test_another_language_with_one_press(visitor: Open):
    one = visitor()
    page = one.sign_in("premium")
    page.get_by_role("button", name="Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    assert one.open("/account/usage/").locator("html").get_attribute("lang") == "fr"
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.req("AC-1", "AC-6")
def test_two_factor_sign_in(visitor: Open, check):
    """Turned on with a code, asked for at the next sign-in, turned off again."""
    one = visitor()
    page = one.sign_in("basic")
    one.open("/accounts/2fa/totp/activate/")
    found = check(page, "still-you")
    page.get_by_label("Password").fill("palier-demo")
    page.get_by_role("button", name="Go on").click()
    found += check(page, "two-factor-activate")
    secret = page.locator("main code").inner_text()
    page.get_by_label("Authenticator code").fill(code_of(secret, 0))
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    found += check(page, "recovery-codes")
    found += check(one.open("/accounts/2fa/"), "two-factor-on")

    page.locator("summary.account").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(one.base_url + "/")
    one.open("/accounts/login/")
    page.get_by_role("button", name="Sign in as basic@palier.test").click()
    expect(page.get_by_role("heading", name="The code, please")).to_be_visible()
    found += check(page, "two-factor-code")
    page.get_by_label("Code").fill(code_of(secret, 30))  # a code is good once
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/account/")
    one.open("/accounts/2fa/totp/deactivate/")
    page.get_by_label("Password").fill("palier-demo")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Turn two-factor sign-in off?")).to_be_visible()
    found += check(page, "two-factor-off")
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_text("Off", exact=True)).to_be_visible()
    assert not found, "\n".join(found)


def code_of(secret: str, shift_s: int) -> str:
    """What an authenticator app shows for the secret (RFC 6238), now or `shift_s` seconds from now. The codes of half a
    minute before and after pass too: not from before, which would be too old once the next half minute has begun.
    """
    counter = struct.pack(">Q", int(time.time() + shift_s) // 30)
    digest = hmac.digest(base64.b32decode(secret), counter, "sha1")
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


@pytest.mark.req("AC-7")
def test_error_pages(visitor: Open, check):
    """404; 403 for a form without its token; 500 for a handler that fails."""
    one = visitor()
    one.expected = {403, 404, 500}
    page = one.open("/no/such/page")
    assert page.get_by_role("heading", level=1).inner_text() == "There is no such page"
    found = check(page, "error-404")

    page = one.open("/accounts/login/")
    page.locator("main form input[name=csrfmiddlewaretoken]").first.evaluate("node => node.remove()")
    page.get_by_label("Email").fill("free@palier.test")
    page.get_by_label("Password").fill("palier-demo")
    page.get_by_role("button", name="Sign in", exact=True).click()
    assert page.get_by_role("heading", level=1).inner_text() == "This was refused"
    found += check(page, "error-403")

    one.sign_in("basic")
    page = one.open("/chat/")
    before = page.get_by_role("meter").get_attribute("aria-valuetext")
    page.evaluate("document.querySelector('form.ask').removeAttribute('hx-post')")
    page.evaluate("htmx.process(document.body)")
    page.get_by_label("Your question").fill("/fail")
    with page.expect_navigation():
        page.evaluate("document.querySelector('form.ask').submit()")
    assert page.get_by_role("heading", level=1).inner_text() == "Something went wrong on our side"
    found += check(page, "error-500")
    assert one.open("/chat/").get_by_role("meter").get_attribute("aria-valuetext") == before, (
        "nothing counted"
    )
    assert not found, "\n".join(found)
