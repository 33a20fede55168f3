"""Every kind of notification as a mail, in both languages: whole sentences, text and HTML, links that lead somewhere."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import RequestFactory
from django.urls import resolve

from accounts.models import Notification, User
from accounts.notifications.mail import mail_of
from accounts.notifications.messages import templates
from common import clock

PLAN = {"en": "Premium", "fr": "Premium", "interval": "month"}
BASIC = {"en": "Basic", "fr": "Basique", "interval": "month"}
AT = "2026-12-01T10:30:00+00:00"
CHANGE = {
    "change": "1",
    "from": PLAN,
    "to": BASIC,
    "charged_minor": 2000,
    "currency": "eur",
    "effective_at": AT,
}
LIMIT = {
    "threshold": 80,
    "used": 800,
    "limit": 1000,
    "window": "day",
    "mode": "block",
    "contract": False,
    "metric": "messages",
    "metric_en": "Messages",
    "metric_fr": "Messages",
    "reset_at": AT,
}
CHARGE = {
    "plan": PLAN,
    "interval": "month",
    "amount_minor": 2000,
    "currency": "eur",
    "at": AT,
    "card": {"brand": "visa", "last4": "4242"},
}
TRIAL = {"plan": PLAN, "interval": "month", "amount_minor": 2000, "currency": "eur", "at": AT}
RAISED = {
    "metric_en": "Messages",
    "metric_fr": "Messages",
    "window": "day",
    "limit": 2000,
    "until": AT,
    "reason": "a big launch",
}
SAMPLES: dict[str, list[dict[str, Any]]] = {
    "limit_raised": [
        RAISED | {"window": window} for window in ("hour", "day", "month", "period", "capacity")
    ],
    "quota_threshold": [LIMIT, LIMIT | {"threshold": 100}, LIMIT | {"mode": "overage", "contract": True}],
    "plan_change_applied": [CHANGE, CHANGE | {"to": None}, CHANGE | {"from": None}],
    "plan_change_scheduled": [CHANGE, CHANGE | {"to": None}],
    "plan_change_undone": [CHANGE],
    "plan_change_coming": [CHANGE, CHANGE | {"to": None}],
    "payment_overdue": [
        {
            "plan": PLAN,
            "amount_minor": 2000,
            "currency": "eur",
            "since": AT,
            "next_attempt_at": AT,
            "full_until": AT,
        },
        {
            "plan": PLAN,
            "amount_minor": 2000,
            "currency": "eur",
            "since": AT,
            "next_attempt_at": None,
            "full_until": None,
        },
        {
            "plan": PLAN,
            "amount_minor": 2000,
            "currency": "eur",
            "since": AT,
            "next_attempt_at": AT,
            "full_until": AT,
            "confirm": "in_1Palier",
        },
    ],
    "renewal_coming": [CHARGE, CHARGE | {"card": None}],
    "trial_ending": [CHARGE, CHARGE | {"card": None}],
    "trial_ending_without_card": [
        TRIAL | {"to": BASIC},
        TRIAL | {"to": None, "interval": "year"},
    ],
    "subscription_ended": [
        {"plan": PLAN, "to": to, "reason": reason}
        for to in (BASIC, None)
        for reason in ("trial", "unpaid", "")
    ],
    "card_expiring": [{"plan": PLAN, "brand": "visa", "last4": "4242", "month": 12, "year": 2026}],
    "overage_unpaid": [{"amount_minor": 2016, "currency": "usd", "invoice": "in_1Palier"}],
    "overage_began": [{"spent_minor": 145, "currency": "usd"}],
    "spend_cap_near": [
        {"spent_minor": 80, "cap_minor": 100, "currency": "usd", "share": share} for share in (80, 100)
    ],
    "key_expiring": [{"name": "Till", "prefix": "plr_test_abcdefghij", "expires_at": AT}],
    "membership_role": [{"organisation": "Acme", "role": "developer"}],
    "membership_ended": [{"organisation": "Acme"}],
    "organisation_closed": [{"organisation": "Acme"}],
    "news": [
        {
            "title": {"en": "Exports", "fr": "Les exports"},
            "text": {"en": "You can export now.", "fr": "Vous pouvez exporter."},
            "path": "/account/",
        }
    ],
}
LEFT_OPEN = re.compile(r"%\(|\{\{|\{%|None|\bnull\b")
STRAIGHT_QUOTE = re.compile(r"\w'\w")


def mail(template: str, context: dict[str, Any], language: str):
    user = User(
        pk=7, email="ada@palier.test", display_name="Ada <b>", language=language, timezone="Europe/Paris"
    )
    return mail_of(
        Notification(pk=UUID(int=1), user=user, kind="plan_changed", template=template, context=context)
    )


@pytest.mark.req("NO-2", "NO-3")
def test_every_template_has_a_sample():
    assert set(SAMPLES) == {name for name in templates() if not name.startswith("test_")}


@pytest.mark.django_db  # the clock may be the sandbox's
@pytest.mark.req("NO-2", "NO-3")
@pytest.mark.parametrize("template", SAMPLES)
def test_every_mail_reads_right(template: str):
    for context in SAMPLES[template]:
        english, french = (mail(template, context, language) for language in ("en", "fr"))
        assert english.subject != french.subject
        for one, hello in ((english, "Hello Ada <b>,"), (french, "Bonjour Ada <b>,")):
            html = str(one.alternatives[0][0])
            assert one.subject
            assert "\n" not in one.subject
            assert hello in str(one.body)
            assert "Ada &lt;b&gt;" in html
            assert "Ada <b>" not in html
            for text in (one.subject, str(one.body), html):
                assert not LEFT_OPEN.search(text), text
            for address in re.findall(r'href="http://[^/"]+(/[^"]*)"', html):
                resolve(RequestFactory().get(address).path_info)
        assert not STRAIGHT_QUOTE.search(french.subject + str(french.body))


@pytest.mark.django_db
@pytest.mark.req("NO-1", "NO-3")
def test_what_is_said_of_a_limit_is_true_whenever_it_is_read():
    """A mail is read the day after, and the inbox keeps what was told: so no "tomorrow", and no reset to come still."""
    at = clock.now()
    for template, context in (
        ("quota_threshold", LIMIT | {"reset_at": (at + timedelta(hours=20)).isoformat()}),
        ("quota_threshold", LIMIT | {"used": 1000, "reset_at": (at + timedelta(hours=4)).isoformat()}),
        ("limit_raised", RAISED | {"until": (at + timedelta(days=1)).isoformat()}),
    ):
        for language in ("en", "fr"):
            body = str(mail(template, context, language).body)
            assert re.search(r"\b20\d\d\b.*\(CES?T\)", body), body
            assert not re.search("today|tomorrow|aujourd’hui|demain", body), body
    past = LIMIT | {"used": 1000, "reset_at": (at - timedelta(days=1)).isoformat()}
    body = str(mail("quota_threshold", past, "en").body)
    assert "It has started again since" in body
    assert "are refused" not in body
