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

    `message_id`: an id the caller chose, so that sending twice is noticed (IntegrityError).
    """
    if settings.SANDBOX and text == FAIL_TEXT:
        raise DeliberateFailure(text)
    reply = answer(text, language=user.language, at=now)
    return ChatMessage.objects.create(
        id=message_id or uuid4(), account=account, user=user, text=text, reply=reply, created_at=now
    )


def persona_export(*, persona: Persona, now: datetime) -> dict[str, Any]:
    """The persona as a document to take away."""
    return {"persona": persona, "exported_at": now}
