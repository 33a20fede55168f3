"""What a person's inbox shows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.enums import NotificationKind
from accounts.models import Notification, User
from accounts.notifications.messages import Message, message_of


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A notification with its words, in the reader's language."""

    id: UUID
    kind: str
    message: Message
    created_at: datetime
    read_at: datetime | None


def inbox(user: User) -> QuerySet[Notification]:
    """What is shown to this person in the app, newest first."""
    return Notification.objects.filter(user=user, in_app=True).order_by("-created_at", "-id")


def news_unread(user: User) -> InboxItem | None:
    """The newest piece of news that they have not read."""
    found = inbox(user).filter(kind=NotificationKind.NEWS, read_at=None).first()
    return inbox_item(found) if found else None


def unread_count(user: User, *, most: int = 100) -> int:
    """How many are not read; counting stops at `most`."""
    return inbox(user).filter(read_at=None).order_by()[:most].count()


def inbox_item(notification: Notification) -> InboxItem:
    return InboxItem(
        id=notification.pk,
        kind=notification.kind,
        message=message_of(notification.template, notification.context),
        created_at=notification.created_at,
        read_at=notification.read_at,
    )


def notification_json(notification: Notification) -> dict[str, Any]:
    """As the API tells it."""
    item = inbox_item(notification)
    return {
        "id": str(item.id),
        "kind": item.kind,
        "title": item.message.subject,
        "text": "\n".join(item.message.lines),
        "url": item.message.action.path if item.message.action else None,
        "created_at": item.created_at,
        "read_at": item.read_at,
    }
