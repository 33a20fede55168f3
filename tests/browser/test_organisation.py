"""An organisation's pages in both themes, at 320 px and in French: what its owner does in a first quarter of an hour."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.req("AC-6", "EN-10")]

WEEKLY = "/v1/b2b/astrology/weekly-by-sign?sign=leo"
PAGES = {
    "organisation": "/organisation/",
    "organisation-use": "/organisation/use/",
    "organisation-keys": "/organisation/keys/",
    "organisation-members": "/organisation/members/",
    "organisation-close": "/organisation/close/",
    "organisation-contract": "/organisation/contract/",
    "organisation-credits": "/organisation/credits/",
}
VIEWER_CALL = "/v1/b2b/astrology/weekly-by-sign"


LINK = """
from enterprise.models import Invitation
from enterprise.services.invitations import _token
one = Invitation.objects.get(email={email!r}, account__name={name!r}, closed_at=None)
print("LINK /organisation/invitation/" + _token(one.public_id) + "/")
"""


def link_of(stack: Stack, *, email: str, name: str) -> str:
    """The address that was mailed: nothing that could be read afterwards has it, so it is made as the mail's was."""
    said = stack.manage("shell", "-c", LINK.format(email=email, name=name))
    return next(line.split()[1] for line in said.splitlines() if line.startswith("LINK"))


def test_an_owners_first_quarter_of_an_hour(visitor: Open, check, shared_stack: Stack) -> None:
    one = visitor()
    one.expected = {422}
    page = one.sign_in("acme")
    shared_stack.caller("acme").get(WEEKLY)
    found = []
    for name, path in PAGES.items():
        found += check(one.open(path), name)
    found += make_a_key(one, page, check)
    found += invite_somebody(one, page, check)
    assert not found, "\n".join(found)


def make_a_key(one, page: Page, check) -> list[str]:
    one.open("/organisation/keys/")
    page.get_by_label("Name", exact=True).fill("till two")
    page.get_by_label("Works for").select_option("30")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("heading", name="is made")).to_be_visible()
    secret = page.get_by_label("The key").input_value()
    found = check(page, "organisation-key-made")
    answer = page.request.get(one.base_url + WEEKLY, headers={"X-Api-Key": secret})
    assert answer.status == 200
    one.open("/organisation/")
    expect(page.get_by_role("row", name="till two")).to_be_visible()
    one.open("/organisation/keys/")
    page.get_by_role("link", name="Rotate till two").click()
    expect(page.get_by_role("heading", name="Rotate")).to_be_visible()
    found += check(page, "organisation-key-rotate")
    one.open("/organisation/keys/")
    page.get_by_role("link", name="Revoke till two").click()
    expect(page.get_by_role("heading", name="Revoke")).to_be_visible()
    found += check(page, "organisation-key-revoke")
    page.get_by_role("button", name="Revoke now").click()
    expect(page.get_by_text("till two is revoked")).to_be_visible()
    assert page.request.get(one.base_url + WEEKLY, headers={"X-Api-Key": secret}).status == 401
    return found


def invite_somebody(one, page: Page, check) -> list[str]:
    one.open("/organisation/members/")
    page.get_by_label("E-mail address").fill("free@palier.test")
    page.get_by_label("Role", exact=True).select_option("developer")
    page.get_by_role("button", name="Invite", exact=True).click()
    expect(page.get_by_text("free@palier.test is invited")).to_be_visible()
    found = check(page, "organisation-invited")
    page.get_by_label("E-mail address").fill("free@palier.test")
    page.get_by_role("button", name="Invite", exact=True).click()
    expect(page.get_by_text("invited already")).to_be_visible()
    found += check(page, "organisation-invite-refused")
    one.open("/organisation/members/")
    page.get_by_role("link", name="Leave").click()
    expect(page.get_by_role("heading", name="Leave")).to_be_visible()
    return found + check(page, "organisation-leave")


def test_the_invited_joins_and_switches(visitor: Open, check, shared_stack: Stack) -> None:
    """basic@ is invited by globex, signs in from the link, joins; nosub@ sees how to get an organisation."""
    owner = visitor()
    page = owner.sign_in("globex")
    assert page.locator("html").get_attribute("lang") == "fr"
    owner.open("/organisation/members/")
    page.locator("#invite-email").fill("basic@palier.test")
    page.locator("#invite-role").select_option("viewer")
    page.locator("#invite button.button").click()
    expect(page.locator(".messages .success")).to_be_visible()
    found = []
    for name, path in PAGES.items():
        found += check(owner.open(path), f"{name}-fr")

    path = link_of(shared_stack, email="basic@palier.test", name="Globex")
    guest = visitor()
    found += check(guest.open(path), "invitation-stranger")
    guest.sign_in("basic")
    found += check(guest.open(path), "invitation")
    guest.page.get_by_role("button", name="Accept the invitation").click()
    expect(guest.page.get_by_text("You belong to")).to_be_visible()
    found += check(guest.page, "organisation-joined")
    found += check(guest.open("/organisation/members/"), "organisation-members-viewer")

    owner.open("/organisation/members/")
    found += check(page, "organisation-members-two")
    page.locator("a[href$='/transfer/']").click()
    found += check(page, "organisation-transfer")
    owner.open("/organisation/members/")
    page.locator(".rows li", has_text="basic@palier.test").locator("a[href$='/end/']").click()
    found += check(page, "organisation-remove")
    page.locator("main form button.danger").click()
    expect(page.locator(".messages .success")).to_be_visible()

    guest.expected = {410}
    found += check(guest.open(path), "invitation-ended")
    nobody = visitor()
    nobody.sign_in("nosub")
    found += check(nobody.open("/organisation/"), "organisation-none")
    assert not found, "\n".join(found)


@pytest.mark.req("CR-10", "CR-5")
@pytest.mark.parametrize("name", ["growth", "dry"])
def test_a_stores_pages(visitor: Open, check, name: str) -> None:
    """One with credits, in French, and one that has used them up."""
    one = visitor()
    page = one.sign_in(name)
    found = check(one.open("/organisation/"), f"organisation-{name}")
    page.locator(f"a.button[href='{PAGES['organisation-credits']}']").click()
    expect(page.locator("nav.tabs a[aria-current=page]")).to_have_attribute(
        "href", PAGES["organisation-credits"]
    )
    found += check(page, f"organisation-credits-{name}")
    assert not found, "\n".join(found)


@pytest.mark.req("EN-6", "EN-10")
def test_the_first_call_from_the_viewer(visitor: Open, shared_stack: Stack) -> None:
    """With a key and nothing else: authorise, try, and the organisation's page shows the call."""
    one = visitor()
    page = one.sign_in("acme")
    one.open("/organisation/")
    before = int(page.locator("dd.num").first.inner_text().split()[0].replace(",", ""))
    one.open("/v1/docs")
    page.get_by_role("button", name="Authorize").click()
    dialog = page.locator(".dialog-ux")
    field = dialog.locator(".auth-container", has_text="apiKeyHeader")
    field.locator("input").fill(shared_stack.api_keys()["acme"])
    field.get_by_role("button", name="Apply credentials").click()
    field.locator("button.btn-done").click()
    call = page.locator(".opblock", has_text=VIEWER_CALL).first
    call.locator(".opblock-summary-control").click()
    call.get_by_role("button", name="Try it out").click()
    call.locator("select").first.select_option("leo")
    call.get_by_role("button", name="Execute").click()
    answer = call.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").nth(1)).to_contain_text("200")
    expect(answer).to_contain_text("moon_sign")
    one.open("/organisation/")
    after = int(page.locator("dd.num").first.inner_text().split()[0].replace(",", ""))
    assert after == before + 1
