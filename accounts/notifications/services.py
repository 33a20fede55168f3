"""Notifications made, read and turned off. Mails are promised in the same transaction and sent after it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core import signing
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.enums import Channel, NotificationKind, Permission
from accounts.models import Account, EmailStatus, Notification, User
from accounts.roles import roles_that_may
from accounts.rules import chosen_way
from accounts.settings import settings_update
from common import outbox
from common.errors import NotFound, ValidationError

MAIL = "accounts.notification_mail"
UNSUBSCRIBE_SALT = "accounts.unsubscribe"


def recipients_of(account: Account) -> list[User]:
    """Who is told about an account: the person whose it is, or those who manage an organisation's billing."""
    people = User.objects.filter(is_active=True)
    if account.personal_owner_id is not None:
        return list(people.filter(pk=account.personal_owner_id))
    roles = roles_that_may(Permission.BILLING)
    return list(people.filter(memberships__account=account, memberships__role__in=roles).order_by("pk"))


def notify(
    *,
    kind: NotificationKind | str,
    template: str,
    cause: str,
    context: dict[str, Any],
    now: datetime,
    account: Account | None = None,
    users: Iterable[User] | None = None,
) -> list[Notification]:
    """Tell `users`, or else the account's recipients. What is told already for this cause is not told again.

    Call it in the transaction of the cause. Returns what is new. A person who turned both ways off gets a row that
    nobody shows, so that turning a way on later does not bring old causes back.
    """
    if users is None:
        assert account is not None, "either the account or the people have to be named"
        users = recipients_of(account)
    told = (
        _tell(user, account=account, kind=kind, template=template, cause=cause, context=context, now=now)
        for user in users
    )
    return [one for one in told if one is not None]


@transaction.atomic
def _tell(
    user: User,
    *,
    account: Account | None,
    kind: str,
    template: str,
    cause: str,
    context: dict[str, Any],
    now: datetime,
) -> Notification | None:
    by_mail = chosen_way(user.notifications, kind, Channel.EMAIL)
    notification, is_new = Notification.objects.get_or_create(
        user=user,
        cause=cause,
        defaults={
            "account": account,
            "kind": kind,
            "template": template,
            "context": context,
            "in_app": chosen_way(user.notifications, kind, Channel.IN_APP),
            "email_status": EmailStatus.WAITING if by_mail else EmailStatus.NONE,
            "created_at": now,
        },
    )
    if not is_new:
        return None
    if by_mail:
        payload = {"notification_id": str(notification.pk)}
        outbox.promise(MAIL, payload, dedupe_key=f"notification:{notification.pk}", now=now)
    return notification


@transaction.atomic
def notification_resend(*, notification_id: UUID, once: str, now: datetime) -> Notification:
    """Send its mail once more, for support; twice with the same `once` is once. ValidationError while it is being sent.

    A person who chose not to get this kind by mail gets it all the same: they asked.
    """
    notification = Notification.objects.select_for_update().get(pk=notification_id)
    key = f"notification:{notification_id}:again:{once}"
    if outbox.is_promised(key):
        return notification
    if notification.email_status in (EmailStatus.WAITING, EmailStatus.SENDING):
        raise ValidationError.of("message", "being_sent", _("It is on its way already."))
    if not notification.user.is_active:
        raise ValidationError.of("message", "nobody", _("This person's account is deleted."))
    notification.email_status, notification.emailed_at = EmailStatus.WAITING, None
    notification.save(update_fields=["email_status", "emailed_at"])
    outbox.promise(MAIL, {"notification_id": str(notification.pk)}, dedupe_key=key, now=now)
    return notification


def notification_read(*, user: User, notification_id: UUID, now: datetime) -> Notification:
    """Mark one as read; read before: as it was. NotFound for anybody else's."""
    Notification.objects.filter(user=user, in_app=True, pk=notification_id, read_at=None).update(read_at=now)
    found = Notification.objects.filter(user=user, in_app=True, pk=notification_id).first()
    if found is None:
        raise NotFound
    return found


def notifications_read_all(*, user: User, now: datetime) -> int:
    """Mark all as read; how many were not."""
    return Notification.objects.filter(user=user, in_app=True, read_at=None).update(read_at=now)


def unsubscribe_token(*, user_id: int, kind: str) -> str:
    """What a mail's link carries: it turns this kind off for this person, without signing in, and nothing else."""
    return signing.dumps([user_id, kind], salt=UNSUBSCRIBE_SALT)


def unsubscribe_kind(token: str) -> tuple[User, NotificationKind]:
    """Whom and what a link is about. NotFound when it is not ours, or its person is gone."""
    try:
        user_id, kind = signing.loads(token, salt=UNSUBSCRIBE_SALT)
    except signing.BadSignature as error:
        raise NotFound from error
    user = User.objects.filter(pk=user_id).first()
    if user is None or kind not in NotificationKind.values:
        raise NotFound
    return user, NotificationKind(kind)


def unsubscribe(*, token: str) -> tuple[User, NotificationKind]:
    """Send this person no more mails of this kind; the inbox is as before. NotFound as unsubscribe_kind."""
    user, kind = unsubscribe_kind(token)
    settings_update(user=user, changes={"notifications": {kind.value: {Channel.EMAIL.value: False}}})
    return user, kind
