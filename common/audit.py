"""The trail of who did what to whom, and why. Written in the transaction of the act itself; never changed."""

from datetime import datetime
from typing import Any

from common.models import AuditEntry
from common.request_id import current_request_id

SYSTEM = "system"


def record(
    *,
    actor: Any,
    account_id: int | None,
    action: str,
    subject: str = "",
    reason: str = "",
    data: dict[str, Any] | None = None,
    now: datetime,
) -> AuditEntry:
    """Add an entry. `actor` is a user, the name of a part of the system, or None for the system as such.

    A user is named by id and role only: the trail outlives the person's data. `action` reads `thing.happened`;
    `data` holds no secrets.
    """
    is_person = hasattr(actor, "pk")
    return AuditEntry.objects.create(
        at=now,
        actor_id=actor.pk if is_person else None,
        actor_label=_label(actor) if is_person else (actor or SYSTEM),
        account_id=account_id,
        action=action,
        subject=subject,
        reason=reason,
        request_id=current_request_id(),
        data=data or {},
    )


def _label(user: Any) -> str:
    return "staff" if getattr(user, "is_staff", False) else "user"
