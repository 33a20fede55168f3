"""What time brings by itself: which moment is next, and what is done then."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from sandbox.stripe.engine import changes, invoicing, schedules, subscriptions
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.rules import DAY_S
from sandbox.stripe.store import Key, Object, Tx

TRIAL_WARNING_S = 3 * DAY_S
UPCOMING_S = 7 * DAY_S  # before a period's end; shorter periods are not announced


@dataclass(frozen=True, order=True)
class Due:
    """Ordered by instant, then by rank: endings come before changes, changes before renewals, renewals before
    collecting."""

    at: int
    rank: int
    task: str
    object_id: str


def of_subscription(sub: Object) -> Iterator[Due]:
    def due(at: int, task: str) -> Due:
        return Due(at, RANKS[task], task, sub["id"])

    status = sub["status"]
    if status == "incomplete":
        yield due(sub["created"] + subscriptions.INCOMPLETE_S, "expire_incomplete")
    if status not in ("trialing", "active", "past_due", "unpaid"):
        return
    if sub["cancel_at"] is not None:
        yield due(sub["cancel_at"], "end")
    if status == "trialing" and not sub["_trial_warned"]:
        yield due(max(sub["trial_end"] - TRIAL_WARNING_S, sub["created"]), "warn_of_trial_end")
    if sub["pending_update"] is not None:
        yield due(sub["pending_update"]["expires_at"], "expire_pending")
    if sub["pause_collection"] is not None and sub["pause_collection"]["resumes_at"] is not None:
        yield due(sub["pause_collection"]["resumes_at"], "resume_collection")
    start, end = subscriptions.period(sub)
    if sub["_upcoming_told"] != end and end - UPCOMING_S > start and sub["cancel_at"] is None:
        yield due(end - UPCOMING_S, "announce")
    yield due(end, "renew")


def period_end(sub: Object) -> int:
    return subscriptions.period(sub)[1]


def of_schedule(schedule: Object) -> Iterator[Due]:
    if schedule["status"] == "not_started":
        yield Due(schedule["phases"][0]["start_date"], RANKS["phase"], "phase", schedule["id"])
    elif schedule["status"] == "active":
        yield Due(schedule["current_phase"]["end_date"], RANKS["phase"], "phase", schedule["id"])


def of_invoice(invoice: Object) -> Iterator[Due]:
    if invoice["status"] == "draft" and invoice["automatically_finalizes_at"] is not None:
        yield Due(invoice["automatically_finalizes_at"], RANKS["finalize"], "finalize", invoice["id"])
    elif invoice["status"] == "open" and invoice["next_payment_attempt"] is not None:
        yield Due(invoice["next_payment_attempt"], RANKS["retry"], "retry", invoice["id"])
    if invoice["status"] == "open" and invoice["due_date"] is not None and not invoice["_overdue_told"]:
        yield Due(invoice["due_date"], RANKS["overdue"], "overdue", invoice["id"])


def of_session(session: Object) -> Iterator[Due]:
    if session["status"] == "open":
        yield Due(session["expires_at"], RANKS["expire_session"], "expire_session", session["id"])


FINDERS: dict[str, Callable[[Object], Iterator[Due]]] = {
    "subscription": of_subscription,
    "subscription_schedule": of_schedule,
    "invoice": of_invoice,
    "checkout.session": of_session,
}


# Done when time has passed, in order, but no reason for time to stop there: they change nothing, and nobody waits for them.
PASSED_BY = {"announce"}


class Agenda:
    """The earliest due work of all objects, kept up with what commits change; with `stops`, only that which moving time
    stops at.
    """

    def __init__(self, *, stops: bool = False) -> None:
        self._left_out = PASSED_BY if stops else set()
        self._heap: list[tuple[Due, Key]] = []
        self._of: dict[Key, Due] = {}

    def note(self, changes: Iterable[tuple[Key, Object | None]]) -> None:
        for key, obj in changes:
            if key[0] not in FINDERS:
                continue
            ours = obj is not None and not obj.get("test_clock")  # those move by a clock of their own
            found = FINDERS[key[0]](obj) if ours and obj is not None else iter(())
            due = min((item for item in found if item.task not in self._left_out), default=None)
            if due is None:
                self._of.pop(key, None)
            elif self._of.get(key) != due:
                self._of[key] = due
                heappush(self._heap, (due, key))

    def first(self) -> Due | None:
        while self._heap:
            due, key = self._heap[0]
            if self._of.get(key) == due:
                return due
            heappop(self._heap)  # what it was due for has changed since
        return None


def first_of(tx: Tx, sub: Object) -> Due | None:
    """The earliest due work of one subscription and its schedule, as they stand in this unit of work."""
    found = list(of_subscription(sub))
    schedule = tx.maybe("subscription_schedule", sub["schedule"])
    if schedule is not None:
        found += of_schedule(schedule)
    return min(found, default=None)


# Doing it ------------------------------------------------------------------------------------------------------------


def _resume_collection(tx: Tx, sub: Object) -> None:
    sub["pause_collection"] = None
    emit_updated(tx, "customer.subscription.updated", sub)


def _overdue(tx: Tx, invoice: Object) -> None:
    """An invoice that was sent is not paid by its day: its subscription is past due."""
    invoice["_overdue_told"] = True
    emit(tx, "invoice.overdue", invoice)
    sub = tx.maybe("subscription", invoicing.subscription_id(invoice))
    if sub is not None and sub["status"] == "active" and sub["latest_invoice"] == invoice["id"]:
        sub["status"] = "past_due"
        emit_updated(tx, "customer.subscription.updated", sub)


def _announce(tx: Tx, sub: Object) -> None:
    from sandbox.stripe.engine import upcoming

    upcoming.announce(tx, sub)


def _expire_session(tx: Tx, session: Object) -> None:
    session |= {"status": "expired", "url": None}
    emit(tx, "checkout.session.expired", session)


TASKS: dict[str, tuple[int, str, Callable[[Tx, Object], None]]] = {
    "end": (0, "subscription", subscriptions.end_as_planned),
    "expire_incomplete": (1, "subscription", subscriptions.expire_incomplete),
    "expire_pending": (1, "subscription", changes.expire_pending),
    "warn_of_trial_end": (1, "subscription", subscriptions.warn_of_trial_end),
    "announce": (1, "subscription", _announce),
    "resume_collection": (1, "subscription", _resume_collection),
    "phase": (2, "subscription_schedule", schedules.advance),
    "renew": (3, "subscription", subscriptions.renew),
    "finalize": (4, "invoice", subscriptions.advance),
    "retry": (5, "invoice", subscriptions.collect_again),
    "overdue": (6, "invoice", _overdue),
    "expire_session": (6, "checkout.session", _expire_session),
}
RANKS = {task: rank for task, (rank, _, _) in TASKS.items()}


def perform(tx: Tx, item: Due) -> None:
    _, kind, task = TASKS[item.task]
    task(tx, tx.get(kind, item.object_id))
