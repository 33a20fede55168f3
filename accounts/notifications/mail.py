"""A notification as a mail, sent at most once."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import EmailStatus, Notification
from accounts.notifications.messages import message_of
from accounts.notifications.services import unsubscribe_token

logger = structlog.get_logger(__name__)


def notification_send(*, notification_id: UUID, now: datetime) -> None:
    """Send its mail, unless it was sent. What the mail server refuses is tried again by whoever called.

    The row says "being sent" before the mail server hears of it: a process that dies in between leaves it so, and
    since nobody can know whether the mail went out, it is not sent again.
    """
    rows = Notification.objects.filter(pk=notification_id)
    if not rows.filter(email_status=EmailStatus.WAITING).update(email_status=EmailStatus.SENDING):
        if rows.filter(email_status=EmailStatus.SENDING).update(email_status=EmailStatus.UNSURE):
            logger.warning("notification_perhaps_sent", notification=str(notification_id))
        return
    try:
        mail_of(rows.select_related("user").get()).send()
    except Exception:
        rows.update(email_status=EmailStatus.WAITING)
        raise
    rows.update(email_status=EmailStatus.SENT, emailed_at=now)


def mail_of(notification: Notification) -> EmailMultiAlternatives:
    """The mail in its person's language and time zone, as text and as HTML, with links to turn its kind off."""
    user = notification.user
    with translation.override(user.language), timezone.override(ZoneInfo(user.timezone)):
        message = message_of(notification.template, notification.context)
        token = unsubscribe_token(user_id=user.pk, kind=notification.kind)
        off_url = settings.BASE_URL + reverse("notification_unsubscribe", args=[token])
        context = {
            "message": message,
            "user": user,
            "kind": notification.get_kind_display(),
            "action_url": settings.BASE_URL + message.action.path if message.action else "",
            "settings_url": settings.BASE_URL + reverse("account_settings_page"),
            "unsubscribe_url": off_url,
            "language": user.language,
            "support_email": settings.SUPPORT_EMAIL,
        }
        mail = EmailMultiAlternatives(
            subject=" ".join(message.subject.splitlines()),
            body=render_to_string("notifications/mail.txt", context),
            to=[user.email],
            headers={
                "List-Unsubscribe": f"<{off_url}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "Auto-Submitted": "auto-generated",
                "Message-ID": f"<{notification.pk}@{settings.DEFAULT_FROM_EMAIL.rsplit('@', 1)[-1].rstrip('>')}>",
            },
        )
        mail.attach_alternative(render_to_string("notifications/mail.html", context), "text/html")
    return mail
