"""Doing what was ordered: a worker takes the job, draws the charts, and keeps them with the word that it is done.

The broker may deliver a job twice, and a worker may die: whoever takes the job over leaves the one before with nothing
to finish (`attempts` tells them apart). What fails is taken back like what was never queued.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils.translation import gettext_noop

from common.clock import database_now
from showcase import metrics
from showcase.errors import DeliberateFailure
from showcase.generations import STEP, State, generation_take_back, moved
from showcase.models import Chart, Generation
from showcase.services import FAIL_TEXT
from showcase.wheel import wheel_svg

log = structlog.get_logger(__name__)

# Longer than drawing as many charts as can be ordered takes: who began before that is not at it any more.
LONGEST_WORK = timedelta(minutes=10)
MAX_ATTEMPTS = 3
WORK_FAILED = gettext_noop("the work failed")


def generation_work(*, generation_id: UUID, now: datetime) -> Generation | None:
    """Do the job, if it is still to be done and nobody is at it; None when it is not."""
    job = _take(generation_id, now)
    if job is None:
        return None
    try:
        charts = _drawn(job)
    except Exception:
        log.exception("generation_failed", generation=str(job.pk), account=job.account_id)
        generation_fail(job, now=database_now())
        return job
    _finish(job, charts)
    return job


@transaction.atomic
def _take(generation_id: UUID, now: datetime) -> Generation | None:
    """The job, taken: paid for, and neither done, given up, nor begun by somebody who may still be at it."""
    job = Generation.objects.select_for_update().filter(pk=generation_id).first()
    if job is None or not _is_free(job, now):
        return None
    job.state, job.attempts = State.RUNNING, job.attempts + 1
    job.started_at = job.tried_at = now
    job.save(update_fields=["state", "attempts", "started_at", "tried_at"])
    return job


def _is_free(job: Generation, now: datetime) -> bool:
    if job.state in (State.PAID, State.READY, State.SENT):
        return True
    return job.state == State.RUNNING and job.tried_at < now - LONGEST_WORK and job.attempts < MAX_ATTEMPTS


def _drawn(job: Generation) -> list[Chart]:
    """Every chart of the job. In the sandbox, the prompt FAIL_TEXT raises DeliberateFailure."""
    if settings.SANDBOX and job.prompt == FAIL_TEXT:
        raise DeliberateFailure(job.prompt)
    moments = [job.chart_at + number * STEP for number in range(job.count)]
    return [
        Chart(generation=job, number=number, at=at, svg=wheel_svg(at)) for number, at in enumerate(moments, 1)
    ]


@transaction.atomic
def _finish(job: Generation, charts: list[Chart]) -> None:
    """Charts and their word together; nothing when somebody else has taken the job over, or given it up."""
    mine = Generation.objects.filter(pk=job.pk, state=State.RUNNING, attempts=job.attempts)
    if not mine.update(state=State.DONE, finished_at=database_now()):
        log.warning("generation_lost", generation=str(job.pk))
        return
    Chart.objects.bulk_create(charts)
    metrics.generations_total.labels(State.DONE).inc()
    log.info("generation_done", generation=str(job.pk), account=job.account_id, count=job.count)


def generation_fail(job: Generation, *, now: datetime) -> None:
    """The work cannot be done: said first, then taken back. What stays open the sweep takes back."""
    fields = {"error_code": "work_failed", "tried_at": now}
    if not moved(job, {State.RUNNING}, State.FAILING, **fields):
        return
    try:
        generation_take_back(job, now=now, reason=WORK_FAILED)
    except DatabaseError:
        log.exception("generation_not_taken_back", generation=str(job.pk))
