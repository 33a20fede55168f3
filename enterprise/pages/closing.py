"""The end of an organisation, by one of its owners."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.enums import Permission
from accounts.selectors import CHOSEN_ACCOUNT
from common import clock
from common.errors import ValidationError
from common.request_id import current_request_id
from enterprise.pages.access import Place, in_organisation, render_place
from enterprise.services import organisation_close
from enterprise.services.closing import closing_consequences, contract_in_the_way


class ClosingForm(forms.Form):
    """Sign in again, in effect, and say yes."""

    password = forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    confirm = forms.BooleanField(
        label=gettext_lazy("I want the organisation closed. I know that there is no way back.")
    )


@require_http_methods(["GET", "HEAD", "POST"])
@in_organisation(Permission.OWNERS, "password")
def organisation_end(request: HttpRequest, place: Place) -> HttpResponse:
    """GET says what closing means; POST does it."""
    form = ClosingForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return _closed(request, place, form.cleaned_data["password"])
        except ValidationError as error:
            for one in error.details["fields"]:
                form.add_error(one["field"] if one["field"] in form.fields else None, one["message"])
    context: dict[str, Any] = {
        "tab": "members",
        "form": form,
        "consequences": closing_consequences(place.account),
        "support_email": settings.SUPPORT_EMAIL,
        "contract": contract_in_the_way(place.account.pk, clock.now()),
        "crumbs": [
            (_("Organisation"), reverse("organisation")),
            (_("Members"), reverse("organisation_members")),
            (_("Close"), ""),
        ],
    }
    return render_place(request, place, "close", context, status=422 if form.is_bound else 200)


def _closed(request: HttpRequest, place: Place, password: str) -> HttpResponse:
    done = organisation_close(
        account=place.account,
        actor=place.person,
        password=password,
        request_id=current_request_id(),
        now=clock.now(),
    )
    request.session.pop(CHOSEN_ACCOUNT, None)
    words = {"organisation": place.account.name}
    if done:
        messages.success(request, _("%(organisation)s is closed.") % words)
    else:
        told = _("%(organisation)s is closed. Its plan ends as soon as the payment service answers.")
        messages.success(request, told % words)
    return redirect("organisation")
