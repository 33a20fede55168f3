"""Runs a batch to its end: quick path or careful path, again after a conflict, one by one after a failure.

Defended here: a deadlock or serialization failure (the batch is run again), one operation that the database refuses
(its neighbours are decided without it), and a lost connection, where the commit may or may not have happened (the
batch is run again: operations that were committed are found by their keys).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol
from uuid import uuid4

import psycopg
import structlog

from common.errors import DomainError
from quotas import metrics
from quotas.engine import quick
from quotas.engine.careful import decide_carefully
from quotas.engine.connection import connect
from quotas.engine.decide import Outcome
from quotas.engine.state import RightsChangedError
from quotas.engine.touched import touched
from quotas.errors import InvalidQuotaState, MeterUnavailable
from quotas.values import Decision, Operation

logger = structlog.get_logger("quotas.engine")

Connection = psycopg.Connection[tuple[Any, ...]]
# A unique violation is a conflict too: the same key, used at the same time on another metric, is found the next time.
CONFLICTS = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.UniqueViolation,
    RightsChangedError,
)
LOST = (psycopg.OperationalError, psycopg.InterfaceError)
TIMED_OUT = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)
ATTEMPTS = 6
FIRST_PAUSE_S = 0.02
ID_BLOCK = 1024
REFUSED_MEMORY = 4096
REFUSED_FOR_S = 1.0


class Work(Protocol):
    """A try at something, on a connection; `lost`: an earlier try may have been committed without its being heard."""

    def __call__(self, connection: Connection, *, lost: bool) -> Any: ...


class BatchRunner:
    """Decides batches on a connection of its own. Used by one thread at a time (the combiner's leader)."""

    def __init__(self, connector: Callable[[], Connection] = connect) -> None:
        self._connector = connector
        self._connection: Connection | None = None
        self._next_id = self._last_id = 0
        self._lately_refused: dict[tuple[int, int], float] = {}

    def run(self, operations: Sequence[Operation]) -> list[Outcome]:
        """One outcome for each operation, in order; decisions that say allowed are committed."""
        done: dict[int, Outcome] = {}
        try:
            for path, group in _by_path(operations).items():
                done |= self._quickly(path, [o for o in group if not self._refused_lately(o)])
            rest = [o for o in operations if id(o) not in done]
            done |= dict(zip(map(id, rest), self._carefully(rest), strict=True))
        except LOST as error:
            logger.error("meter_unavailable", error=type(error).__name__, operations=len(operations))
            failure = MeterUnavailable()
            failure.__cause__ = error
            return [done.get(id(o), failure) for o in operations]
        touched.add([operation.account_id for operation in operations])
        return [done[id(o)] for o in operations]

    def close(self) -> None:
        """Drop the connection; the next batch opens another."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection = None

    def _quickly(self, path: quick.Path, operations: Sequence[Operation]) -> dict[int, Outcome]:
        """Decisions by the operation's identity when all of them could be done, else none."""
        if not operations:
            return {}
        batch_key = uuid4()
        record_ids: list[int] = []

        def work(connection: Connection, *, lost: bool) -> list[Decision] | None:
            record_ids.extend([] if record_ids else self._allocate(len(operations)))
            return quick.run_path(connection, path, operations, record_ids, batch_key, again=lost)

        try:
            decided = self._attempt(work)
        except (*TIMED_OUT, psycopg.IntegrityError, psycopg.errors.SerializationFailure):
            return {}
        return dict(zip(map(id, operations), decided, strict=True)) if decided else {}

    def _carefully(self, operations: Sequence[Operation]) -> list[Outcome]:
        if not operations:
            return []
        for operation in operations:
            operation.key = operation.key or uuid4()

        def work(connection: Connection, *, lost: bool) -> list[Outcome]:
            for operation in operations:
                # Refusals are kept from now on: they bar the way for a commit that the server comes to only later.
                operation.keep_decision |= lost
            return decide_carefully(connection, operations, self._allocate)

        try:
            outcomes = self._attempt(work)
        except (*TIMED_OUT, psycopg.IntegrityError, psycopg.DataError, RightsChangedError) as error:
            if len(operations) > 1:
                return self._one_by_one(operations)
            return [_told(operations[0], error)]
        self._remember_refusals(operations, outcomes)
        return outcomes

    def _one_by_one(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Each on its own, so that one bad operation fails alone. A blocked account is waited for only once."""
        blocked: dict[int, Outcome] = {}
        outcomes: list[Outcome] = []
        for operation in operations:
            outcome = blocked.get(operation.account_id) or self._carefully([operation])[0]
            if isinstance(outcome, MeterUnavailable):
                blocked[operation.account_id] = outcome
            outcomes.append(outcome)
        return outcomes

    def _attempt(self, work: Work) -> Any:
        """Do `work`, again after a conflict or a lost connection. Raises what stays, connection loss included.

        `work` is told whether its answer was lost before: then it may have been done.
        """
        lost = False
        for attempt in range(ATTEMPTS):
            try:
                if self._connection is None:
                    self._connection = self._connector()
                return work(self._connection, lost=lost)
            except CONFLICTS as error:
                logger.info("meter_conflict", attempt=attempt, error=type(error).__name__)
                self._give_up_after(attempt, error)
            except LOST as error:
                if (
                    self._connection is not None
                    and not self._connection.broken
                    and not self._connection.closed
                ):
                    raise  # the server's own refusal (a timeout, say) on a connection that lives
                lost = lost or self._connection is not None
                self.close()
                logger.warning("meter_connection_lost", attempt=attempt, error=type(error).__name__)
                self._give_up_after(attempt, error)
            time.sleep(FIRST_PAUSE_S * 2**attempt * (0.5 + random.random()))  # noqa: S311 - jitter
        raise AssertionError("the last attempt raises")

    def _give_up_after(self, attempt: int, error: Exception) -> None:
        if attempt == ATTEMPTS - 1:
            raise error

    def _allocate(self, count: int) -> Sequence[int]:
        """`count` unused record ids, from the block this process holds or a new one."""
        if self._next_id + count > self._last_id:
            assert self._connection is not None
            blocks = -(-count // ID_BLOCK)
            assert blocks == 1, "a batch is smaller than a block"
            (block,) = self._connection.execute("SELECT nextval('quotas_record_block')").fetchone() or (0,)
            self._next_id, self._last_id = block * ID_BLOCK, (block + 1) * ID_BLOCK
        first = self._next_id
        self._next_id += count
        return range(first, first + count)

    def _refused_lately(self, operation: Operation) -> bool:
        """Whether trying the quick path would be for nothing: only a guess that saves a statement."""
        at = self._lately_refused.get((operation.account_id, operation.metric_id))
        return at is not None and time.monotonic() - at < REFUSED_FOR_S

    def _remember_refusals(self, operations: Sequence[Operation], outcomes: Sequence[Outcome]) -> None:
        if len(self._lately_refused) > REFUSED_MEMORY:
            self._lately_refused.clear()
        at = time.monotonic()
        for operation, outcome in zip(operations, outcomes, strict=True):
            if isinstance(outcome, Decision) and (not outcome.allowed or _was_paid(outcome)):
                self._lately_refused[operation.account_id, operation.metric_id] = at


def _was_paid(decision: Decision) -> bool:
    """Whether credits or more paid: then the next one of this account would spoil its neighbours' quick batch too."""
    return bool(decision.split.credits or decision.split.overage)


def _told(operation: Operation, error: Exception) -> DomainError:
    """What the caller of the one operation hears. A constraint that holds the line means an invalid state."""
    failure: DomainError
    if isinstance(error, psycopg.IntegrityError | psycopg.DataError):
        logger.error("meter_invalid_state", account_id=operation.account_id, metric=operation.metric)
        metrics.INCOHERENT.labels(operation.metric).inc()
        failure = InvalidQuotaState(details={"metric": operation.metric})
    else:
        logger.error("meter_blocked", account_id=operation.account_id, error=type(error).__name__)
        failure = MeterUnavailable()
    failure.__cause__ = error
    return failure


def _by_path(operations: Sequence[Operation]) -> dict[quick.Path, list[Operation]]:
    """The operations that have a quick path, each path's together."""
    groups: dict[quick.Path, list[Operation]] = {}
    for operation in operations:
        path = quick.path_of(operation)
        if path is not None:
            groups.setdefault(path, []).append(operation)
    return groups
