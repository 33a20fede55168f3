"""What the sample product keeps: conversations, and the personas that a plan's capacity counts."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models

from accounts.models import Account

MAX_TEXT_LENGTH = 4_000
MAX_NAME_LENGTH = 80


class ChatMessage(models.Model):
    """A question and its reply. The conversation of an account is its messages in order."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="chat_messages")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="chat_messages")
    text = models.CharField(max_length=MAX_TEXT_LENGTH)
    reply = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account", "-created_at", "id"], name="chat_by_account")]

    def __str__(self) -> str:
        return str(self.id)


class Persona(models.Model):
    """A character somebody keeps. `traits` is a text, a list of texts or texts by name, as it was given.

    Archived personas are kept but do not count: a smaller plan archives what it has no room for. `unit_key`: the key
    under which the meter counts this one; none while it is archived.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="personas")
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    traits = models.JSONField()
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)
    unit_key = models.CharField(max_length=80, null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account", "-created_at", "id"], name="persona_by_account")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(archived_at__isnull=True, unit_key__isnull=False)
                | models.Q(archived_at__isnull=False, unit_key__isnull=True),
                name="persona_in_use_is_counted",
            ),
        ]

    def __str__(self) -> str:
        return self.name
