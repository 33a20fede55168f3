"""What the sample product does after the request."""

from uuid import UUID

import structlog
from celery import shared_task

from common import clock
from common.outbox import outbox_task
from showcase import generation_sweep, generation_work, keeping, retention
from showcase.generations import WORK_TASK

log = structlog.get_logger(__name__)


@outbox_task(keeping.COUNTING_TASK, atomic=False)
def persona_count(*, account_id: int, persona_id: str, key: str = "") -> None:
    """The second look: whatever a crash left between a persona and its unit is put right."""
    subject = UUID(persona_id)
    keeping.persona_count(account_id=account_id, persona_id=subject, key=key or keeping.first_key(subject))


@shared_task(name=WORK_TASK)
def work(generation_id: str) -> None:
    """Draw what was ordered. Delivered twice, it is done once."""
    generation_work.generation_work(generation_id=UUID(generation_id), now=clock.now())


@shared_task(name="showcase.tasks.generations_sweep")
def generations_sweep() -> None:
    """Beat: leads generations to an end that somebody died over."""
    report = generation_sweep.generations_sweep(now=clock.now())
    if report.queued or report.taken_back:
        log.info("generations_swept", **vars(report))


@shared_task(name="showcase.tasks.refused_generations_forget")
def refused_generations_forget() -> int:
    """Beat: forgets orders that were refused long ago."""
    return retention.refused_generations_forget(now=clock.now())
