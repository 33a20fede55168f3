"""The audit trail and the promises, to be read."""

from django.contrib import admin

from common.admin.base import ReadOnly
from common.models import Anomaly, AuditEntry, OutboxMessage


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = (
        "at",
        "action",
        "subject",
        "account_id",
        "actor_id",
        "actor_label",
        "reason",
        "request_id",
    )
    search_fields = ("=request_id", "=account_id")
    search_help_text = "A request id, or an account's number"
    ordering = ("-at",)


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnly):
    list_display = ("id", "task", "due_at", "attempts", "done_at", "parked_at", "request_id")
    list_filter = (("parked_at", admin.EmptyFieldListFilter), ("done_at", admin.EmptyFieldListFilter))
    search_fields = ("=id", "=dedupe_key")
    search_help_text = "A number, or a key"
    ordering = ("-id",)
    exclude = ("payload",)  # may name people; who looks after queues needs no names


@admin.register(Anomaly)
class AnomalyAdmin(ReadOnly):
    list_display = ("began_at", "kind", "subject", "observed", "usual", "seen_at", "ended_at")
    list_filter = ("kind", ("ended_at", admin.EmptyFieldListFilter))
    search_fields = ("=account_id",)
    search_help_text = "An account's number"
    ordering = ("-began_at",)
