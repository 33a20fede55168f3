"""What the sample product does after the request."""

from uuid import UUID

from common.outbox import outbox_task
from showcase import keeping


@outbox_task(keeping.COUNTING_TASK, atomic=False)
def persona_count(*, account_id: int, persona_id: str, key: str = "") -> None:
    """The second look: whatever a crash left between a persona and its unit is put right."""
    subject = UUID(persona_id)
    keeping.persona_count(account_id=account_id, persona_id=subject, key=key or keeping.first_key(subject))
