"""What the sample product does after the request."""

from uuid import UUID

from common.outbox import outbox_task
from showcase import services


@outbox_task(services.COUNTING_TASK, atomic=False)
def persona_count(*, account_id: int, persona_id: str) -> None:
    """The second look: whatever a crash left between a persona and its unit is put right."""
    services.persona_count(account_id=account_id, persona_id=UUID(persona_id))
