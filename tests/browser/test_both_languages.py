"""The main journeys by somebody new, once in English and once in French, with the words that page has for each step."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Watched
from tests.browser.tongue import Tongue
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.parametrize("language", ["en", "fr"]),
]
PHRASE = "a-long-enough-phrase"
WEEKLY = "/v1/b2b/astrology/weekly-by-sign?sign=leo"
BASIC = {"en": "Basic", "fr": "Basique"}


def newcomer(visitor: Open, say: Tongue) -> tuple[Watched, Page, str]:
    """Somebody who has just signed up, in their language."""
    one = visitor(locale=say.locale)
    page = one.open("/accounts/signup/")
    email = f"both-{uuid.uuid4().hex[:8]}@palier.test"
    page.get_by_label(say("Email"), exact=True).fill(email)
    page.get_by_label(say("Password"), exact=True).fill(PHRASE)
    page.get_by_role("button", name=say("Create account")).click()
    page.wait_for_url("**/account/")
    assert page.locator("html").get_attribute("lang") == say.language
    return one, page, email


def press(page: Page, name: Any) -> None:
    page.get_by_role("button", name=name).first.click()


def title(page: Page, text: Any) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


@pytest.mark.req("AC-6", "AC-7", "PC-2", "PC-9", "QU-2", "BI-8")
def test_stopped_then_a_larger_plan_then_cancelled(visitor: Open, check, language: str) -> None:
    say = Tongue(language)
    one, page, _email = newcomer(visitor, say)
    one.expected = {429}
    found = use_up(one, page, say, check)
    buy(one, page, say)
    found += go_down_and_stay(one, page, say, check)
    found += cancel_and_resume(one, page, say, check)
    assert not found, "\n".join(found)


def use_up(one: Watched, page: Page, say: Tongue, check) -> list[str]:
    """Five are answered, the sixth is refused and stays in its box."""
    one.open("/account/")
    page.get_by_role("navigation", name=say("Main")).get_by_role("link", name=say("The desk")).click()
    talk = page.get_by_role("list", name=say("Conversation")).locator("> li")
    for number in range(1, 7):
        page.get_by_label(say("Your question")).fill(f"Venus {number}?")
        page.get_by_role("button", name=say("Ask"), exact=True).click()
        if number <= 5:
            expect(talk).to_have_count(number)
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text(say("You have reached the limit of your plan."))
    expect(refusal).to_contain_text(say("%(used)s of %(limit)s used", used="5", limit="5"))
    expect(page.get_by_label(say("Your question"))).to_have_value("Venus 6?")
    return check(page, f"journey-refused-{say.language}")


def buy(one: Watched, page: Page, say: Tongue) -> None:
    """From the refusal to the price, a card, and the plan."""
    page.get_by_role("alert").get_by_role("link", name="Premium").click()
    title(page, say.like("From %(from)s to %(to)s", to="Premium"))
    page.get_by_role("link", name=say("Add a card")).click()
    press(page, say("Add this card"))
    press(page, say.like("Pay %(amount)s and switch now"))
    title(page, say("You are on %(plan)s now", plan="Premium"))
    page.get_by_role("link", name=say("Go on at the desk")).click()
    page.get_by_label(say("Your question")).fill("Mars?")
    page.get_by_role("button", name=say("Ask"), exact=True).click()
    expect(page.get_by_role("list", name=say("Conversation")).locator("> li")).to_have_count(6)


def go_down_and_stay(one: Watched, page: Page, say: Tongue, check) -> list[str]:
    """A smaller plan is for later, and taken back."""
    basic = BASIC[say.language]
    one.open("/account/billing/plans/")
    page.get_by_role("link", name=say.like("Choose %(name)s", name=basic)).click()
    press(page, say.like("Switch on %(date)s"))
    title(page, say.like("%(plan)s from %(date)s", plan=basic))
    found = check(page, f"journey-scheduled-{say.language}")
    page.get_by_role("link", name=say("To your account")).click()
    until = say.like("%(from)s until %(date)s, then %(to)s.", to=basic, **{"from": "Premium"})
    expect(page.get_by_text(until)).to_be_visible()
    press(page, say("Undo: stay on %(name)s", name="Premium"))
    undone = say("Undone: you stay on %(plan)s.", plan="Premium")
    expect(page.get_by_text(undone)).to_be_visible()
    return found


def cancel_and_resume(one: Watched, page: Page, say: Tongue, check) -> list[str]:
    one.open("/account/")
    page.get_by_role("link", name=say("Cancel the subscription")).click()
    found = check(page, f"journey-cancel-{say.language}")
    press(page, say("Cancel the subscription"))
    one.open("/account/billing/")
    press(page, say("Keep %(name)s", name="Premium"))
    goes_on = say("Your subscription goes on: you keep %(plan)s. Nothing was charged now.", plan="Premium")
    expect(page.get_by_text(goes_on)).to_be_visible()
    return found


@pytest.mark.req("AC-6", "EN-2", "EN-10")
def test_an_organisation_and_its_keys(visitor: Open, check, shared_stack: Stack, language: str) -> None:
    """Made, a key made and used, rotated, revoked; a colleague invited."""
    say = Tongue(language)
    one, page, _email = newcomer(visitor, say)
    one.expected = {402, 403}
    one.open("/organisation/")
    page.get_by_label(say("Name of the organisation")).fill(f"Atelier {language}")
    press(page, say("Make the organisation"))
    ready = say("%(name)s is ready. Make a key, or invite others.", name=f"Atelier {language}")
    expect(page.get_by_text(ready)).to_be_visible()
    found = check(page, f"journey-organisation-{language}")

    one.open("/organisation/keys/")
    page.get_by_label(say("Name"), exact=True).fill("caisse 2")
    press(page, say("Make the key"))
    title(page, say("The key “%(name)s” is made", name="caisse 2"))
    first = page.get_by_label(say("The key"), exact=True).input_value()
    found += check(page, f"journey-key-{language}")
    assert called(one, first) != 401

    one.open("/organisation/keys/")
    page.get_by_role("link", name=f"{say('Rotate')} caisse 2").click()
    title(page, say("Rotate “%(name)s”", name="caisse 2"))
    page.get_by_role("radio").first.check()
    press(page, say("Make the successor"))
    second = page.get_by_label(say("The key"), exact=True).input_value()
    assert second != first
    found += check(page, f"journey-key-rotated-{language}")
    assert called(one, second) != 401

    one.open("/organisation/keys/")
    page.get_by_role("link", name=f"{say('Revoke')} caisse 2").first.click()
    title(page, say("Revoke “%(name)s”?", name="caisse 2"))
    press(page, say("Revoke now"))
    one.open("/organisation/members/")
    page.get_by_label(say("E-mail address")).fill(f"colleague-{language}@palier.test")
    page.get_by_role("button", name=say("Invite"), exact=True).click()
    expect(page.get_by_text(say.like("%(email)s is invited. The mail is on its way."))).to_be_visible()
    assert not found, "\n".join(found)


def called(one: Watched, secret: str) -> int:
    return one.page.request.get(one.base_url + WEEKLY, headers={"X-Api-Key": secret}).status


@pytest.mark.req("AC-2", "AC-6", "NO-1", "NO-3")
def test_settings_and_notifications(visitor: Open, check, shared_stack: Stack, language: str) -> None:
    """Thresholds of one's own, what is told then, and the choice to be told no more."""
    say = Tongue(language)
    one, page, email = newcomer(visitor, say)
    one.expected = {422}
    one.open("/account/settings/")
    page.get_by_role("textbox", name=re.compile("^" + say("Name"))).fill("Zoé")
    page.get_by_label(say("Time zone")).fill("Mars/Olympus")
    press(page, say("Save"))
    expect(page.get_by_text(say("There is no such time zone. Choose one of the list."))).to_be_visible()
    found = check(page, f"journey-settings-wrong-{language}")
    page.get_by_label(say("Time zone")).fill("Asia/Kolkata")
    page.get_by_label(say("Tell me at these percentages of a limit")).fill("40")
    press(page, say("Save"))
    expect(page.get_by_text(say("Your settings are saved."))).to_be_visible()

    one.open("/chat/")
    for number in range(1, 3):
        page.get_by_label(say("Your question")).fill(f"Venus {number}?")
        page.get_by_role("button", name=say("Ask"), exact=True).click()
        expect(page.get_by_role("list", name=say("Conversation")).locator("> li")).to_have_count(number)
    shared_stack.manage("shell", "-c", LOOK)
    one.open("/account/notifications/")
    told = say("%(metric)s: %(threshold)s%% of the limit is used", metric="Messages", threshold="40")
    expect(page.get_by_role("heading", name=told)).to_be_visible()
    found += check(page, f"journey-notifications-{language}")
    press(page, say("Mark all as read"))
    expect(page.get_by_role("button", name=say("Mark all as read"))).to_have_count(0)

    page.get_by_role("link", name=say("Choose what you are told")).click()
    page.get_by_role("main").get_by_role("checkbox").first.uncheck()
    press(page, say("Save"))
    expect(page.get_by_text(say("Your settings are saved."))).to_be_visible()
    assert shared_stack.sql(
        "SELECT timezone, display_name, array_to_json(usage_thresholds)::text, language FROM accounts_user WHERE email = %s",
        email,
    ) == [("Asia/Kolkata", "Zoé", "[40]", language)]
    assert not found, "\n".join(found)


LOOK = """
from common.clock import database_now
from quotas.thresholds import thresholds_notify
thresholds_notify(now=database_now())
"""
