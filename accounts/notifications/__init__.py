"""Telling people things: once for each cause, by the ways they chose, in their language.

    with transaction.atomic():
        ...
        notify(kind=NotificationKind.PLAN_CHANGED, template="plan_upgraded", cause=f"plan_change:{change.pk}",
               account=account, context={"plan": "premium"}, now=now)

The words of a template are registered by the app that knows them, in its `notices` module (see `messages`).
"""

from accounts.notifications.messages import Action, Message, message
from accounts.notifications.services import (
    notification_read,
    notifications_read_all,
    notify,
    recipients_of,
    unsubscribe,
)

__all__ = [
    "Action",
    "Message",
    "message",
    "notification_read",
    "notifications_read_all",
    "notify",
    "recipients_of",
    "unsubscribe",
]
