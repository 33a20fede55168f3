"""What the sample product keeps about a person."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.personal import Holder, Person, register
from showcase.keeping import persona_delete
from showcase.models import ChatMessage, Persona


def export(who: Person) -> dict[str, Any]:
    return {
        "messages": list(
            ChatMessage.objects.filter(user=who.user)
            .order_by("created_at")
            .values("text", "reply", "created_at")
        ),
        "personas": list(
            Persona.objects.filter(account=who.account)
            .order_by("created_at")
            .values("id", "name", "traits", "created_at", "archived_at")
        ),
    }


def end(who: Person, now: datetime) -> None:
    """Personas go one by one, as when their owner deletes them, so that each gives its unit back."""
    if who.account is None:
        return
    for persona_id in Persona.objects.filter(account=who.account).values_list("pk", flat=True):
        persona_delete(account_id=who.account.pk, persona_id=persona_id, now=now)


def erase(who: Person, now: datetime) -> None:  # noqa: ARG001 - one signature for all
    ChatMessage.objects.filter(user=who.user).delete()
    if who.account is not None:
        ChatMessage.objects.filter(account=who.account).delete()


def lost(who: Person) -> list[str]:
    messages = ChatMessage.objects.filter(user=who.user).count()
    personas = Persona.objects.filter(account=who.account).count() if who.account else 0
    lines = [_("Your conversation with the desk is erased.")] if messages else []
    if personas:
        lines.append(
            ngettext("%(count)s persona is erased.", "%(count)s personas are erased.", personas)
            % {"count": personas}
        )
    return lines


register(Holder("showcase", export, erase, end=end, lost=lost))
