"""Members, and what they may: seen by all of them, changed by those whose role allows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.enums import Permission, Role
from accounts.models import Membership
from accounts.roles import MAY, may_give, roles_to_give
from billing.pages.forms import done_once
from common import clock, ratelimit
from common.errors import ValidationError
from enterprise.errors import RoleMissing
from enterprise.models import Credential
from enterprise.pages.access import Place, in_organisation, render_place
from enterprise.selectors.members import invitations_open, members_of, membership_get
from enterprise.services import (
    invitation_resend,
    invitation_withdraw,
    member_invite,
    member_remove,
    member_role_change,
    ownership_transfer,
)


@dataclass(frozen=True)
class MemberRow:
    """A member, and what the reader may make them."""

    membership: Membership
    role: Role
    is_self: bool
    roles: list[Role]
    can_remove: bool
    can_inherit: bool


@require_http_methods(["GET", "HEAD", "POST"])
@in_organisation()
def members(request: HttpRequest, place: Place) -> HttpResponse:
    """GET lists; POST invites."""
    if request.method != "POST":
        return _show(request, place)
    return _invite(request, place)


def _invite(request: HttpRequest, place: Place) -> HttpResponse:
    ratelimit.check(request, ["invitation"])
    email, role = request.POST.get("email", ""), request.POST.get("role", "")
    try:
        return done_once(request, lambda: _invited(request, place, email, role), email, role)
    except ValidationError as error:
        problems = {one["field"]: one["message"] for one in error.details["fields"]}
        return _show(
            request, place, status=error.status, problems=problems, asked={"email": email, "role": role}
        )


def _invited(request: HttpRequest, place: Place, email: str, role: str) -> HttpResponse:
    invitation = member_invite(
        account=place.account, actor=place.person, email=email, role=role, now=clock.now()
    )
    messages.success(
        request, _("%(email)s is invited. The mail is on its way.") % {"email": invitation.email}
    )
    return redirect("organisation_members")


def _show(request: HttpRequest, place: Place, *, status: int = 200, **extra: Any) -> HttpResponse:
    now = clock.now()
    context = {
        "tab": "members",
        "rows": [_row(one, place) for one in members_of(place.account.pk)],
        "invitations": [
            (one, Role(one.role).label, may_give(place.role, one.role))
            for one in invitations_open(account_id=place.account.pk, now=now)
        ],
        "roles": roles_to_give(place.role),
        "table": [(role, [permission in MAY[role] for permission in Permission]) for role in Role],
        "permissions": list(Permission),
        "asked": {"role": Role.VIEWER.value},
        "crumbs": [(_("Organisation"), reverse("organisation")), (_("Members"), "")],
        **extra,
    }
    return render_place(request, place, "members", context, status=status)


def _row(membership: Membership, place: Place) -> MemberRow:
    role = Role(membership.role)
    is_self = membership.user_id == place.person.pk
    touchable = may_give(place.role, role)
    return MemberRow(
        membership=membership,
        role=role,
        is_self=is_self,
        roles=roles_to_give(place.role) if touchable else [],
        can_remove=touchable and not is_self,
        can_inherit=place.may(Permission.OWNERS) and not is_self and role != Role.OWNER,
    )


@require_POST
@in_organisation(Permission.MEMBERS)
def member_role(request: HttpRequest, place: Place, membership_id: int) -> HttpResponse:
    """Another role, with one press."""
    try:
        changed = member_role_change(
            account=place.account,
            actor=place.person,
            membership_id=membership_id,
            role=request.POST.get("role", ""),
            now=clock.now(),
        )
    except ValidationError as error:
        messages.error(request, error.details["fields"][0]["message"])
        return redirect("organisation_members")
    words = {"name": changed.user.name_or_email, "role": Role(changed.role).label}
    messages.success(request, _("%(name)s: the role is now %(role)s.") % words)
    return redirect("organisation_members")


@require_http_methods(["GET", "HEAD", "POST"])
@in_organisation()
def member_end(request: HttpRequest, place: Place, membership_id: int) -> HttpResponse:
    """GET says what leaving or removing means; POST does it."""
    membership = membership_get(account_id=place.account.pk, membership_id=membership_id)
    is_self = membership.user_id == place.person.pk
    if not is_self and not may_give(place.role, membership.role):
        raise RoleMissing.of(place.role, Permission.MEMBERS)
    if request.method == "POST":
        return _end(request, place, membership, is_self=is_self)
    made = Credential.objects.filter(account=place.account, created_by=membership.user, revoked_at=None)
    return render_place(
        request,
        place,
        "member_end",
        {
            "tab": "members",
            "membership": membership,
            "is_self": is_self,
            "keys": list(made.exclude(expires_at__lte=clock.now()).order_by("name")),
            "crumbs": _crumbs(_("Leave") if is_self else _("Remove")),
        },
    )


def _end(request: HttpRequest, place: Place, membership: Membership, *, is_self: bool) -> HttpResponse:
    try:
        member_remove(account=place.account, actor=place.person, membership_id=membership.pk, now=clock.now())
    except ValidationError as error:
        messages.error(request, error.details["fields"][0]["message"])
        return redirect("organisation_members")
    words = {"name": membership.user.name_or_email, "organisation": place.account.name}
    if is_self:
        messages.success(request, _("You have left %(organisation)s.") % words)
        return redirect("organisation")
    messages.success(request, _("%(name)s does not belong to %(organisation)s any more.") % words)
    return redirect("organisation_members")


@require_http_methods(["GET", "HEAD", "POST"])
@in_organisation(Permission.OWNERS)
def member_transfer(request: HttpRequest, place: Place, membership_id: int) -> HttpResponse:
    """GET says what handing the organisation over means; POST does it."""
    membership = membership_get(account_id=place.account.pk, membership_id=membership_id)
    if request.method == "POST":
        try:
            ownership_transfer(
                account=place.account, actor=place.person, membership_id=membership_id, now=clock.now()
            )
        except ValidationError as error:
            messages.error(request, error.details["fields"][0]["message"])
            return redirect("organisation_members")
        words = {"name": membership.user.name_or_email, "organisation": place.account.name}
        messages.success(
            request, _("%(organisation)s belongs to %(name)s now. You are an administrator.") % words
        )
        return redirect("organisation_members")
    context = {"tab": "members", "membership": membership, "crumbs": _crumbs(_("Hand over"))}
    return render_place(request, place, "member_transfer", context)


@require_POST
@in_organisation(Permission.MEMBERS, "invitation")
def invitation_again(request: HttpRequest, place: Place, invitation_id: UUID) -> HttpResponse:
    """The mail once more, with another link."""
    invitation = invitation_resend(
        account=place.account, actor=place.person, invitation_id=invitation_id, now=clock.now()
    )
    messages.success(
        request,
        _("%(email)s gets a new mail. The link in the one before does not work any more.")
        % {"email": invitation.email},
    )
    return redirect("organisation_members")


@require_POST
@in_organisation(Permission.MEMBERS)
def invitation_end(request: HttpRequest, place: Place, invitation_id: UUID) -> HttpResponse:
    """Take an invitation back."""
    invitation = invitation_withdraw(
        account=place.account, actor=place.person, invitation_id=invitation_id, now=clock.now()
    )
    messages.success(request, _("The invitation of %(email)s is withdrawn.") % {"email": invitation.email})
    return redirect("organisation_members")


def _crumbs(last: str) -> list[tuple[str, str]]:
    return [
        (_("Organisation"), reverse("organisation")),
        (_("Members"), reverse("organisation_members")),
        (last, ""),
    ]
