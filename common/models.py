"""Tables every app may lean on: the sandbox's clock, idempotent answers, the outbox, the audit trail."""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models


class SandboxClock(models.Model):
    """How far the sandbox's time is ahead of real time. No row, no shift. Never written outside the sandbox."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    shift = models.DurationField()

    class Meta:
        db_table = "common_sandbox_clock"
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="sandbox_clock_one_row"),
        ]


class IdempotencyRecord(models.Model):
    """The first answer to a request that carried an Idempotency-Key, for replay.

    Unique per scope (who calls), method and path, and key. `completed_at` null: the first one is still running,
    or died; after `locked_until` another may take it over.
    """

    scope = models.CharField(max_length=64)
    endpoint = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    body_sha256 = models.BinaryField(max_length=32)
    created_at = models.DateTimeField()
    locked_until = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["scope", "endpoint", "key"], name="idempotency_once"),
            models.CheckConstraint(
                condition=models.Q(completed_at__isnull=True) | models.Q(status__isnull=False),
                name="idempotency_completed_has_answer",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["created_at"], name="idempotency_by_age")]


class OutboxMessage(models.Model):
    """Work promised by a transaction: written with it, dispatched after it, at least once.

    `task` is a Celery task's name, `payload` its keyword arguments. `dedupe_key` makes a promise once only.
    `due_at` goes by the application's clock; `sent_at` and `locked_until` by the database's real time, since they
    are about processes. Ended when `done_at` or, after too many failures, `parked_at` is set.
    """

    id = models.BigAutoField(primary_key=True)
    task = models.CharField(max_length=120)
    payload = models.JSONField(encoder=DjangoJSONEncoder, default=dict)
    dedupe_key = models.CharField(max_length=200, null=True, unique=True)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    parked_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    locked_until = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(done_at__isnull=True, parked_at__isnull=True),
                name="outbox_open",
            ),
            models.Index(
                fields=["parked_at"], condition=models.Q(parked_at__isnull=False), name="outbox_parked"
            ),
            models.Index(fields=["done_at"], condition=models.Q(done_at__isnull=False), name="outbox_done"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(done_at__isnull=True) | models.Q(parked_at__isnull=True),
                name="outbox_done_or_parked",
            ),
        ]


class AuditEntry(models.Model):
    """Who did what to whom, and why; rows are never changed or removed (a trigger refuses).

    `actor_id` is a user's id without a foreign key: the trail outlives the person's row.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True)
    actor_label = models.CharField(max_length=120)
    account_id = models.BigIntegerField(null=True)
    action = models.CharField(max_length=80)
    subject = models.CharField(max_length=120, blank=True)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    data = models.JSONField(encoder=DjangoJSONEncoder, default=dict)
    tags = ArrayField(models.CharField(max_length=40), default=list)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account_id", "-at"], name="audit_by_account"),
            models.Index(fields=["request_id"], name="audit_by_request"),
        ]
        verbose_name_plural = "audit entries"


class Anomaly(models.Model):
    """Something unlike usual, from when it was first seen to when it was gone; `observed` and `usual` as last seen.

    While it lasts there is one row for it.
    """

    kind = models.CharField(max_length=20)
    subject = models.CharField(max_length=120)
    account_id = models.BigIntegerField(null=True)
    observed = models.BigIntegerField()
    usual = models.BigIntegerField()
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "anomalies"
        indexes: ClassVar = [models.Index(fields=["ended_at"], name="anomaly_by_end")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=models.Q(ended_at__isnull=True), name="anomaly_one_open"
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at__isnull=True) | models.Q(ended_at__gte=models.F("began_at")),
                name="anomaly_times",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"
