"""What limits decided: all of it counted; refusals written down once a minute for each key and limit."""

from __future__ import annotations

from common import audit
from common.clock import database_now
from enterprise import metrics
from enterprise.errors import B2bQuotaExceeded
from enterprise.models import Credential
from enterprise.sampling import Sampler
from quotas.errors import MeteringRefused, QuotaExceeded
from quotas.values import Decision

_refusals = Sampler(period_s=60)


def refusal_told(error: MeteringRefused, *, credential: Credential) -> MeteringRefused:
    """The error by its B2B name, counted, and in the trail."""
    decision = error.decision
    if decision is not None:
        refusal_noted(decision, credential=credential)
    if not isinstance(error, QuotaExceeded):
        return error
    told = B2bQuotaExceeded(details=error.details, decision=decision)
    told.quota_headers = error.quota_headers
    return told


def refusal_noted(decision: Decision, *, credential: Credential) -> None:
    """Count a refusal, and write down the first of each minute with how many came since the one before."""
    bound = decision.deciding
    window = str(bound.window) if bound else "none"
    metrics.EXCEEDED.labels(decision.metric, window).inc()
    times = _refusals.take((credential.pk, decision.metric, window, decision.refusal))
    if times is None:
        return
    audit.record(
        actor=f"key {credential.prefix}",
        account_id=credential.account_id,
        action="limit.refused",
        subject=decision.metric,
        data={
            "refusal": decision.refusal,
            "window": window,
            "source": str(bound.source) if bound else None,
            "limit": bound.limit if bound else None,
            "used": bound.used if bound else None,
            "requested": decision.units,
            "times": times,
        },
        now=database_now(),
    )


def use_noted(decision: Decision) -> None:
    """Count an operation that was accepted; one that is told again was counted the first time."""
    if decision.allowed and not decision.replayed:
        metrics.EVENTS.labels(decision.metric).inc()


def spend_noted(metric: str) -> None:
    """Count an operation that was paid with credits or charged."""
    metrics.EVENTS.labels(metric).inc()
