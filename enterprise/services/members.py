"""Who belongs to an organisation, and as what. The members of one organisation are changed one after the other."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.enums import NotificationKind, Permission, Role
from accounts.locks import lock_account
from accounts.models import Account, Membership, User
from accounts.notifications import notify
from accounts.roles import may_give
from accounts.services import account_create_organisation
from common import audit
from common.errors import ValidationError
from common.plain_text import HIDDEN, is_plain_line
from enterprise.errors import RoleMissing
from enterprise.models import Invitation
from enterprise.selectors.members import membership_get, role_checked, role_in

MOST_OWNED = 20
MAX_NAME_LENGTH = 120


@transaction.atomic
def organisation_create(*, name: str, owner: User, now: datetime) -> Account:
    """An organisation of somebody who is signed in; they are its first owner. ValidationError."""
    cleaned = " ".join(name.split())
    if not cleaned or len(cleaned) > MAX_NAME_LENGTH:
        raise ValidationError.of("name", "invalid", _("Give it a name of at most 120 characters."))
    if not is_plain_line(cleaned):
        raise ValidationError.of("name", "hidden_characters", str(HIDDEN))
    User.objects.select_for_update(no_key=True).get(
        pk=owner.pk
    )  # two at once are counted one after the other
    if owner.memberships.filter(role=Role.OWNER).count() >= MOST_OWNED:
        raise ValidationError.of(
            "name", "too_many", _("You own %(most)s organisations already.") % {"most": MOST_OWNED}
        )
    account = account_create_organisation(name=cleaned, owner=owner, now=now)
    _audit("organisation.created", account.pk, owner, owner.pk, now)
    return account


@transaction.atomic
def member_role_change(
    *, account: Account, actor: User, membership_id: int, role: str, now: datetime
) -> Membership:
    """Make a member something else. RoleMissing unless `actor` may touch both roles; NotFound for no member.

    ValidationError for a role that does not exist, and for the last owner, who stays one.
    """
    wanted = role_of_text(role)
    lock_account(account.pk)
    own = role_checked(account_id=account.pk, user=actor, permission=Permission.VIEW)
    membership = membership_get(account_id=account.pk, membership_id=membership_id)
    check_may_give(own, membership.role)
    check_may_give(own, wanted)
    before = Role(membership.role)
    if before == wanted:
        return membership
    _check_owner_left(membership)
    _become(membership, wanted, now)
    _audit(
        "member.role_changed", account.pk, actor, membership.user_id, now, from_role=before, to_role=wanted
    )
    _tell(membership, "membership_role", actor, now, role=wanted)
    return membership


@transaction.atomic
def member_remove(*, account: Account, actor: User, membership_id: int, now: datetime) -> Membership:
    """Somebody leaves, which everybody may, or is removed, which RoleMissing may forbid. NotFound for no member.

    ValidationError for the last owner. Keys they made go on working: they are the organisation's; offers they made
    are withdrawn.
    """
    lock_account(account.pk)
    own = role_in(account_id=account.pk, user=actor)
    membership = membership_get(account_id=account.pk, membership_id=membership_id)
    is_self = membership.user_id == actor.pk
    if not is_self:
        check_may_give(own, membership.role)
    _check_owner_left(membership)
    Membership.objects.filter(pk=membership.pk).delete()
    _offers_withdraw(membership, None, now)
    action = "member.left" if is_self else "member.removed"
    _audit(action, account.pk, actor, membership.user_id, now, role=membership.role)
    _tell(membership, "membership_ended", actor, now)
    return membership


@transaction.atomic
def ownership_transfer(*, account: Account, actor: User, membership_id: int, now: datetime) -> Membership:
    """Make another member the owner; who was it becomes an administrator. RoleMissing, NotFound; ValidationError for oneself."""
    lock_account(account.pk)
    role_checked(account_id=account.pk, user=actor, permission=Permission.OWNERS)
    successor = membership_get(account_id=account.pk, membership_id=membership_id)
    if successor.user_id == actor.pk or not successor.user.is_active:
        raise ValidationError.of("member", "invalid_choice", _("Choose another member."))
    own = Membership.objects.get(account=account, user=actor)
    _become(successor, Role.OWNER, now)
    _become(own, Role.ADMIN, now)
    _audit("member.ownership_transferred", account.pk, actor, successor.user_id, now, from_user=actor.pk)
    _tell(successor, "membership_role", actor, now, role=Role.OWNER)
    return successor


def role_of_text(role: str) -> Role:
    """ValidationError for what is no role."""
    if role not in Role.values:
        raise ValidationError.of("role", "invalid_choice", _("Choose one of the roles."))
    return Role(role)


def check_may_give(own: str, role: str) -> None:
    """RoleMissing unless who is `own` may make somebody a `role`, or touch somebody who is one."""
    if not may_give(own, role):
        raise RoleMissing.of(own, Permission.OWNERS if role == Role.OWNER else Permission.MEMBERS)


def _become(membership: Membership, role: Role, now: datetime) -> None:
    Membership.objects.filter(pk=membership.pk).update(role=role)
    membership.role = role
    _offers_withdraw(membership, role, now)


def _offers_withdraw(membership: Membership, role: Role | None, now: datetime) -> None:
    """Offers that this person made and could not make any more end: nobody joins by the word of who has no say."""
    open_ones = Invitation.objects.filter(
        account_id=membership.account_id, invited_by_id=membership.user_id, closed_at=None
    )
    gone = [one for one in open_ones if role is None or not may_give(role, one.role)]
    Invitation.objects.filter(pk__in=[one.pk for one in gone]).update(closed_at=now)
    for one in gone:
        audit.record(
            actor=audit.SYSTEM,
            account_id=one.account_id,
            action="invitation.withdrawn",
            subject=str(one.public_id),
            reason="who made it may not any more",
            now=now,
        )


def _check_owner_left(membership: Membership) -> None:
    """Somebody who can still sign in has to be able to do everything."""
    if membership.role != Role.OWNER:
        return
    others = Membership.objects.filter(
        account_id=membership.account_id, role=Role.OWNER, user__is_active=True
    ).exclude(pk=membership.pk)
    if not others.exists():
        told = _(
            "An organisation needs an owner. Make another member an owner first, or close the organisation."
        )
        raise ValidationError.of("role", "last_owner", told)


def _tell(membership: Membership, template: str, actor: User, now: datetime, **context: str) -> None:
    """Tell the person whose place changed, unless it was by their own hand."""
    if membership.user_id == actor.pk or not membership.user.is_active:
        return
    account = membership.account
    notify(
        kind=NotificationKind.MEMBERSHIP,
        template=template,
        cause=f"member:{membership.pk}:{now.isoformat()}",
        context={"organisation": account.name, **context},
        account=account,
        users=[membership.user],
        now=now,
    )


def _audit(action: str, account_id: int, actor: User, subject: int, now: datetime, **data: Any) -> None:
    """Members are named by number: the trail outlives their addresses."""
    told = {name: str(value) for name, value in data.items()}
    audit.record(
        actor=actor, account_id=account_id, action=action, subject=f"user {subject}", data=told, now=now
    )
