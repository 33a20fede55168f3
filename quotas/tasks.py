"""What the meter does by itself."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.conf import settings

from common import clock
from quotas import retention
from quotas.partitions import partitions_ensure as ensure
from quotas.refused import refusals_prune as prune_refusals
from quotas.services import grants_expire as expire_grants
from quotas.services import reservations_expire as expire
from quotas.thresholds import thresholds_notify as tell

logger = structlog.get_logger("quotas")


@shared_task(name="quotas.tasks.reservations_expire")
def reservations_expire() -> int:
    """Give back what crashed or forgotten work still holds; how many reservations were closed."""
    closed = expire()
    if closed:
        logger.info("reservations_expired", count=closed)
    return closed


@shared_task(name="quotas.tasks.grants_expire")
def grants_expire() -> int:
    """Write down the end of credits whose time is over; how many grants. They are not spent since, whenever this runs."""
    ended = expire_grants(now=clock.now())
    if ended:
        logger.info("grants_expired", count=ended)
    return ended


@shared_task(name="quotas.tasks.partitions_ensure")
def partitions_ensure() -> int:
    """Make the usage records' partitions of this month and the next three; how many were made."""
    return ensure()


@shared_task(name="quotas.tasks.operations_forget")
def operations_forget() -> int:
    """Forget keys of operations and closed reservations that are old enough; how many."""
    now = clock.now()
    return retention.operation_keys_forget(now=now) + retention.reservations_forget(now=now)


@shared_task(name="quotas.tasks.thresholds_notify")
def thresholds_notify() -> int:
    """Tell people whose limits are nearly or fully used; how many notifications were made."""
    return tell(now=clock.now())


@shared_task(name="quotas.tasks.refusals_prune")
def refusals_prune() -> int:
    """Forget refusals that nobody will ask about any more; how many."""
    return prune_refusals(before=clock.now() - settings.REFUSALS_RETENTION)
