"""A trial from its beginning to what follows it, with a card and without one, in both languages."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, NOTHING_BY_ITSELF, Watched
from tests.browser.test_paying import GOOD, enter_card
from tests.conftest import SERVER_URL
from tests.stack import Snapshot, Stack
from tools.pytest_browser import PATIENCE_MS

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

CATALOG = Path(__file__).resolve().parents[2] / "billing" / "catalog.toml"
TRIALS = {"basic": 'trial_days = 7\ntrial_card = "none"\n', "premium": "trial_days = 14\n"}
NAMES = {"en": {"basic": "Basic", "free": "Free"}, "fr": {"basic": "Basique", "free": "Gratuit"}}


@pytest.fixture(scope="module")
def trying(seeded: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The demo's plans, of which Basic can be tried without a card and Premium with one. Whoever tries them is new, so
    that one stack does for all, whatever its clock has come to.
    """
    text = CATALOG.read_text()
    for plan, terms in TRIALS.items():
        assert f"[plans.{plan}]\n" in text
        text = text.replace(f"[plans.{plan}]\n", f"[plans.{plan}]\n{terms}")
    file = tmp_path_factory.mktemp("trials") / "catalog.toml"
    file.write_text(text)
    with Stack(server_url=SERVER_URL, snapshot=seeded, environment={"CATALOG_FILE": str(file)}) as stack:
        stack.manage("sync_catalog")
        yield stack


@pytest.fixture
def newcomer(browser: Browser, trying: Stack):
    """Somebody new in a browser of that language."""
    contexts, watched = [], []

    def sign_up(language: str) -> Watched:
        context = browser.new_context(
            viewport=DESKTOP, locale=language, timezone_id="Europe/Paris", reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(NOTHING_BY_ITSELF)
        contexts.append(context)
        one = Watched(context.new_page(), trying.base_url, trying.sandbox_url)
        watched.append(one)
        page = one.open("/accounts/signup/")
        page.locator("input[name=email]").fill(f"trying-{uuid.uuid4().hex[:8]}@palier.test")
        page.locator("input[name=password1]").fill("a-long-enough-phrase")
        page.locator("main form button").last.click()
        page.wait_for_url("**/account/")
        return one

    yield sign_up
    for context in contexts:
        context.close()
    assert [complaint for one in watched for complaint in one.complaints] == []


def fact(page: Page, name: str):
    return page.locator("dl.facts > div").filter(has=page.locator("dt", has_text=name)).locator("dd")


@pytest.mark.req("PC-13", "AC-6", "BI-3")
def test_a_trial_ends_without_a_card_and_goes_on_with_one(newcomer, trying: Stack, check) -> None:
    """All of them begin, then time passes for all at once: that takes longest. A name in -fr is of the French one."""
    languages = ("en", "fr")
    without, having = ({one: newcomer(one) for one in languages} for _ in range(2))
    found = []
    for language in languages:
        found += begin_without_a_card(without[language], check, language)
        found += begin_with_a_card(having[language], check, language)
    trying.advance("8d")
    for language in languages:
        found += is_over(without[language], check, language)
    trying.advance("7d")
    for language in languages:
        found += is_paid(having[language], check, language)
    assert not found, "\n".join(found)


def begin_without_a_card(one: Watched, check, language: str) -> list[str]:
    fr = language == "fr"
    suffix = "-fr" if fr else ""
    page = one.open("/account/billing/plans/")
    expect(page.locator("main")).to_contain_text(
        "Les 7 premiers jours sont gratuits, sans carte."
        if fr
        else "The first 7 days are free, without a card."
    )
    found = check(page, f"trial-plans{suffix}")
    page = one.open("/account/billing/plans/basic/month/")
    found += check(page, f"trial-preview-no-card{suffix}")
    page.get_by_role("button", name="Commencer l’essai" if fr else "Start the trial").click()
    page.wait_for_url("**/changes/**")
    found += check(page, f"trial-begun{suffix}")
    expect(page.locator("main")).to_contain_text(
        "Votre essai dure jusqu’au" if fr else "Your trial runs until"
    )
    page = one.open("/account/")
    expect(fact(page, "Prochain prélèvement" if fr else "Next charge")).not_to_contain_text(
        "5,00" if fr else "€5.00"
    )
    found += check(page, f"trial-overview-no-card{suffix}")
    found += check(one.open("/account/billing/"), f"trial-billing-no-card{suffix}")
    return found + check(one.open("/account/billing/cancel/"), f"trial-cancel-no-card{suffix}")


def is_over(one: Watched, check, language: str) -> list[str]:
    fr = language == "fr"
    page = one.open("/account/")
    expect(page.locator(".plan-name")).to_have_text(NAMES[language]["free"])
    found = check(page, f"trial-over-no-card{'-fr' if fr else ''}")
    page = one.open("/account/billing/plans/basic/month/")
    expect(page.locator("main")).not_to_contain_text("Commencer l’essai" if fr else "Start the trial")
    page = one.open("/account/billing/plans/")
    expect(page.locator("main")).not_to_contain_text("gratuits" if fr else "are free")
    return found


def begin_with_a_card(one: Watched, check, language: str) -> list[str]:
    fr = language == "fr"
    suffix = "-fr" if fr else ""
    page = one.open("/account/billing/plans/premium/month/")
    found = check(page, f"trial-preview-card-first{suffix}")
    page.get_by_role("link", name="Ajouter une carte" if fr else "Add a card").click()
    page.get_by_role("button", name="Saisir une carte ici" if fr else "Enter a card here").click()
    frame = page.frame_locator("iframe").first
    if fr:
        frame.get_by_label("Numéro de carte").fill(GOOD)
        frame.get_by_label("Expiration").fill("12 / 40")
        frame.get_by_label("CVC").fill("123")
    else:
        enter_card(page, GOOD)
    page.locator("[data-pay-form] button").click()
    page.wait_for_url("**/plans/premium/month/**")
    found += check(page, f"trial-preview-card{suffix}")
    page.get_by_role("button", name="Commencer l’essai" if fr else "Start the trial").click()
    page.wait_for_url("**/changes/**")
    found += check(page, f"trial-begun-card{suffix}")
    page = one.open("/account/")
    expect(fact(page, "Prochain prélèvement" if fr else "Next charge")).to_contain_text(
        "20,00" if fr else "€20.00"
    )
    found += check(page, f"trial-overview-card{suffix}")
    found += check(one.open("/account/billing/"), f"trial-billing-card{suffix}")
    return found + check(one.open("/account/billing/cancel/"), f"trial-cancel-card{suffix}")


def is_paid(one: Watched, check, language: str) -> list[str]:
    fr = language == "fr"
    page = one.open("/account/billing/")
    expect(page.locator(".plan-name")).to_have_text("Premium")
    expect(page.locator("main")).to_contain_text("20,00" if fr else "€20.00")
    return check(page, f"trial-paid{'-fr' if fr else ''}")
