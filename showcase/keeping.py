"""Personas as things that exist: made, removed, archived when a plan has no room for them, and brought back.

A persona in use takes one unit of the capacity, under the key in its `unit_key`. Taking a unit comes before the
persona is there, giving it back after it is gone, so that at no moment more are in use than the meter has counted. The
meter decides on its own connection; whatever a crash leaves between the two is put right by a promised second look.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from accounts.models import Account
from billing.services import stored_check
from common.errors import NotFound
from common.outbox import promise
from quotas.services import raise_for_refusal, usage_consume, usage_give_back
from quotas.values import Decision
from showcase.models import Persona

PERSONAS = "personas"
SUBJECT_PREFIX = "persona "
COUNTING_TASK = "showcase.tasks.persona_count"
# Longer than a request lives: a persona that is being made or brought back is not taken for one that was not.
SECOND_LOOK = timedelta(minutes=5)


def persona_create(
    *,
    account: Account,
    name: str,
    traits: Any,
    persona_id: UUID | None = None,
    request_id: str = "",
    now: datetime,
) -> tuple[Persona, Decision]:
    """A new persona, counted before it exists. QuotaExceeded when the plan has no room; then nothing is made.

    `persona_id`: an id that only this account could choose, so that made twice it is one, and counted once.
    """
    new_id = persona_id or uuid4()
    key = first_key(new_id)
    _promise_look(account.pk, new_id, key, now=now, due_at=now + SECOND_LOOK)
    decision = raise_for_refusal(_take(account.pk, new_id, key, request_id=request_id))
    made = {"name": name, "traits": traits, "created_at": now, "unit_key": key}
    try:
        persona, _made = Persona.objects.get_or_create(id=new_id, account=account, defaults=made)
    except BaseException:
        persona_count(account_id=account.pk, persona_id=new_id, key=key)
        raise
    stored_check(account_id=account.pk, metric=PERSONAS, now=now)
    return persona, decision


def persona_delete(*, account_id: int, persona_id: UUID, now: datetime) -> None:
    """Remove a persona, archived or not, and give its unit back. NotFound for an unknown one and for another
    account's alike.
    """
    with transaction.atomic():
        persona = Persona.objects.select_for_update().filter(account_id=account_id, pk=persona_id).first()
        if persona is None:
            raise NotFound
        persona.delete()
        if persona.unit_key is not None:
            _promise_look(account_id, persona_id, persona.unit_key, now=now, due_at=now)
    if persona.unit_key is not None:
        persona_count(account_id=account_id, persona_id=persona_id, key=persona.unit_key)


def personas_archive(*, account_id: int, ids: Iterable[str], now: datetime) -> int:
    """Put these away: they are kept and no longer count. Archived or gone before: nothing. How many were."""
    with transaction.atomic():
        rows = Persona.objects.select_for_update().filter(
            account_id=account_id, pk__in=list(ids), archived_at=None
        )
        put_away = [(persona.pk, str(persona.unit_key)) for persona in rows.order_by("pk")]
        Persona.objects.filter(pk__in=[pk for pk, _ in put_away]).update(archived_at=now, unit_key=None)
        for pk, key in put_away:
            _promise_look(account_id, pk, key, now=now, due_at=now)
    for pk, key in put_away:
        persona_count(account_id=account_id, persona_id=pk, key=key)
    return len(put_away)


def persona_restore(
    *, account_id: int, persona_id: UUID, request_id: str = "", now: datetime
) -> tuple[Persona, Decision | None]:
    """Bring an archived persona back into use; in use already: nothing, and no decision.

    QuotaExceeded when the plan has no room; then it stays archived. NotFound as for a deletion.
    """
    key = f"{first_key(persona_id)}-{uuid4().hex}"
    _promise_look(account_id, persona_id, key, now=now, due_at=now + SECOND_LOOK)
    with transaction.atomic():
        # The meter never waits for a persona's row, so it can be asked while the row is held.
        persona = Persona.objects.select_for_update().filter(account_id=account_id, pk=persona_id).first()
        if persona is None:
            raise NotFound
        if persona.archived_at is None:
            return persona, None
        decision = raise_for_refusal(_take(account_id, persona_id, key, request_id=request_id))
        persona.archived_at, persona.unit_key = None, key
        persona.save(update_fields=["archived_at", "unit_key"])
    stored_check(account_id=account_id, metric=PERSONAS, now=now)
    return persona, decision


def persona_count(*, account_id: int, persona_id: UUID, key: str) -> None:
    """The second look: the unit under `key` is counted if and only if the persona is in use by it.

    Waits for whoever is bringing the persona back just now. Repeating is harmless.
    """
    with transaction.atomic():
        rows = Persona.objects.select_for_update().filter(account_id=account_id, pk=persona_id)
        in_use_by_it = any(persona.unit_key == key for persona in rows)
    if not in_use_by_it:
        _take_back(account_id, persona_id, key)


def first_key(persona_id: UUID) -> str:
    """The key under which a new persona is counted."""
    return f"persona-{persona_id}"


def _take(account_id: int, persona_id: UUID, key: str, *, request_id: str = "") -> Decision:
    return usage_consume(
        account_id=account_id,
        metric=PERSONAS,
        key=key,
        subject=f"{SUBJECT_PREFIX}{persona_id}",
        request_id=request_id,
    )


def _take_back(account_id: int, persona_id: UUID, key: str) -> None:
    # The key brings back the first decision. Was it never made, it is made now and undone at once; was it a refusal,
    # there is nothing to undo.
    if _take(account_id, persona_id, key).allowed:
        usage_give_back(
            account_id=account_id,
            metric=PERSONAS,
            key=f"{key}-removed",
            subject=f"{SUBJECT_PREFIX}{persona_id}",
        )


def _promise_look(account_id: int, persona_id: UUID, key: str, *, now: datetime, due_at: datetime) -> None:
    payload = {"account_id": account_id, "persona_id": str(persona_id), "key": key}
    with transaction.atomic():
        promise(COUNTING_TASK, payload, now=now, due_at=due_at)
