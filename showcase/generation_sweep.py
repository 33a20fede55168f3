"""Leading every generation to an end, whatever died on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError

from billing.errors import QueueUnavailable
from billing.models import OverageCharge
from billing.services.overage_sweep import SETTLE_AFTER
from common.errors import DomainError
from showcase.enums import OPEN_STATES
from showcase.generation_work import LONGEST_WORK, MAX_ATTEMPTS, WORK_FAILED, generation_fail
from showcase.generations import (
    NOT_QUEUED,
    State,
    charge_resolved,
    generation_take_back,
    moved,
    send_or_wait,
)
from showcase.models import Generation

log = structlog.get_logger(__name__)

LOOK_AFTER = timedelta(seconds=10)
# Nobody has been answered so long after: the request has died. Longer than all calls of a request together.
NEVER_QUEUED_AFTER = SETTLE_AFTER + timedelta(seconds=30)
# A queue may be long; it may also have forgotten. A job that comes twice is done once.
SEND_AGAIN_AFTER = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(hours=1)
BATCH = 200


@dataclass
class GenerationReport:
    """Ids of what was moved, by what came of it."""

    queued: list[str] = field(default_factory=list)
    taken_back: list[str] = field(default_factory=list)
    still_open: list[str] = field(default_factory=list)


def generations_sweep(*, now: datetime) -> GenerationReport:
    """Queues what waited for a charge or for the broker, takes back what nobody was answered for or cannot be done."""
    report = GenerationReport()
    for job in _open(now):
        try:
            led = _lead(job, now)
        except (DomainError, DatabaseError) as error:
            log.warning("generation_still_open", generation=str(job.pk), error_type=type(error).__name__)
            led = None
        if led is None:
            report.still_open.append(str(job.pk))
        else:
            (report.queued if led else report.taken_back).append(str(job.pk))
    return report


def _open(now: datetime) -> Iterator[Generation]:
    rows = Generation.objects.filter(state__in=sorted(OPEN_STATES), tried_at__lt=now - LOOK_AFTER)
    return rows.select_related("account").order_by("tried_at")[:BATCH].iterator()


def _lead(job: Generation, now: datetime) -> bool | None:
    """True: queued. False: taken back. None: it stays as it is for now."""
    patience, lead = LEADS[State(job.state)]
    return lead(job, now) if now - job.tried_at > patience else None


def _taken_back(job: Generation, now: datetime) -> bool | None:
    reason = WORK_FAILED if job.state == State.FAILING else NOT_QUEUED
    return False if generation_take_back(job, now=now, reason=reason) else None


def _to_the_broker(job: Generation, now: datetime) -> bool | None:
    if now - job.tried_at > GIVE_UP_AFTER:
        return _given_up(job, now)
    return send_or_wait(job, now=now) or None


def _given_up(job: Generation, now: datetime) -> bool | None:
    if not moved(job, {State(job.state)}, State.REVERSING, error_code=QueueUnavailable.code, tried_at=now):
        return None
    return False if generation_take_back(job, now=now) else None


def _charge_known(job: Generation, now: datetime) -> bool | None:
    """What the signal says, in case whoever sent it died."""
    charge_resolved(
        charge=OverageCharge.objects.get(work_ref=job.work_key, account_id=job.account_id), now=now
    )
    job.refresh_from_db()
    return {State.FAILED: False, State.SENT: True}.get(State(job.state))


def _queue_forgot(job: Generation, now: datetime) -> bool | None:
    if job.sent_at is not None and now - job.sent_at > GIVE_UP_AFTER:
        return _given_up(job, now)
    return send_or_wait(job, now=now) or None


def _worker_died(job: Generation, now: datetime) -> bool | None:
    if job.attempts < MAX_ATTEMPTS:
        return send_or_wait(job, now=now) or None
    generation_fail(job, now=now)
    return False


# How long each state is left alone, and what then leads out of it.
LEADS: dict[State, tuple[timedelta, Callable[[Generation, datetime], bool | None]]] = {
    State.NEW: (NEVER_QUEUED_AFTER, _given_up),
    State.WAITING: (LOOK_AFTER, _charge_known),
    State.PAID: (NEVER_QUEUED_AFTER, _given_up),
    State.READY: (LOOK_AFTER, _to_the_broker),
    State.SENT: (SEND_AGAIN_AFTER, _queue_forgot),
    State.RUNNING: (LONGEST_WORK, _worker_died),
    State.FAILING: (LOOK_AFTER, _taken_back),
    State.REVERSING: (LOOK_AFTER, _taken_back),
}
