"""The administration shows what we have thought through, and is entered by our own sign-in."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

OURS = ("common", "accounts", "quotas", "billing", "enterprise")
TITLE = "Palier: support"


def administration_narrow() -> None:
    """Only our apps' pages and the groups; signing in with the second factor, the limits and the sessions of everybody.

    Libraries bring pages by which secrets are read and rows are changed behind the services.
    """
    for model in list(admin.site._registry):
        if model._meta.app_label not in OURS and model is not Group:
            admin.site.unregister(model)
    admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
    admin.site.password_change = _own_password_page  # type: ignore[method-assign, assignment]
    admin.site.site_header = admin.site.site_title = TITLE
    admin.site.index_title = "Records"


def _own_password_page(request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ARG001
    """Everybody's page: it asks as often as it may, ends tokens and tells the person by mail."""
    return redirect("account_change_password")
