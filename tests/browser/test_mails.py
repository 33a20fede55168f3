"""Every mail in HTML, in both languages, as wide as a phone and as a mail program's pane."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils import timezone, translation
from playwright.sync_api import Browser

from tests.browser.conftest import overflow, violations
from tests.test_every_notice import SAMPLES, mail

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.req("NO-2", "NO-3")]

WIDTHS = (320, 640)
AT = datetime(2026, 12, 1, 10, 30, tzinfo=UTC)
LETTERS: dict[str, dict[str, Any]] = {
    "invitation": {
        "inviter": "Maximilienne de la Rochefoucauld-Montbel",
        "organisation": "Atelier des Constellations",
        "role": "Administrator",
        "email": "a-rather-long-address-for-a-phone@constellations.example.test",
        "expires_at": AT,
        "url": "https://palier.test/organisation/invitation/x/",
    },
    "withdrawal": {
        "name": "Ada",
        "plan": "Premium",
        "interval": "year",
        "price": {"amount_minor": 20000, "currency": "eur"},
        "started_at": AT,
        "withdrawn_at": AT,
        "paid": {"amount_minor": 20000, "currency": "eur"},
        "refund": {"amount_minor": 19890, "currency": "eur"},
        "reference": "0d6f31c2-8f6b-4a51-9f0e-3b6f6f9b5a10",
    },
}


def mails(language: str) -> Iterator[tuple[str, str]]:
    """(name, HTML) of each."""
    for template, contexts in SAMPLES.items():
        for number, context in enumerate(contexts, 1):
            yield f"{template}-{number}", str(mail(template, context, language).alternatives[0][0])
    told = {"base_url": "https://palier.test", "support_email": "support@palier.test"}
    with translation.override(language), timezone.override("Europe/Paris"):
        for name, context in LETTERS.items():
            yield name, render_to_string(f"mail/{name}.html", {**told, **context})


@pytest.mark.django_db  # the clock may be the sandbox's
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_mail_fits_and_can_be_read(
    browser: Browser, request: pytest.FixtureRequest, language: str
) -> None:
    kept: Path | None = request.config.getoption("--screenshots", default=None)
    page, found = browser.new_page(), []
    for name, html in mails(language):
        page.set_content(html)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 700})
            found += [f"{name}, {width} px, too wide: {one}" for one in overflow(page)]
            if kept:
                page.screenshot(path=kept / "mails" / f"{name}-{language}-{width}.png", full_page=True)
        # A mail is no page of ours: it needs no landmarks.
        found += [f"{name}: {one}" for one in violations(page) if not one.startswith(("region", "landmark"))]
    page.close()
    assert not found, "\n".join(found)
