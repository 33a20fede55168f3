"""Start is refused on settings that are unsafe together."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import override_settings

from common.models import SandboxClock
from config import checks

pytestmark = pytest.mark.req("OP-6")

STRONG = "a-long-and-random-secret-0123456789-abcdefghij"
SAFE: dict[str, Any] = {
    "DEBUG": False,
    "SANDBOX": False,
    "STRIPE_LIVE_MODE": False,
    "STRIPE_API_BASE": "",
    "STRIPE_WEBHOOK_SECRET": "whsec_x",
    "HTTPS": True,
    "SECRET_KEY": STRONG,
    "SECRET_KEY_FALLBACKS": [STRONG + "-of-last-year"],
    "SIMPLE_JWT": {"SIGNING_KEY": STRONG},
    "ALLOWED_HOSTS": ["shop.example"],
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
}
PRINTED = {"EMAIL_BACKEND": checks.CONSOLE_MAIL}
LIVE = {"STRIPE_LIVE_MODE": True}


@pytest.mark.req("CR-8")
def test_regular_work_that_comes_too_late_is_dropped():
    """While Stripe is away a look takes minutes: waiting ones would keep the workers from everything else."""
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        assert 0 < entry["options"]["expires"] <= entry["schedule"], name


@pytest.mark.parametrize(
    ("changed", "ids"),
    [
        ({}, []),
        (LIVE, []),
        (LIVE | {"DEBUG": True}, ["palier.E001"]),
        ({"DEBUG": True}, []),
        (LIVE | {"SANDBOX": True}, ["palier.E002"]),
        ({"SANDBOX": True}, []),
        (LIVE | {"STRIPE_API_BASE": "http://127.0.0.1:1"}, ["palier.E003"]),
        ({"SECRET_KEY": "short"}, ["palier.E004"]),
        ({"SECRET_KEY": "a" * 64}, ["palier.E004"]),
        ({"SECRET_KEY": "django-insecure-" + STRONG}, ["palier.E004"]),
        ({"SIMPLE_JWT": {"SIGNING_KEY": "short"}}, ["palier.E004"]),
        (LIVE | {"HTTPS": False}, ["palier.E005"]),
        (LIVE | {"STRIPE_WEBHOOK_SECRET": ""}, ["palier.E006"]),
        ({"ALLOWED_HOSTS": ["*"]}, ["palier.E007"]),
        (PRINTED, ["palier.E010"]),
        ({"SECRET_KEY_FALLBACKS": ["changeme"]}, ["palier.E011"]),
        (PRINTED | {"DEBUG": True}, []),
        (PRINTED | {"SANDBOX": True}, []),
    ],
)
def test_unsafe_settings(changed: dict[str, Any], ids: list[str]) -> None:
    with override_settings(**(SAFE | changed)):
        assert [message.id for message in checks.unsafe_settings()] == ids


def test_rate_limits_can_be_counted() -> None:
    assert checks.rate_limits_countable() == []
    with override_settings(RATE_LIMITS={"odd": ("1/1", "the moon")}):
        assert [message.id for message in checks.rate_limits_countable()] == ["palier.E009"]


@pytest.mark.django_db
def test_moved_clock_without_the_sandbox() -> None:
    with override_settings(**SAFE):
        checks.refuse_unsafe_start()
        SandboxClock.objects.create(shift=timedelta(days=31))
        with pytest.raises(ImproperlyConfigured, match=r"palier\.E008"):
            checks.refuse_unsafe_start()


@pytest.mark.django_db
def test_long_running_processes_and_check_refuse() -> None:
    with override_settings(**(SAFE | LIVE | {"DEBUG": True})):
        with pytest.raises(ImproperlyConfigured, match=r"palier\.E001: DEBUG is on with a live Stripe key"):
            checks.refuse_unsafe_start()
        with pytest.raises(CommandError, match=r"palier\.E001"):
            call_command("check", tags=["security"])
