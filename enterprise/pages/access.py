"""Which organisation a page is about, and what its reader may do there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from accounts.access import signed_in
from accounts.enums import Permission, Role
from accounts.models import Account, Membership, User
from accounts.roles import may
from accounts.selectors import CHOSEN_ACCOUNT, person_of
from billing.pages.forms import new_key
from common import clock
from common.errors import NotFound
from common.ratelimit import ratelimited
from enterprise.errors import RoleMissing
from enterprise.selectors.members import organisations_of

FORM_FIELD = "organisation"
Crumbs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Place:
    """The organisation that is looked at, and what its reader is there. `others`: where else they belong."""

    account: Account
    person: User
    role: Role
    others: Sequence[Membership]

    def may(self, permission: Permission) -> bool:
        return may(self.role, permission)

    @property
    def rights(self) -> dict[str, bool]:
        """For templates: each permission by its name."""
        return {permission.value: self.may(permission) for permission in Permission}


PlaceView = Callable[..., HttpResponseBase]


def in_organisation(
    permission: Permission = Permission.VIEW, *limits: str
) -> Callable[[PlaceView], PlaceView]:
    """The view gets the Place after the request. Strangers sign in; who belongs nowhere is told how to begin.

    RoleMissing when the reader's role lacks `permission`. `limits`: rate limits besides the usual ones.
    """

    def decorate(view: PlaceView) -> PlaceView:
        @wraps(view)
        @signed_in
        @ratelimited("global", "user", *limits)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            place = place_of(request)
            if place is None:
                return nowhere(request)
            if not place.may(permission):
                raise RoleMissing.of(place.role, permission)
            return view(request, place, *args, **kwargs)

        return wrapper

    return decorate


def place_of(request: HttpRequest) -> Place | None:
    """The organisation chosen on the pages, else the one the person belongs to longest; None when there is none.

    A form says which one it was shown for, and is about that one: another may have been chosen since, in another tab.
    NotFound when the person does not belong to it any more.
    """
    person = person_of(request)
    memberships = organisations_of(person)
    if not memberships:
        return None
    if asked := request.POST.get(FORM_FIELD):
        _choose(request, memberships, asked)
    chosen = request.session.get(CHOSEN_ACCOUNT)
    here = next((one for one in memberships if one.account_id == chosen), memberships[0])
    others = [one for one in memberships if one.pk != here.pk]
    return Place(here.account, person, Role(here.role), others)


def _choose(request: HttpRequest, memberships: Sequence[Membership], asked: str) -> None:
    found = next((one.account_id for one in memberships if str(one.account.public_id) == asked), None)
    if found is None:
        raise NotFound
    request.session[CHOSEN_ACCOUNT] = found


def nowhere(request: HttpRequest, *, status: int = 200, **extra: Any) -> HttpResponse:
    """What an organisation is for, and the two ways to one."""
    context = {"crumbs": [(_("Organisation"), "")], "form_key": new_key(), **extra}
    return render(request, "pages/organisation/none.html", context, status=status)


def render_place(
    request: HttpRequest, place: Place, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A page about the organisation, with what all of them show."""
    common = {
        "place": place,
        "account": place.account,
        "rights": place.rights,
        "form_key": new_key(),
        "now": clock.now(),
    }
    return render(request, f"pages/organisation/{template}.html", {**common, **context}, status=status)
