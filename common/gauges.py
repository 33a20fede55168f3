"""Figures of the outbox for operators: what waits, how long, and what nobody will retry."""

from common.database import real_now
from common.metrics import gauge
from common.models import Anomaly, OutboxMessage


@gauge("outbox_open", "Promises neither kept nor parked")
def outbox_open() -> float:
    return OutboxMessage.objects.filter(done_at=None, parked_at=None).count()


@gauge("outbox_parked", "Promises that failed too often and wait for an operator")
def outbox_parked() -> float:
    return OutboxMessage.objects.filter(parked_at__isnull=False).count()


@gauge("outbox_oldest_seconds", "How long the oldest promise that was sent has waited, real time")
def outbox_oldest_seconds() -> float:
    waiting = OutboxMessage.objects.filter(done_at=None, parked_at=None, sent_at__isnull=False)
    oldest = waiting.order_by("sent_at").values_list("sent_at", flat=True).first()
    return 0.0 if oldest is None else max(0.0, (real_now() - oldest).total_seconds())


@gauge("anomalies_open", "What is unlike usual now: use of accounts, refusals, failed payments")
def anomalies_open() -> float:
    return Anomaly.objects.filter(ended_at__isnull=True).count()
