"""What a transaction promises to do afterwards: written with it, done after it, at least once.

    with transaction.atomic():
        ...
        outbox.promise("billing.tasks.mail_receipt", {"invoice": 7}, now=now)

    @outbox_task("billing.tasks.mail_receipt")
    def mail_receipt(*, invoice: int) -> None: ...

Celery makes it prompt; the row makes it certain. When the broker is away, the request neither fails nor waits: beat
finds the row later (`sweep`).
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

import structlog
from celery import shared_task
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils.module_loading import autodiscover_modules
from psycopg.types.json import Jsonb

from common import broker, clock
from common.database import DatabaseClock
from common.discreet import error_text
from common.metrics import outbox_runs_total
from common.models import OutboxMessage
from common.request_id import bound_request_id, current_request_id, request_id_from

logger = structlog.get_logger(__name__)

MAX_ATTEMPTS = 20
FIRST_BACKOFF = timedelta(seconds=5)
LONGEST_BACKOFF = timedelta(hours=1)
# A message that was sent to the broker and not begun within this real time is sent again.
RESEND = timedelta(seconds=30)

Handler = TypeVar("Handler", bound=Callable[..., None])


class Hopeless(Exception):
    """Raised by a handler when trying again cannot help: the message is parked at once, for an operator."""


class Outcome(StrEnum):
    DONE = "done"
    SKIPPED = "skipped"  # ended already, or somebody else runs it
    FAILED = "failed"  # will be tried again
    PARKED = "parked"  # failed too often, or hopelessly: waits for an operator


@dataclass(frozen=True, slots=True)
class _Task:
    handler: Callable[..., None]
    atomic: bool


_tasks: dict[str, _Task] = {}


def promise(
    task: str,
    payload: dict[str, Any],
    *,
    now: datetime,
    dedupe_key: str | None = None,
    due_at: datetime | None = None,
) -> None:
    """Write down that `task` is to be called with `payload` as keyword arguments once this transaction commits.

    Not before `due_at`. Of several promises with one `dedupe_key`, ever, the first counts.
    """
    assert connection.in_atomic_block, "a promise belongs to the transaction whose effect it follows"
    at_once = due_at is None or due_at <= now
    with connection.cursor() as cursor:
        values: list[Any] = [
            task,
            Jsonb(payload, dumps=_dumps),
            dedupe_key,
            current_request_id(),
            now,
            due_at or now,
            at_once,
        ]
        cursor.execute(
            """
            INSERT INTO common_outboxmessage
              (task, payload, dedupe_key, request_id, created_at, due_at, sent_at, attempts, last_error)
            VALUES (%s, %s, %s, %s, %s, %s, CASE WHEN %s THEN clock_timestamp() END, 0, '')
            ON CONFLICT (dedupe_key) DO NOTHING
            RETURNING id
            """,
            values,
        )
        row = cursor.fetchone()
    if row is not None and at_once:
        _send_after_commit(row[0], task)


def outbox_task(name: str, *, atomic: bool = True) -> Callable[[Handler], Handler]:
    """Make a function the one that keeps promises to `name`.

    atomic: it runs in one transaction with the mark that it is done, so its effect on the database happens once.
    Functions that call other services take atomic=False (no network call belongs in a transaction); they may run
    again after a crash, or beside another run that takes longer than the lease.
    """

    def register(handler: Handler) -> Handler:
        def run_message(message_id: int) -> None:
            run(message_id, now=clock.now())

        run_message.__doc__ = handler.__doc__
        _tasks[name] = _Task(handler, atomic)
        shared_task(name=name)(run_message)
        return handler

    return register


def run(message_id: int, *, now: datetime) -> Outcome:
    """Keep one promise, unless it is kept, parked or being kept."""
    message = _claim(message_id)
    if message is None:
        return Outcome.SKIPPED
    with bound_request_id(request_id_from(message.request_id)):
        outcome = _run_claimed(message, now)
    label = message.task if message.task in _tasks else "unknown"
    outbox_runs_total.labels(label, outcome).inc()
    return outcome


def run_due(*, now: datetime) -> int:
    """Keep every promise that is due, here and now; how many were done. For commands and tests."""
    done, tried = 0, set[int]()
    while ids := [pk for pk in _due(now).values_list("pk", flat=True)[:500] if pk not in tried]:
        tried.update(ids)
        done += sum(run(pk, now=now) is Outcome.DONE for pk in ids)
    return done


def due_count(*, now: datetime) -> int:
    """How many promises are due and neither kept nor parked, those being kept now included."""
    return OutboxMessage.objects.filter(done_at=None, parked_at=None, due_at__lte=now).count()


def sweep(*, now: datetime, limit: int = 500) -> int:
    """Send to the broker what is due and was not sent, or was sent long ago; how many."""
    with transaction.atomic():
        unsent = Q(sent_at=None) | Q(sent_at__lt=DatabaseClock() - RESEND)
        chosen = list(
            _due(now).filter(unsent).select_for_update(skip_locked=True).values_list("pk", "task")[:limit]
        )
        OutboxMessage.objects.filter(pk__in=[pk for pk, _task in chosen]).update(sent_at=DatabaseClock())
    return sum(broker.send(task, pk) for pk, task in chosen)


def park_exhausted(*, now: datetime) -> int:
    """Park what used up its attempts without ever ending: its run kills the process."""
    exhausted = Q(attempts__gte=MAX_ATTEMPTS, done_at=None, parked_at=None, locked_until__lt=DatabaseClock())
    parked = OutboxMessage.objects.filter(exhausted).update(parked_at=now, last_error="died in every attempt")
    if parked:
        logger.error("outbox_parked", count=parked)
    return parked


def is_promised(dedupe_key: str) -> bool:
    """Whether a promise with this key was ever made, and is not forgotten."""
    return OutboxMessage.objects.filter(dedupe_key=dedupe_key).exists()


def unpark(*, ids: list[int], now: datetime) -> int:
    """Give parked messages all their attempts again; how many."""
    parked = OutboxMessage.objects.filter(pk__in=ids, parked_at__isnull=False)
    return parked.update(parked_at=None, attempts=0, due_at=now, sent_at=None, locked_until=None)


def renew(*, ids: Sequence[int], now: datetime) -> int:
    """Make promises due again, kept or parked, with all their attempts; how many. Those being kept are left alone."""
    free = Q(locked_until=None) | Q(locked_until__lt=DatabaseClock())
    return OutboxMessage.objects.filter(free, pk__in=ids).update(
        done_at=None, parked_at=None, attempts=0, due_at=now, sent_at=None, locked_until=None, last_error=""
    )


def prune(*, before: datetime) -> int:
    """Forget messages done before that instant, but for those whose key must go on being refused; how many."""
    old = OutboxMessage.objects.filter(done_at__lt=before, dedupe_key=None)
    return old._raw_delete(using=old.db)


def _due(now: datetime) -> Any:
    free = Q(locked_until=None) | Q(locked_until__lt=DatabaseClock())
    waiting = Q(done_at=None, parked_at=None, due_at__lte=now, attempts__lt=MAX_ATTEMPTS)
    return OutboxMessage.objects.filter(waiting, free).order_by("due_at", "pk")


def _claim(message_id: int) -> OutboxMessage | None:
    """Count the attempt before it begins, so that a run that kills its process is counted too."""
    free = Q(locked_until=None) | Q(locked_until__lt=DatabaseClock())
    claimed = OutboxMessage.objects.filter(
        free, pk=message_id, done_at=None, parked_at=None, attempts__lt=MAX_ATTEMPTS
    ).update(attempts=F("attempts") + 1, locked_until=DatabaseClock() + settings.OUTBOX_LEASE)
    return OutboxMessage.objects.get(pk=message_id) if claimed else None


def _run_claimed(message: OutboxMessage, now: datetime) -> Outcome:
    try:
        task = _task_named(message.task)
        if task.atomic:
            return _run_in_transaction(task, message, now)
        task.handler(**message.payload)
        _done(message, now)
        return Outcome.DONE
    except Exception as error:
        logger.exception("outbox_task_failed", task=message.task, message_id=message.pk)
        return _failed(message, error, now)


def _task_named(name: str) -> _Task:
    if name not in _tasks:  # outside of Celery's worker nobody has looked for tasks yet
        autodiscover_modules("tasks")
    return _tasks[name]


def _run_in_transaction(task: _Task, message: OutboxMessage, now: datetime) -> Outcome:
    with transaction.atomic():
        locked = OutboxMessage.objects.select_for_update(skip_locked=True).filter(pk=message.pk, done_at=None)
        if not locked.exists():  # our lease ran out and another run was quicker
            return Outcome.SKIPPED
        task.handler(**message.payload)
        _done(message, now)
    return Outcome.DONE


def _done(message: OutboxMessage, now: datetime) -> None:
    OutboxMessage.objects.filter(pk=message.pk).update(
        done_at=now, parked_at=None, locked_until=None, last_error=""
    )


def _failed(message: OutboxMessage, error: Exception, now: datetime) -> Outcome:
    parked = message.attempts >= MAX_ATTEMPTS or isinstance(error, Hopeless)
    OutboxMessage.objects.filter(pk=message.pk, done_at=None).update(
        last_error=error_text(error)[:500],
        parked_at=now if parked else None,
        due_at=now + backoff(message.attempts),
        locked_until=None,
        sent_at=None,
    )
    return Outcome.PARKED if parked else Outcome.FAILED


def backoff(attempts: int) -> timedelta:
    """How long to wait after that many attempts: doubling from 5 s to an hour, with a fifth of chance."""
    pause = min(FIRST_BACKOFF * 2 ** min(attempts - 1, 20), LONGEST_BACKOFF)
    return pause * random.uniform(0.8, 1)  # noqa: S311 - spreads load, guards nothing


def _send_after_commit(message_id: int, task: str) -> None:
    def send_promised() -> None:  # Django names in its log what failed after a commit: a partial has no name
        _send_now(message_id, task)

    transaction.on_commit(send_promised, robust=True)


def _send_now(message_id: int, task: str) -> None:
    if not broker.send(task, message_id):
        OutboxMessage.objects.filter(pk=message_id).update(sent_at=None)


def _dumps(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder)
