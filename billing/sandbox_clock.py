"""Moving the sandbox's time: the stand-in for Stripe and the application together, from one due moment to the next.

At each moment the stand-in delivers what happened there, and the application's own work of that moment is done before
time goes on, as it would be in real time. Nothing here runs outside the sandbox.
"""

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import requests
from celery import current_app
from django.conf import settings

from common import outbox
from common.clock import database_now
from common.models import OutboxMessage

SPAN = re.compile(r"^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$")
UNITS = ("weeks", "days", "hours", "minutes", "seconds")
# The comparison with Stripe mends what other work left undone; here that work has to do it by itself.
RECONCILE = "billing.tasks.reconcile"
QUIET_TIMEOUT_S = 120.0
POLL_S = 0.05
MOVE_TIMEOUT_S = 180.0
TOLERANCE = timedelta(seconds=5)


class NotQuiet(Exception):
    """Work of a moment did not come to its end in time; says which."""


def parse_span(text: str) -> timedelta:
    """31d, 12h, 45m, 90s, 2w, or several together as in 1d12h. ValueError for anything else."""
    match = SPAN.match(text)
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is no span of time; write 31d, 12h, 45m, 90s or 1d12h")
    parts = {unit: int(number) for unit, number in zip(UNITS, match.groups(), strict=True) if number}
    try:
        span = timedelta(**parts)
    except OverflowError as error:
        raise ValueError(f"{text!r} is longer than time itself") from error
    if not span:
        raise ValueError("time goes forward only: more than nothing")
    return span


def parse_instant(text: str) -> datetime:
    """RFC 3339 with its offset. ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} must say its offset from UTC; end it with Z")
    return moment


def clock_state() -> dict[str, Any]:
    """`now` and `next_due_at` of the stand-in, as instants."""
    return _read(_call("GET", "clock"))


def move(target: datetime) -> Iterator[datetime]:
    """Moves both clocks to `target`; yields each moment at which something was due, then the target.

    ValueError for an instant that has passed. NotQuiet when the work of a moment does not end.
    """
    if target < database_now() - TOLERANCE:
        raise ValueError("time goes forward only")
    settle()
    while True:
        step = _next_stop(target)
        _move_both(step)
        _check_together()
        settle()
        yield step
        if step >= target:
            return


def _move_both(step: datetime) -> None:
    """A moment that real time has passed meanwhile is no error."""
    try:
        _call("POST", "clock", {"to": step.isoformat()})
    except ValueError:
        if step > database_now():
            raise


def _next_stop(target: datetime) -> datetime:
    """The next due moment of the stand-in or of the outbox (a failed task's next attempt too), at most `target`."""
    now = database_now()
    promised = (
        OutboxMessage.objects.filter(done_at=None, parked_at=None, due_at__gt=now)
        .order_by("due_at")
        .values_list("due_at", flat=True)
        .first()
    )
    moments = [moment for moment in (clock_state()["next_due_at"], promised) if moment and moment > now]
    return min([target, *moments])


def failing() -> list[str]:
    """Promised tasks that failed and will be tried again later, or were given up."""
    failed = OutboxMessage.objects.filter(done_at=None, attempts__gt=0)
    return [f"{one.task} #{one.pk}: {one.last_error}" for one in failed]


def settle() -> None:
    """Does what is due now, here, and waits for what others do: deliveries, promised tasks, regular ones."""
    _wait_until_quiet()
    current_app.loader.import_default_modules()
    for name in sorted({entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} - {RECONCILE}):
        current_app.tasks[name].run()
    _wait_until_quiet()


def _wait_until_quiet() -> None:
    deadline = time.monotonic() + QUIET_TIMEOUT_S
    while True:
        outbox.run_due(now=database_now())
        busy = _busy()
        if not busy:
            return
        if time.monotonic() > deadline:
            raise NotQuiet("; ".join(busy))
        time.sleep(POLL_S)


def _busy() -> list[str]:
    deliveries = _call("GET", "idle")["pending"]
    waiting = OutboxMessage.objects.filter(done_at=None, parked_at=None, due_at__lte=database_now())
    found = [f"{deliveries} webhooks on their way"] if deliveries else []
    return found + [f"{one.task} ({one.last_error or 'running'})" for one in waiting[:5]]


def _check_together() -> None:
    """The stand-in moves the application's clock by a row in the database; both must say the same time."""
    theirs = clock_state()["now"]
    if abs(theirs - database_now()) > TOLERANCE:
        raise NotQuiet(
            "the stand-in's clock moved and the application's did not (its --clock-dsn is not our database)"
        )


def _call(method: str, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = requests.request(
        method, f"{settings.SANDBOX_URL}/_sandbox/{name}", json=body, timeout=MOVE_TIMEOUT_S
    )
    if answer.status_code == requests.codes.bad_request:
        raise ValueError(answer.json()["error"])
    answer.raise_for_status()
    result: dict[str, Any] = answer.json()
    return result


def _read(state: dict[str, Any]) -> dict[str, Any]:
    due = state["next_due_at"]
    return {
        "now": datetime.fromisoformat(state["now"]),
        "next_due_at": datetime.fromisoformat(due) if due else None,
    }
