"""Who may see an account's pages."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.selectors import has_account

View = Callable[..., HttpResponseBase]


def start_address(request: HttpRequest) -> str:
    """Where a signed-in person begins: the overview; for who has no account to see there, what they can use."""
    if has_account(request):
        return reverse("account_overview")
    return reverse("admin:index" if getattr(request.user, "is_staff", False) else "account_settings_page")


def is_part(request: HttpRequest) -> bool:
    """Whether a page's own script asks for a part of it, rather than somebody for a whole page."""
    return request.headers.get("HX-Request") == "true"


def signed_in(view: View) -> View:
    """Strangers are sent to the sign-in. A part of a page that is asked for by script makes the whole page ask.

    Who sent a form after their session had ended is told that it did nothing.
    """
    asked = login_required(view)

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST" and not request.user.is_authenticated:
            messages.warning(
                request, _("You were signed out, so nothing was changed. Sign in, then send the form again.")
            )
        if is_part(request) and not request.user.is_authenticated:
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        return asked(request, *args, **kwargs)

    return wrapper
