"""Who may see an account's pages."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from accounts.selectors import has_account

View = Callable[..., HttpResponseBase]


def start_address(request: HttpRequest) -> str:
    """Where a signed-in person begins: the overview; for who has no account to see there, what they can use."""
    if has_account(request):
        return reverse("account_overview")
    return reverse("admin:index" if getattr(request.user, "is_staff", False) else "account_settings_page")


def signed_in(view: View) -> View:
    """Strangers are sent to the sign-in. A part of a page that is asked for by script makes the whole page ask."""
    asked = login_required(view)

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.headers.get("HX-Request") == "true" and not request.user.is_authenticated:
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        return asked(request, *args, **kwargs)

    return wrapper
