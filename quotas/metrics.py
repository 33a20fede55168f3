"""Prometheus counters of metering. Labels are bounded: metric codes and refusal codes of the catalogue."""

from __future__ import annotations

from functools import cache

import structlog
from prometheus_client import Counter

from quotas.values import Decision, Kind, Operation

logger = structlog.get_logger("quotas")

CONSUMED = Counter("quota_consumed_total", "Units counted", ["metric"])
EXCEEDED = Counter("quota_exceeded_total", "Operations refused at a limit", ["metric", "refusal"])
INCOHERENT = Counter("quota_coherence_errors_total", "Counters found wrong", ["metric"])

COUNTING = (Kind.CONSUME, Kind.SETTLE)


def observe(operation: Operation, decision: Decision) -> None:
    """Count what was decided; log each refusal, so that support finds it by its request id."""
    if decision.replayed:
        return
    if decision.allowed:
        if operation.kind in COUNTING:
            _consumed(operation.metric).inc(decision.units)
        return
    EXCEEDED.labels(operation.metric, decision.refusal).inc()
    bound = decision.deciding
    logger.info(
        "quota_refused",
        account_id=operation.account_id,
        credential_id=operation.credential_id,
        metric=operation.metric,
        units=operation.units,
        refusal=decision.refusal,
        window=bound.window if bound else None,
        source=bound.source if bound else None,
        limit=bound.limit if bound else None,
        used=bound.used if bound else None,
        request_id=operation.request_id,
    )


@cache
def _consumed(metric: str) -> Counter:
    """The counter's child, found once: looking a label up costs more than counting."""
    return CONSUMED.labels(metric)
