"""What waits, what failed, and what is unlike usual: boards of what every app leans on."""

from datetime import datetime

from django.db.models import Count, Min
from django.urls import reverse

from accounts.admin.boards import Board, register
from accounts.admin.story import Link, Table
from common.database import real_now
from common.models import Anomaly, OutboxMessage

NEWEST = 20
MOST_COUNTED = 10_000


def anomalies(now: datetime) -> Table:  # noqa: ARG001 - one signature for all
    rows = Anomaly.objects.filter(ended_at__isnull=True).order_by("-began_at")[:NEWEST]
    return Table(
        ("Since", "What", "Kind", "Seen", "Usual"),
        [(one.began_at, _subject(one), one.kind, one.observed, one.usual) for one in rows],
    )


def _subject(one: Anomaly) -> str | Link:
    if one.account_id is None:
        return one.subject
    return Link(one.subject, reverse("admin:accounts_account_change", args=[one.account_id]))


def waiting(now: datetime) -> Table:
    """Promises neither kept nor parked, by task: how many, and how long the oldest is overdue."""
    open_ones = OutboxMessage.objects.filter(done_at__isnull=True, parked_at__isnull=True, due_at__lte=now)
    newest = OutboxMessage.objects.filter(pk__in=open_ones.order_by("due_at").values("pk")[:MOST_COUNTED])
    rows = newest.values("task").annotate(count=Count("pk"), oldest=Min("due_at")).order_by("oldest")
    return Table(
        ("Task", "Waiting", "Oldest due", "Late by, seconds"),
        [
            (row["task"], _at_least(row["count"]), row["oldest"], int((now - row["oldest"]).total_seconds()))
            for row in rows[:NEWEST]
        ],
    )


def parked(now: datetime) -> Table:  # noqa: ARG001 - one signature for all
    rows = OutboxMessage.objects.filter(parked_at__isnull=False).order_by("-parked_at")[:NEWEST]
    return Table(
        ("Parked", "Task", "Tries", "Last error", "Request"),
        [(one.parked_at, one.task, one.attempts, one.last_error[:160], one.request_id) for one in rows],
    )


def retried(now: datetime) -> Table:  # noqa: ARG001 - one signature for all
    """Under way again after failures: not lost, and not well either."""
    rows = OutboxMessage.objects.filter(
        done_at__isnull=True, parked_at__isnull=True, attempts__gt=1, sent_at__lt=real_now()
    ).order_by("due_at")[:NEWEST]
    return Table(
        ("Due", "Task", "Tries", "Last error"),
        [(one.due_at, one.task, one.attempts, one.last_error[:160]) for one in rows],
    )


def _at_least(count: int) -> str | int:
    return count if count < MOST_COUNTED else f"{MOST_COUNTED} or more"


register(
    Board(
        "anomalies",
        "Unlike usual",
        "common.view_anomaly",
        anomalies,
        empty="Use, refusals and payments are as usual.",
        order=10,
        alarm=True,
    ),
    Board(
        "parked",
        "Failed for good",
        "common.view_outboxmessage",
        parked,
        empty="No task and no delivery has failed for good.",
        order=30,
        alarm=True,
    ),
    Board(
        "retried",
        "Failed and tried again",
        "common.view_outboxmessage",
        retried,
        empty="Nothing is being tried again.",
        order=32,
    ),
    Board(
        "waiting",
        "Waiting for a worker",
        "common.view_outboxmessage",
        waiting,
        empty="Nothing that is due waits.",
        order=34,
    ),
)
