"""What a person can do with the sample product. Pages and API call the same functions.

Messages and exports are counted around the view, by one decorator. A persona is a thing that exists: how it is
counted, archived and brought back stands in `showcase.keeping`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings

from accounts.models import Account, User
from showcase.errors import DeliberateFailure
from showcase.models import ChatMessage, Persona
from showcase.oracle import answer

FAIL_TEXT = "/fail"


def message_send(
    *, account: Account, user: User, text: str, message_id: UUID | None = None, now: datetime
) -> ChatMessage:
    """Answer `text` in the user's language and keep both. In the sandbox, FAIL_TEXT raises DeliberateFailure.

    `message_id`: an id that only this account could choose, so that sending twice is the same message.
    """
    if settings.SANDBOX and text == FAIL_TEXT:
        raise DeliberateFailure(text)
    reply = answer(text, language=user.language, at=now)
    message, _made = ChatMessage.objects.get_or_create(
        id=message_id or uuid4(),
        account=account,
        defaults={"user": user, "text": text, "reply": reply, "created_at": now},
    )
    return message


def persona_export(*, persona: Persona, now: datetime) -> dict[str, Any]:
    """The persona as a document to take away."""
    return {"persona": persona, "exported_at": now}
