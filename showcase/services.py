"""What a person can do with the sample product. Pages and API call the same functions.

Messages and exports are counted around the view, by one decorator. A persona is a thing that exists: making it takes
a unit of the capacity and removing it gives the unit back, each with a key of its own, so that repeating is harmless.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from accounts.models import Account, User
from common.errors import NotFound
from common.outbox import promise
from quotas.services import raise_for_refusal, usage_consume, usage_give_back
from quotas.values import Decision
from showcase.errors import DeliberateFailure
from showcase.models import ChatMessage, Persona
from showcase.oracle import answer

PERSONAS = "personas"
SUBJECT_PREFIX = "persona "
FAIL_TEXT = "/fail"
COUNTING_TASK = "showcase.tasks.persona_count"
# Longer than a request lives: a persona that is being made is not taken for one that was not.
SECOND_LOOK = timedelta(minutes=5)


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


def persona_create(
    *, account: Account, name: str, traits: Any, request_id: str = "", now: datetime
) -> tuple[Persona, Decision]:
    """A new persona, counted before it exists. QuotaExceeded when the plan has no room; then nothing is made."""
    persona = Persona(id=uuid4(), account=account, name=name, traits=traits, created_at=now)
    _promise_second_look(persona, now=now, due_at=now + SECOND_LOOK)
    decision = raise_for_refusal(_count(account.pk, persona.pk, request_id=request_id))
    try:
        persona.save(force_insert=True)
    except BaseException:
        _uncount(account.pk, persona.pk)
        raise
    return persona, decision


def persona_delete(*, account_id: int, persona_id: UUID, now: datetime) -> None:
    """Remove a persona and give its unit back. NotFound for an unknown one and for another account's alike."""
    with transaction.atomic():
        persona = Persona.objects.select_for_update().filter(account_id=account_id, pk=persona_id).first()
        if persona is None:
            raise NotFound
        persona.delete()
        _promise_second_look(Persona(pk=persona_id, account_id=account_id), now=now, due_at=now)
    persona_count(account_id=account_id, persona_id=persona_id)


def persona_count(*, account_id: int, persona_id: UUID) -> None:
    """Make the meter agree with whether the persona exists, whatever a crash left undone. Repeating is harmless."""
    if Persona.objects.filter(account_id=account_id, pk=persona_id).exists():
        _count(account_id, persona_id)
    else:
        _uncount(account_id, persona_id)


def persona_export(*, persona: Persona, now: datetime) -> dict[str, Any]:
    """The persona as a document to take away."""
    return {"persona": persona, "exported_at": now}


def _count(account_id: int, persona_id: UUID, *, request_id: str = "") -> Decision:
    return usage_consume(
        account_id=account_id,
        metric=PERSONAS,
        key=f"persona-{persona_id}",
        subject=f"{SUBJECT_PREFIX}{persona_id}",
        request_id=request_id,
    )


def _uncount(account_id: int, persona_id: UUID) -> None:
    # The key brings back the first decision. Was it never made, it is made now and undone at once; was it a refusal,
    # there is nothing to undo.
    if _count(account_id, persona_id).allowed:
        usage_give_back(
            account_id=account_id,
            metric=PERSONAS,
            key=f"persona-{persona_id}-removed",
            subject=f"{SUBJECT_PREFIX}{persona_id}",
        )


def _promise_second_look(persona: Persona, *, now: datetime, due_at: datetime) -> None:
    payload = {"account_id": persona.account_id, "persona_id": str(persona.pk)}
    with transaction.atomic():
        promise(COUNTING_TASK, payload, now=now, due_at=due_at)
