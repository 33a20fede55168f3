"""Pages in the reader's language and time zone."""

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from accounts.preferences import speak_as_person, timezone_of

# The API speaks by Accept-Language and in UTC; asking for a user here would cost its calls a session.
WITHOUT_PREFERENCES = ("/v1/", "/api/", "/stripe/", "/healthz", "/readyz", "/metrics", "/static/")


class PreferencesMiddleware:
    """After the sign-in middleware: a person's own language wins over the cookie and Accept-Language."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        timezone.deactivate()
        if not request.path_info.startswith(WITHOUT_PREFERENCES):
            timezone.activate(zoneinfo.ZoneInfo(timezone_of(request)))
            if request.user.is_authenticated:
                speak_as_person(request, request.user)
        return self.get_response(request)


class PrivatePagesMiddleware:
    """What a signed-in person is shown is kept by no cache, the browser's included: it would outlive signing out."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(WITHOUT_PREFERENCES):
            return self.get_response(request)
        was_signed_in = request.user.is_authenticated
        response = self.get_response(request)
        if was_signed_in or request.user.is_authenticated:  # before signing out, after signing in
            response["Cache-Control"] = "private, no-store"
        return response
