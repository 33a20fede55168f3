"""What the sample product keeps: conversations, the personas that a plan's capacity counts, and charts to be drawn."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models

from accounts.models import Account
from showcase.enums import OPEN_STATES, STATUS_OF, GenerationState, GenerationStatus

MAX_TEXT_LENGTH = 4_000
MAX_PROMPT_LENGTH = 1_000
MAX_CHARTS = 1_000
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


class Generation(models.Model):
    """Charts somebody has ordered: a job that is paid before it is queued. `chart_at`: the first chart's moment, a day
    lies between each and the next.

    `work_key` names what is paid. `request_key`: the caller's Idempotency-Key with who called, as long as sending it
    again means this job. `tried_at`: when somebody last took it on; so long after it nobody can be at it any more.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="generations")
    credential_id = models.BigIntegerField(null=True)
    request_key = models.CharField(max_length=300, null=True)
    request_id = models.CharField(max_length=64, blank=True)
    prompt = models.CharField(max_length=MAX_PROMPT_LENGTH)
    count = models.PositiveIntegerField()
    chart_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=GenerationState.choices, default=GenerationState.NEW)
    allowance_units = models.BigIntegerField(default=0)
    credit_units = models.BigIntegerField(default=0)
    overage_units = models.BigIntegerField(default=0)
    overage_charge_id = models.UUIDField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    error_code = models.CharField(max_length=60, blank=True)
    requested_at = models.DateTimeField()
    tried_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "-requested_at", "id"], name="generation_by_account"),
            models.Index(
                fields=["tried_at"],
                condition=models.Q(state__in=sorted(OPEN_STATES)),
                name="generation_open",
            ),
            models.Index(
                fields=["requested_at"],
                condition=models.Q(state=GenerationState.FAILED, sent_at__isnull=True),
                name="generation_refused",
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "request_key"], name="generation_request_once"),
            models.CheckConstraint(
                condition=models.Q(count__gte=1, count__lte=MAX_CHARTS), name="generation_count"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def status(self) -> GenerationStatus:
        return STATUS_OF[GenerationState(self.state)]

    @property
    def work_key(self) -> str:
        return f"{WORK_PREFIX}{self.id}"


WORK_PREFIX = "generation:"


class Chart(models.Model):
    """A wheel that was drawn: the `number`-th of its generation, from 1 on."""

    id = models.BigAutoField(primary_key=True)
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="charts")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    svg = models.TextField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["generation", "number"], name="chart_once"),
        ]

    def __str__(self) -> str:
        return f"{self.generation_id} {self.number}"
