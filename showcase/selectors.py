"""Reading conversations and personas, always of one account."""

from uuid import UUID

from django.db.models import QuerySet

from billing.stored import StoredThing
from common.errors import NotFound
from showcase.models import ChatMessage, Persona


def conversation(account_id: int) -> QuerySet[ChatMessage]:
    """All messages of an account, newest first."""
    return ChatMessage.objects.filter(account_id=account_id).order_by("-created_at", "id")


def personas(account_id: int) -> QuerySet[Persona]:
    """All personas of an account, archived ones too, newest first."""
    return Persona.objects.filter(account_id=account_id).order_by("-created_at", "id")


def personas_in_use(account_id: int) -> list[StoredThing]:
    """Those that count, the one to be kept longest first: the oldest."""
    return _as_stored(Persona.objects.filter(account_id=account_id, archived_at=None))


def personas_archived(account_id: int) -> list[StoredThing]:
    """Those put away, the one that comes back first, first: the oldest."""
    return _as_stored(Persona.objects.filter(account_id=account_id, archived_at__isnull=False))


def _as_stored(rows: QuerySet[Persona]) -> list[StoredThing]:
    ordered = rows.order_by("created_at", "id")
    return [{"id": str(persona.pk), "name": persona.name} for persona in ordered]


def persona_get(*, account_id: int, persona_id: UUID) -> Persona:
    """NotFound for an unknown persona and for another account's alike."""
    persona = Persona.objects.filter(account_id=account_id, pk=persona_id).first()
    if persona is None:
        raise NotFound
    return persona
