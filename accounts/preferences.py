"""A reader's language, theme and time zone: from the person when signed in, otherwise from cookies."""

import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone, translation

from accounts.models import Theme, User

THEME_COOKIE = "palier_theme"
TIMEZONE_COOKIE = "palier_timezone"
PREFERENCE_FIELDS = ("language", "theme", "timezone")
YEAR_S = 31_536_000


@cache
def timezone_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def speak_as_person(request: HttpRequest, user: User) -> None:
    """For the rest of this request: in the person's language, and with times in their zone."""
    translation.activate(user.language)
    request.LANGUAGE_CODE = translation.get_language()
    timezone.activate(zoneinfo.ZoneInfo(user.timezone if user.timezone in timezone_names() else "UTC"))


@contextmanager
def speaking_to(person: User | None) -> Iterator[None]:
    """For a text that a person reads elsewhere, a mail: in their language and time zone. Nobody known: as it is."""
    if person is None:
        yield
        return
    with translation.override(person.language), timezone.override(zoneinfo.ZoneInfo(person.timezone)):
        yield


def theme_of(request: HttpRequest) -> str:
    """`system`, `light` or `dark`."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return user.theme
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in Theme.values else Theme.SYSTEM


def timezone_of(request: HttpRequest) -> str:
    """An IANA name; UTC when nothing better is known."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        chosen = user.timezone
    else:
        chosen = request.COOKIES.get(TIMEZONE_COOKIE, "")
    return chosen if chosen in timezone_names() else "UTC"


def valid_preferences(given: dict[str, str]) -> dict[str, str]:
    """Those of the given values that exist; others are left out."""
    known = {
        "language": {code for code, _name in settings.LANGUAGES},
        "theme": set(Theme.values),
        "timezone": timezone_names(),
    }
    return {name: value for name, value in given.items() if value in known.get(name, ())}


def remember(response: HttpResponseBase, chosen: dict[str, str]) -> None:
    """Keep the choice in the browser, so that it holds before signing in and after signing out."""
    names = {
        "language": settings.LANGUAGE_COOKIE_NAME,
        "theme": THEME_COOKIE,
        "timezone": TIMEZONE_COOKIE,
    }
    for field, value in chosen.items():
        response.set_cookie(
            names[field], value, max_age=YEAR_S, secure=settings.LANGUAGE_COOKIE_SECURE, samesite="Lax"
        )
