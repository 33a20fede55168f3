"""Leaving: everything about a person handed out, and everything about them erased that the law does not keep.

The wish is a row first. From then on the person cannot sign in. Then what costs money ends (the live subscription, at
Stripe), then one transaction erases. A crash between two of these leaves the row, and a promise carries it out.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Account, AccountDeletion, Membership, Role, User
from accounts.passwords import password_check
from accounts.personal import Person, holders, person
from common import audit, outbox
from common.errors import DomainError, PermissionDenied

logger = structlog.get_logger(__name__)

CARRY_OUT = "accounts.account_deletion"
OWN_TRY = timedelta(minutes=1)
"""So long the request that asks has for itself: two at once would be in each other's way at Stripe."""


def personal_data(user: User) -> dict[str, Any]:
    """All that is kept about a person, by holder."""
    who = person(user)
    return {holder.name: holder.export(who) for holder in reversed(holders())}


def deletion_consequences(user: User) -> list[str]:
    """What ends and what goes, in sentences."""
    who = person(user)
    return [line for holder in holders() if holder.lost for line in holder.lost(who)]


def deletion_obstacle(user: User) -> str:
    """Why this person cannot be deleted yet, in a sentence; nothing where they can."""
    orphans = _orphans(user, list(_owned(user)))
    return _orphans_text(orphans) if orphans else ""


def account_delete(*, user: User, password: str, request_id: str, now: datetime) -> AccountDeletion:
    """Forget this person. `done_at` is None when something outside (Stripe) has to be waited for; it goes on by itself.

    ValidationError for a wrong password, PermissionDenied for an organisation's last owner; nothing changes then.
    """
    password_check(user, password)
    deletion = _begin(user, request_id, now)
    try:
        return deletion_carry_out(deletion_id=deletion.pk, now=now)
    except DomainError as error:
        logger.warning("account_deletion_waits", deletion=str(deletion.pk), code=error.code)
        return deletion


def _owned(user: User) -> QuerySet[Account]:
    return Account.objects.filter(memberships__user=user, memberships__role=Role.OWNER)


def _orphans(user: User, owned: Sequence[Account]) -> list[str]:
    """The names of those organisations that would be left without an owner; one who is leaving too is none."""
    others = Membership.objects.filter(role=Role.OWNER, user__is_active=True).exclude(user=user)
    kept = set(others.filter(account__in=owned).values_list("account_id", flat=True))
    return sorted(account.name for account in owned if account.pk not in kept)


def _orphans_text(orphans: Sequence[str]) -> str:
    told = _(
        "You are the last owner of %(names)s. Make another member an owner first, or close the organisation, on"
        " the page of its members."
    )
    return told % {"names": ", ".join(orphans)}


def _check_no_orphans(user: User) -> None:
    """The organisations stay locked until the wish is written, so that of its last two owners only one can leave."""
    locked = list(Account.objects.select_for_update(no_key=True).filter(pk__in=_owned(user)).order_by("pk"))
    if orphans := _orphans(user, locked):
        raise PermissionDenied(_orphans_text(orphans), details={"organisations": orphans})


@transaction.atomic
def _begin(user: User, request_id: str, now: datetime) -> AccountDeletion:
    begun = AccountDeletion.objects.filter(user=user).first()
    if begun is not None:
        return begun
    _check_no_orphans(user)
    locked = User.objects.select_for_update().get(pk=user.pk)
    deletion, is_new = AccountDeletion.objects.get_or_create(
        user=locked,
        defaults={"account": person(locked).account, "request_id": request_id, "requested_at": now},
    )
    if is_new:
        locked.is_active = False
        locked.save(update_fields=["is_active"])
        audit.record(
            actor=locked,
            account_id=deletion.account_id,
            action="account.deletion_requested",
            subject=str(deletion.pk),
            now=now,
        )
        outbox.promise(CARRY_OUT, {"deletion_id": str(deletion.pk)}, due_at=now + OWN_TRY, now=now)
    return deletion


def deletion_carry_out(*, deletion_id: UUID, now: datetime) -> AccountDeletion:
    """End what runs, then erase. Done before: nothing. A DomainError leaves it to be done later."""
    deletion = AccountDeletion.objects.select_related("user", "account").get(pk=deletion_id)
    if deletion.done_at is not None:
        return deletion
    who = Person(deletion.user, deletion.account)
    for holder in holders():
        if holder.end:
            holder.end(who, now)
    return _erase(deletion_id, now)


@transaction.atomic
def _erase(deletion_id: UUID, now: datetime) -> AccountDeletion:
    deletion = (
        AccountDeletion.objects.select_for_update(of=("self",))
        .select_related("user", "account")
        .get(pk=deletion_id)
    )
    if deletion.done_at is not None:
        return deletion
    who = Person(deletion.user, deletion.account)
    if who.account is not None:
        deletion.kept = {"stripe_customer": who.account.stripe_customer_id}
    for holder in holders():
        holder.erase(who, now)
    deletion.done_at = now
    deletion.save()
    audit.record(
        actor=deletion.user,
        account_id=deletion.account_id,
        action="account.deleted",
        subject=str(deletion.pk),
        now=now,
    )
    return deletion
