"""What beat asks for regularly."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from common import anomalies, clock, idempotency, outbox
from common.database import real_now

ANOMALIES_KEPT = timedelta(days=90)


@shared_task(name="common.outbox_sweep")
def outbox_sweep() -> None:
    now = clock.now()
    outbox.park_exhausted(now=now)
    outbox.sweep(now=now)


@shared_task(name="common.prune")
def prune() -> None:
    idempotency.prune(before=real_now() - settings.IDEMPOTENCY_RETENTION)
    outbox.prune(before=clock.now() - settings.OUTBOX_RETENTION)
    anomalies.anomalies_prune(before=clock.now() - ANOMALIES_KEPT)


@shared_task(name="common.anomalies_look")
def anomalies_look() -> dict[str, int]:
    return anomalies.anomalies_look(now=clock.now())
