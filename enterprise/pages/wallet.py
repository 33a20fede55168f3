"""Credits of an organisation: seen by all its members, limited by those who manage its billing."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.enums import Permission
from billing.pages.wallet import cap_from_form, credits_shown
from common import clock
from enterprise.pages.access import Place, in_organisation, render_place


@require_safe
@in_organisation()
def credits_page(request: HttpRequest, place: Place) -> HttpResponse:
    return _show(request, place)


@require_POST
@in_organisation(Permission.BILLING)
def credits_cap(request: HttpRequest, place: Place) -> HttpResponse:
    """Sets the limit on overage; below what is spent only when that was confirmed."""
    answer = cap_from_form(request, place.account)
    if answer is None:
        return redirect("organisation_credits")
    return _show(request, place, status=422 if "errors" in answer else 200, **answer)


def _show(request: HttpRequest, place: Place, *, status: int = 200, **form: Any) -> HttpResponse:
    context = {
        "tab": "credits",
        "credits": credits_shown(place.account, query=request.GET, now=clock.now()),
        "may_set_cap": place.may(Permission.BILLING),
        "cap_url": reverse("organisation_credits_cap"),
        "without_invoices": True,  # those are on the account's pages, for whoever acts for it there
        "cap_form": form,
        "crumbs": [(_("Organisation"), reverse("organisation")), (_("Credits"), "")],
    }
    return render_place(request, place, "credits", context, status=status)
