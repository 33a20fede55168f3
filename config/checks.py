"""Settings that are unsafe together. `manage.py check` shows them; web processes and workers refuse to start."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, ProgrammingError

from common import ratelimit

SHORTEST_SECRET = 32
FEWEST_CHARACTERS = 10
CONSOLE_MAIL = "django.core.mail.backends.console.EmailBackend"


@register(Tags.security)
def unsafe_settings(**_: Any) -> list[CheckMessage]:
    """What must not be, whatever it is run for."""
    return list(_unsafe())


def _unsafe() -> Iterator[Error]:
    live = settings.STRIPE_LIVE_MODE
    if settings.DEBUG and live:
        yield Error("DEBUG is on with a live Stripe key.", hint="Unset DEBUG.", id="palier.E001")
    if settings.SANDBOX and live:
        yield Error(
            "The sandbox is on with a live Stripe key: its clock would move real subscriptions.",
            hint="Unset SANDBOX_URL, or use a key that begins with sk_test_.",
            id="palier.E002",
        )
    if settings.STRIPE_API_BASE and live:
        yield Error(
            "A live Stripe key would be sent to STRIPE_API_BASE, which is not Stripe.",
            hint="Unset STRIPE_API_BASE.",
            id="palier.E003",
        )
    yield from _weak_secrets()
    if live and not settings.HTTPS:
        yield Error("A live Stripe key without HTTPS.", hint="Set BASE_URL to https://…", id="palier.E005")
    if live and not settings.STRIPE_WEBHOOK_SECRET:
        yield Error(
            "A live Stripe key without STRIPE_WEBHOOK_SECRET: anybody could forge events.",
            hint="Set the signing secret of the endpoint.",
            id="palier.E006",
        )
    if "*" in settings.ALLOWED_HOSTS and not settings.DEBUG:
        yield Error("ALLOWED_HOSTS allows every host.", hint="Name the hosts you serve.", id="palier.E007")
    if settings.EMAIL_BACKEND == CONSOLE_MAIL and not (settings.SANDBOX or settings.DEBUG):
        yield Error(
            "Mails would be printed into the log, with the links that reset passwords.",
            hint="Set EMAIL_URL, for example smtp+tls://user:password@mail.example:587.",
            id="palier.E010",
        )


def _weak_secrets() -> Iterator[Error]:
    for name in ("SECRET_KEY", "JWT_SIGNING_KEY"):
        if _is_weak(_secret(name)):
            yield Error(
                f"{name} is weak.",
                hint=f"Use at least {SHORTEST_SECRET} random characters: "
                "python -c 'import secrets; print(secrets.token_urlsafe(48))'",
                id="palier.E004",
            )
    if any(_is_weak(former) for former in settings.SECRET_KEY_FALLBACKS):
        yield Error(
            "SECRET_KEY_FALLBACKS holds a weak key: who knows it can forge what it signs.",
            hint="Take it out; everybody who signed in under it signs in again.",
            id="palier.E011",
        )


def _secret(name: str) -> str:
    return settings.SIMPLE_JWT["SIGNING_KEY"] if name == "JWT_SIGNING_KEY" else settings.SECRET_KEY


def _is_weak(secret: str) -> bool:
    return (
        len(secret) < SHORTEST_SECRET
        or len(set(secret)) < FEWEST_CHARACTERS
        or secret.startswith("django-insecure")
    )


@register(Tags.caches)
def rate_limits_countable(**_: Any) -> list[CheckMessage]:
    """A limit that is counted by what nobody registered would fail at the first request."""
    known = ratelimit.registered_keys()
    return [
        Error(
            f"RATE_LIMITS['{name}'] is counted by '{key}', which no app registered.",
            hint="Call common.ratelimit.register_key in AppConfig.ready().",
            id="palier.E009",
        )
        for name, (_rate, key) in settings.RATE_LIMITS.items()
        if key not in known
    ]


@register(Tags.database)
def moved_clock(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """A database whose clock was moved belongs to the sandbox. Asked where the database is known to be there."""
    if settings.SANDBOX or not databases:
        return []
    from common.models import SandboxClock

    try:
        moved = SandboxClock.objects.exists()
    except (OperationalError, ProgrammingError):  # no database yet, or not migrated: nothing to protect
        return []
    if not moved:
        return []
    return [
        Error(
            "This database's clock was moved by the sandbox, and the sandbox is off.",
            hint="Use another database, or set SANDBOX_URL. A sandbox's data never becomes real.",
            id="palier.E008",
        )
    ]


def refuse_unsafe_start() -> None:
    """Raise ImproperlyConfigured with everything that is unsafe. Called by every long-running process."""
    found = [*unsafe_settings(), *moved_clock(databases=["default"])]
    if found:
        told = "\n".join(f"{message.id}: {message.msg} {message.hint}" for message in found)
        raise ImproperlyConfigured(f"Refusing to start:\n{told}")
