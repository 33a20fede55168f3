"""What the parts that every app leans on keep about a person."""

from common.models import AuditEntry, IdempotencyRecord


def audit_of(*, actor_id: int, account_id: int | None) -> list[dict[str, object]]:
    """What is on record about a person's acts and their account, oldest first."""
    rows = AuditEntry.objects.filter(actor_id=actor_id)
    if account_id is not None:
        rows = rows | AuditEntry.objects.filter(account_id=account_id)
    return [
        {"at": row.at, "action": row.action, "subject": row.subject, "reason": row.reason}
        for row in rows.order_by("at")
    ]


def answers_forget(*, caller: str) -> None:
    """Kept answers may tell names and addresses. `caller` as common.callers has it."""
    IdempotencyRecord.objects.filter(scope=caller).delete()
