"""Who belongs to an organisation, as what, and who is asked to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Case, IntegerField, QuerySet, Value, When

from accounts.enums import Permission, Role
from accounts.models import AccountKind, Membership, User
from accounts.roles import may
from common.errors import NotFound
from enterprise.errors import RoleMissing
from enterprise.models import Invitation

RANK = Case(
    *(When(role=role, then=Value(rank)) for rank, role in enumerate(Role)), output_field=IntegerField()
)


def organisations_of(user: User) -> Sequence[Membership]:
    """The person's places in organisations, the oldest first."""
    rows = Membership.objects.filter(user=user, account__kind=AccountKind.ORGANISATION)
    return list(rows.select_related("account").order_by("created_at", "pk"))


def members_of(account_id: int) -> QuerySet[Membership]:
    """Everybody who belongs to it, owners first, then by how long they do."""
    rows = Membership.objects.filter(account_id=account_id).select_related("user")
    return rows.order_by(RANK, "created_at", "pk")


def membership_get(*, account_id: int, membership_id: int) -> Membership:
    """NotFound for who is no member of that organisation, and for a number that nobody has."""
    found = members_of(account_id).filter(pk=membership_id).first()
    if found is None:
        raise NotFound
    return found


def role_in(*, account_id: int, user: User) -> Role:
    """What this person is there. NotFound for who does not belong to it: for them it does not exist."""
    found = Membership.objects.filter(account_id=account_id, user=user, user__is_active=True).first()
    if found is None:
        raise NotFound
    return Role(found.role)


def role_checked(*, account_id: int, user: User, permission: Permission) -> Role:
    """The person's role, which lets them do this. NotFound as role_in; RoleMissing when it does not."""
    role = role_in(account_id=account_id, user=user)
    if not may(role, permission):
        raise RoleMissing.of(role, permission)
    return role


def invitations_open(*, account_id: int, now: datetime) -> QuerySet[Invitation]:
    """Offers that can still be taken, the newest first."""
    rows = Invitation.objects.filter(account_id=account_id, closed_at=None, expires_at__gt=now)
    return rows.select_related("invited_by").order_by("-created_at", "-pk")


def invitation_get(*, account_id: int, invitation_id: UUID) -> Invitation:
    """The organisation's offer, as long as nobody took it or took it back. NotFound."""
    found = Invitation.objects.filter(account_id=account_id, public_id=invitation_id, closed_at=None).first()
    if found is None:
        raise NotFound
    return found


def invitation_found(token_hash: bytes) -> Invitation | None:
    """The offer whose link has this hash, open or not."""
    return Invitation.objects.select_related("account", "invited_by").filter(token_hash=token_hash).first()
