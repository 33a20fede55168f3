"""An organisation's use over time, by key, and as files."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from billing.pages.usage.views import operations_file, shown_file, usage_context
from enterprise.pages.access import Place, in_organisation, render_place

ADDRESSES = {
    "page": "organisation_use",
    "shown": "organisation_use_shown",
    "operations": "organisation_use_operations",
}


@require_safe
@in_organisation()
def use(request: HttpRequest, place: Place) -> HttpResponse:
    """What is asked for stands in the address, so it can be kept and sent on to another member."""
    context = {
        "tab": "use",
        "crumbs": [(_("Organisation"), reverse("organisation")), (_("Usage"), "")],
        **usage_context(request, place.account, ADDRESSES),
    }
    failed = "filters" in context and context["filters"].errors
    return render_place(request, place, "use", context, status=422 if failed else 200)


@require_safe
@in_organisation()
def use_shown(request: HttpRequest, place: Place) -> HttpResponseBase:
    """What the chart shows, as CSV."""
    return shown_file(request, place.account)


@require_safe
@in_organisation()
def use_operations(request: HttpRequest, place: Place) -> HttpResponseBase:
    """Every operation of the time shown, as CSV."""
    return operations_file(request, place.account)
