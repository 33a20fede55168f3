"""Refusals written down, so that support can explain each by its request id.

A caller who goes on asking would fill the disk: of one account's refusals each process writes the first of a minute
down and counts the rest. The log has all of them.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from datetime import datetime

import structlog
from django.db import DatabaseError, transaction

from quotas.models import RefusedCall
from quotas.serialize import bound_json
from quotas.values import Decision, Operation, Refusal

MINUTE_S = 60
PER_MINUTE = 30
MOST_KNOWN = 10_000
PRUNED_AT_ONCE = 10_000
EXPLAINED = frozenset(
    {
        Refusal.QUOTA_EXCEEDED,
        Refusal.NO_ACTIVE_SUBSCRIPTION,
        Refusal.FEATURE_NOT_IN_PLAN,
        Refusal.INSUFFICIENT_CREDITS,
        Refusal.INVALID_QUOTA_STATE,
    }
)

logger = structlog.get_logger("quotas")


class Share:
    """How many refusals of each account may still be written in this minute, by this process."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._mutex = threading.Lock()
        self._seen: OrderedDict[int, tuple[float, int, int]] = OrderedDict()

    def take(self, account_id: int) -> int | None:
        """How many came unwritten since the last one that was written; None when this one is not to be written."""
        moment = time.monotonic()
        with self._mutex:
            since, written, unwritten = self._seen.get(account_id, (moment, 0, 0))
            if moment - since >= MINUTE_S:
                since, written = moment, 0
            if written >= self.per_minute:
                self._seen[account_id] = (since, written, unwritten + 1)
                return None
            self._seen[account_id] = (since, written + 1, 0)
            self._seen.move_to_end(account_id)
            if len(self._seen) > MOST_KNOWN:
                self._seen.popitem(last=False)
            return unwritten

    def forget(self) -> None:
        """Begin anew (tests)."""
        with self._mutex:
            self._seen.clear()


share = Share(PER_MINUTE)


def refusal_keep(operation: Operation, decision: Decision) -> None:
    """Write a refusal down. What the caller hears does not depend on it: should it fail, the log has the refusal."""
    if decision.allowed or decision.replayed or decision.refusal not in EXPLAINED:
        return
    unwritten = share.take(operation.account_id)
    if unwritten is None:
        return
    try:
        with transaction.atomic():
            RefusedCall.objects.create(
                account_id=operation.account_id,
                credential_id=operation.credential_id,
                metric=operation.metric,
                units=operation.units,
                refusal=decision.refusal,
                bounds=[bound_json(bound) for bound in decision.bounds],
                credits_spendable=decision.credits_spendable,
                credits_needed=decision.credits_needed,
                unwritten=unwritten,
                request_id=operation.request_id,
                occurred_at=decision.decided_at,
            )
    except DatabaseError:
        logger.exception("refusal_not_kept", request_id=operation.request_id)


def refusals_prune(*, before: datetime) -> int:
    """Forget refusals from before that instant, some at a time; how many."""
    total = 0
    while True:
        oldest = RefusedCall.objects.filter(occurred_at__lt=before).order_by("occurred_at")[:PRUNED_AT_ONCE]
        gone = RefusedCall.objects.filter(pk__in=list(oldest.values_list("pk", flat=True))).delete()[0]
        total += gone
        if gone < PRUNED_AT_ONCE:
            return total
