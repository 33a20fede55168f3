"""A real browser at a whole running Palier. Whatever a page complains of, or asks of another host, fails the test."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, ViewportSize

from tests.browser.by_keyboard import unreachable
from tests.stack import Stack
from tools.pytest_browser import PATIENCE_MS

# The browser's driver keeps an event loop in this process; tests that come after it use the database all the same.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

# A page renews its figures every 20 seconds, which exchanges part of it: somewhere in the middle of a look at it when the
# machine is slow. Tests that want it ask for it.
NOTHING_BY_ITSELF = """
(() => {
  const regularly = window.setInterval;
  window.setInterval = (act, ms, ...more) => ms < 20000 ? regularly(act, ms, ...more) : 0;
})()
"""

QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1280, "height": 900}
AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE_COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules that depend on the theme."""
AXE_WORDS = ["button-name", "html-has-lang", "input-button-name", "label", "link-name", "target-size"]
"""The rules that depend on the language, how much room its words take included."""
SMALL, LARGE = ViewportSize(width=1000, height=720), ViewportSize(width=1280, height=800)
PICTURES = {
    "home": ("light", "body", SMALL),
    "overview-near": ("dark", "body", SMALL),
    "usage": ("light", "#history-title", LARGE),
    "plans": ("light", "body", LARGE),
    "preview-upgrade": ("light", "body", SMALL),
    "billing": ("light", "body", SMALL),
}
"""The pages shown in the documentation: in which theme, what stands at the top, how much of it is seen."""
STATUS = re.compile(r"status of (\d+)")
ID = re.compile(r"(?<=/)(?:[0-9a-f-]{32,36}|[a-z]+_\w+|\d+|[A-Z0-9]+-\d+|[\w:-]{40,})(?=/)")
"""A part of an address that names one thing of many."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", type=Path, help="keep a picture of every page in this directory")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "args": [*browser_type_launch_args["args"], *QUIET]}


class Watched:
    """A page, and what it complained of. `expected`: statuses of answers that the test asks for."""

    def __init__(self, page: Page, base_url: str, stripe_url: str) -> None:
        self.page, self.base_url, self.stripe_url = page, base_url, stripe_url
        self.expected: set[int] = set()
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        status = STATUS.search(message.text)
        if status is None or int(status.group(1)) not in self.expected:
            asked = message.location.get("url", "")
            self.complaints.append(f"{message.type} at {self.page.url}: {message.text} ({asked})")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.base_url, self.stripe_url, "data:")):
            self.complaints.append(f"asked another host: {request.url}")

    def open(self, path: str) -> Page:
        self.page.goto(self.base_url + path)
        return self.page

    def sign_in(self, name: str) -> Page:
        """With one click on a demo person."""
        self.open("/accounts/login/")
        self.page.get_by_role("button", name=f"Sign in as {name}@palier.test").click()
        self.page.wait_for_url("**/account/")
        return self.page


Open = Callable[..., Watched]


@pytest.fixture
def visitor(browser: Browser, shared_stack: Stack) -> Iterator[Open]:
    """Opens a browser of its own for somebody, with the options of `Browser.new_context`."""
    contexts: list[BrowserContext] = []
    watched: list[Watched] = []

    def open_one(**options: Any) -> Watched:
        defaults = {
            "viewport": DESKTOP,
            "locale": "en-GB",
            "timezone_id": "Europe/Paris",
            "reduced_motion": "reduce",
        }
        context = browser.new_context(**{**defaults, **options})
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(NOTHING_BY_ITSELF)
        contexts.append(context)
        watched.append(Watched(context.new_page(), shared_stack.base_url, shared_stack.sandbox_url))
        return watched[-1]

    yield open_one
    for context in contexts:
        context.close()
    assert [complaint for one in watched for complaint in one.complaints] == []


def violations(page: Page, rules: Sequence[str] = AXE_TAGS) -> list[str]:
    """What axe finds wrong with the page as it stands, one line for each rule and its first place. `rules`: tags or names.

    Frames are of the payment service, where axe cannot look.
    """
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE)
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations'], iframes: false})"
        ".then(result => result.violations.map(one => [one.id, one.help, one.nodes.map(node => node.html)]))",
        list(rules),
    )
    return [f"{rule}: {text}: {places[0]} ({len(places)} places)" for rule, text, places in found]


def overflow(page: Page) -> list[str]:
    """Elements that make the page scroll sideways."""
    return page.evaluate(
        """() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
        [...document.body.querySelectorAll('*')].filter(one => one.getBoundingClientRect().right > window.innerWidth + 1)
        .slice(0, 5).map(one => one.outerHTML.slice(0, 160))"""
    )


@pytest.fixture(scope="session")
def gone_through() -> set[str]:
    """The pages, by their address without ids, that were gone through with the keyboard."""
    return set()


@pytest.fixture
def check(request: pytest.FixtureRequest, gone_through: set[str]):
    """Looks at the page that is open, under a name. What is the same in both themes and languages is looked at once: a
    name in -fr is of a page that is looked at in English too. Each page is gone through with the keyboard once.
    """
    kept: Path | None = request.config.getoption("--screenshots", default=None)

    def look(page: Page, name: str) -> list[str]:
        found = []
        is_told_again = name.endswith("-fr")
        for theme in ("light", "dark") if kept or not is_told_again else ("light",):
            page.emulate_media(color_scheme=theme)
            rules = AXE_COLOURS if theme == "dark" else AXE_WORDS if is_told_again else AXE_TAGS
            found += [f"{name}, {theme}: {one}" for one in violations(page, rules)]
            if kept:
                page.screenshot(path=kept / theme / f"{name}.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 320, "height": 700})
        found += [f"{name}, 320 px, too wide: {one}" for one in overflow(page)]
        if kept:
            page.set_viewport_size({"width": 360, "height": 740})
            page.screenshot(path=kept / "phone" / f"{name}.png", full_page=True)
            if name in PICTURES:
                _picture(page, kept / "docs" / f"{name}.jpg", *PICTURES[name])
        page.set_viewport_size(DESKTOP)
        address = ID.sub("…", urlsplit(page.url).path)
        if address not in gone_through:
            gone_through.add(address)
            found += [f"{name}, by keyboard: {one}" for one in unreachable(page)]
        return found

    return look


def _picture(page: Page, path: Path, theme: str, top: str, size: ViewportSize) -> None:
    """What fits one screen, small enough for docs/pictures."""
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size(size)
    page.locator(top).evaluate("node => node.scrollIntoView()")
    page.screenshot(path=path, type="jpeg", quality=58)
    page.emulate_media(color_scheme="light")
