"""Ordering charts: a row, then its price, then the queue. Work that is not paid is not done, and what is paid and cannot
be done is taken back.

    row committed (NEW) → usage_spend → PAID → broker → SENT → a worker → DONE

Whoever was answered with an id gets their charts, or their money back; whoever was not (the process died before the
answer) pays nothing: the sweep takes back what it finds. Every step out of a state is one conditional update, so that
of two who try only one goes on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_noop

from accounts.models import Account
from billing.enums import ChargeStatus
from billing.errors import QueueUnavailable
from billing.models import OverageCharge
from billing.services import Spend, spend_cancel, usage_spend
from common import broker
from common.errors import DomainError, IdempotencyKeyReused
from showcase import metrics
from showcase.enums import GenerationState
from showcase.models import Generation

log = structlog.get_logger(__name__)

METRIC = "generations"
WORK_TASK = "showcase.tasks.generation_work"
NOT_QUEUED = gettext_noop("the work could not be queued")
STEP = timedelta(days=1)
SERVER_ERROR = 500
State = GenerationState
GIVEN_UP = (State.REVERSING, State.REVERSED)


def generation_request(
    *,
    account: Account,
    credential_id: int | None,
    prompt: str,
    count: int,
    chart_at: datetime,
    request_key: str | None = None,
    request_id: str = "",
    now: datetime,
) -> Generation:
    """Order `count` charts from `chart_at` on, a day apart. The same `request_key` again means the same job.

    Raises what usage_spend refuses with: then nothing was taken and no job is left. QueueUnavailable when the job was
    paid and could not be queued: it is taken back. A charge that the payment service has not confirmed leaves the job
    waiting; it goes on, or is given up, when the charge is known.
    """
    job = _ordered(
        Generation(
            account=account,
            credential_id=credential_id,
            request_key=request_key,
            request_id=request_id[:64],
            prompt=prompt,
            count=count,
            chart_at=chart_at,
            requested_at=now,
            tried_at=now,
        )
    )
    if job.state == State.NEW:
        _pay(job, now)
    elif job.state in GIVEN_UP:
        _never_queued(
            job, now
        )  # sent again before all of it was taken back: an answer now would stand for the key
    if job.state == State.PAID:
        generation_send(job, now=now)
    return job


def _ordered(job: Generation) -> Generation:
    """The job's row, committed; or that of the same request sent before, with its time begun anew."""
    try:
        with transaction.atomic():
            job.save(force_insert=True)
            return job
    except IntegrityError:
        if job.request_key is None:
            raise
    known = Generation.objects.get(account=job.account, request_key=job.request_key)
    if (known.prompt, known.count) != (job.prompt, job.count):
        raise IdempotencyKeyReused
    Generation.objects.filter(pk=known.pk, state=State.NEW).update(tried_at=job.tried_at)
    return known


def _pay(job: Generation, now: datetime) -> None:
    try:
        spend = usage_spend(
            account=job.account,
            metric=METRIC,
            units=job.count,
            key=job.work_key,
            credential_id=job.credential_id,
            subject=job.work_key,
            request_id=job.request_id,
            now=now,
        )
    except DomainError as error:
        if error.status < SERVER_ERROR:  # else it is not known what was taken: the sweep takes it back
            generation_refused(job, error.code, now=now)
        raise
    state = State.WAITING if spend.is_pending else State.PAID
    if not moved(job, {State.NEW}, state, **_paid_with(spend)) and job.state in GIVEN_UP:
        _never_queued(job, now)  # the sweep took us for dead


def _paid_with(spend: Spend) -> dict[str, Any]:
    return {
        "allowance_units": spend.split.allowance,
        "credit_units": spend.split.credits,
        "overage_units": spend.split.overage,
        "overage_charge_id": spend.charge.pk if spend.charge else None,
    }


def generation_refused(job: Generation, code: str, *, now: datetime) -> None:
    """What the job takes was refused, and nothing taken. The same request may be sent again, and is then another job."""
    charge = OverageCharge.objects.filter(account_id=job.account_id, work_ref=job.work_key).first()
    moved(
        job,
        {State.NEW, State.WAITING},
        State.FAILED,
        error_code=code,
        overage_charge_id=charge.pk if charge else None,
        finished_at=now,
        request_key=None,
    )


def generation_send(job: Generation, *, now: datetime) -> None:
    """Hand a paid job to the broker. QueueUnavailable when it does not take it: what was paid is taken back."""
    if broker.send(WORK_TASK, str(job.pk)):
        # A worker may have it already, or be through with it: then this changes nothing.
        moved(job, {State.PAID}, State.SENT, tried_at=now, sent_at=now)
    elif moved(job, {State.PAID}, State.REVERSING, error_code=QueueUnavailable.code, tried_at=now):
        _never_queued(job, now)
    # Else a worker has it: the broker took it, and only its answer was lost.


def _never_queued(job: Generation, now: datetime) -> None:
    done = generation_take_back(job, now=now)
    raise QueueUnavailable(details={"reversed": done, "generation": str(job.pk)})


def generation_take_back(job: Generation, *, now: datetime, reason: str = NOT_QUEUED) -> bool:
    """Undo all that was taken for a job that is given up; whether it is all undone. Repeating is harmless."""
    done = spend_cancel(account_id=job.account_id, key=job.work_key, reason=reason, now=now)
    if done:
        ends = {State.FAILING: State.FAILED, State.REVERSING: State.REVERSED}
        end = ends.get(State(job.state))
        if end and moved(job, {State(job.state)}, end, finished_at=now, request_key=None):
            log.info("generation_taken_back", generation=str(job.pk), account=job.account_id, state=job.state)
    return done


def charge_resolved(*, charge: OverageCharge, now: datetime) -> None:
    """The charge that a job waited for is known: paid, the job is queued; refused, it is given up."""
    job = Generation.objects.filter(overage_charge_id=charge.pk, state=State.WAITING).first()
    if job is None:
        return
    if charge.status == ChargeStatus.ACCEPTED:
        if moved(job, {State.WAITING}, State.READY, tried_at=now):
            send_or_wait(job, now=now)
    elif charge.status in (ChargeStatus.FAILED, ChargeStatus.REVERSED):
        generation_refused(job, charge.error_code or "overage_charge_failed", now=now)


def send_or_wait(job: Generation, *, now: datetime) -> bool:
    """Hand a job whose caller was answered to the broker, also again; while that is away it stays, for the sweep."""
    if not broker.send(WORK_TASK, str(job.pk)):
        return False
    moved(job, {State.READY, State.SENT}, State.SENT, tried_at=now, sent_at=job.sent_at or now)
    return True


def moved(job: Generation, before: set[State], after: State, **fields: Any) -> bool:
    """Take the job from one of these states to another, if it still is in one. `job` shows what is there either way."""
    rows = Generation.objects.filter(pk=job.pk, state__in=before)
    changed = rows.update(state=after, **fields)
    if changed and after in (State.DONE, State.FAILED, State.REVERSED):
        metrics.generations_total.labels(after).inc()
    job.refresh_from_db()
    return bool(changed)
