"""Mails in the reader's language and time zone: `templates/mail/<name>.subject.txt`, `.txt` and `.html`."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone, translation


def mail_send(
    *,
    to: str,
    template: str,
    context: Callable[[], dict[str, Any]],
    language: str,
    zone: str,
    message_id: str,
) -> None:
    """Renders and sends one mail. `context` is asked for in the reader's language and time zone.

    Sent twice, it carries the same Message-ID, by which mail programs know it again.

    Raises whatever the mail server answers; the caller's promise is then kept later.
    """
    with translation.override(language), timezone.override(ZoneInfo(zone)):
        values = {"base_url": settings.BASE_URL, "support_email": settings.SUPPORT_EMAIL, **context()}
        subject = " ".join(render_to_string(f"mail/{template}.subject.txt", values).split())
        text = render_to_string(f"mail/{template}.txt", values)
        html = render_to_string(f"mail/{template}.html", values)
    mail = EmailMultiAlternatives(subject, text, to=[to], headers={"Message-ID": f"<{message_id}@palier>"})
    mail.attach_alternative(html, "text/html")
    mail.send()
