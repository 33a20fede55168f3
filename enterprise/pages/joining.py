"""Getting an organisation: making one, being invited to one, changing between several."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import signed_in
from accounts.enums import Role
from accounts.selectors import CHOSEN_ACCOUNT, person_of
from billing.pages.forms import done_once, safe_next
from common import clock
from common.errors import NotFound, ValidationError
from common.ratelimit import ratelimited
from enterprise.pages.access import nowhere
from enterprise.selectors.members import invitation_found, organisations_of
from enterprise.services import invitation_accept, organisation_create
from enterprise.services.invitations import is_for, is_open, token_hash

OWN = "own"


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@ratelimited("global", "user", "invitation")
def organisation_new(request: HttpRequest) -> HttpResponse:
    """GET asks for a name; POST makes the organisation, whose first owner its maker is."""
    if request.method != "POST":
        return nowhere(request)
    name = request.POST.get("name", "")
    try:
        return done_once(request, lambda: _make(request, name), name)
    except ValidationError as error:
        return nowhere(
            request, status=error.status, asked=name, problem=error.details["fields"][0]["message"]
        )


def _make(request: HttpRequest, name: str) -> HttpResponse:
    account = organisation_create(name=name, owner=person_of(request), now=clock.now())
    request.session[CHOSEN_ACCOUNT] = account.pk
    messages.success(request, _("%(name)s is ready. Make a key, or invite others.") % {"name": account.name})
    return redirect("organisation")


@require_POST
@signed_in
@ratelimited("global", "user")
def organisation_switch(request: HttpRequest) -> HttpResponse:
    """From now on this browser is about that organisation, or about the person's own account. NotFound for another's."""
    asked = request.POST.get("account", "")
    person = person_of(request)
    if asked == OWN:
        own = getattr(person, "personal_account", None)
        if own is None:
            raise NotFound
        request.session[CHOSEN_ACCOUNT] = own.pk
        return redirect(safe_next(request, reverse("account_overview")))
    found = [one for one in organisations_of(person) if str(one.account.public_id) == asked]
    if not found:
        raise NotFound
    request.session[CHOSEN_ACCOUNT] = found[0].account_id
    return redirect(safe_next(request, reverse("organisation")))


@require_http_methods(["GET", "HEAD", "POST"])
@ratelimited("global", "user")
def invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    """What a mailed link opens. GET says what is offered, to whom, and how to take it; POST takes it.

    Mail programs break long links: one that is no invitation's says so.
    """
    found = invitation_found(token_hash(token))
    if found is None:
        return render(request, "pages/organisation/invitation.html", {"invitation": None}, status=404)
    if request.method == "POST":
        return _accept(request, token)
    person = person_of(request) if request.user.is_authenticated else None
    taken = person is not None and found.accepted_by_id == person.pk
    if taken:
        return redirect("organisation")
    open_now = is_open(found, clock.now())
    context = {
        "invitation": found,
        "role": Role(found.role),
        "is_open": open_now,
        "is_mine": person is not None and is_for(found, person),
        "token": token,
    }
    return render(request, "pages/organisation/invitation.html", context, status=200 if open_now else 410)


@signed_in
def _accept(request: HttpRequest, token: str) -> HttpResponse:
    membership = invitation_accept(token=token, user=person_of(request), now=clock.now())
    request.session[CHOSEN_ACCOUNT] = membership.account_id
    words = {"organisation": membership.account.name, "role": Role(membership.role).label}
    messages.success(request, _("You belong to %(organisation)s now. Your role: %(role)s.") % words)
    return redirect("organisation")
