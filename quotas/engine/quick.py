"""The quick path: a batch of one kind in one statement, if all of it can be done.

Most batches can. Whatever cannot (a limit reached, a bucket to be made, a caller's own key, an overage, a reservation
closed before) makes the statement do nothing, and the careful path decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg

from quotas.engine.connection import array, texts
from quotas.engine.sql import CLAIM_BATCH, CONSUME_ALL, READ_COUNTERS, RESERVE_ALL, SETTLE_ALL
from quotas.values import Bound, Decision, Kind, Operation, Split

Row = tuple[Any, ...]
Pair = tuple[int, int]
Connection = psycopg.Connection[Row]


@dataclass(frozen=True, slots=True)
class Path:
    """One kind's way: how to do a batch, and how to tell its decisions when it was done before, unheard."""

    run: Callable[[Connection, Sequence[Operation], Sequence[int], UUID], list[Decision] | None]
    recall: Callable[[Connection, Sequence[Operation], Sequence[int]], list[Decision]]


def path_of(operation: Operation) -> Path | None:
    """The quick path of this operation, if it has one."""
    if operation.keep_decision or (operation.kind == Kind.SETTLE and operation.units >= 0):
        return None
    return PATHS.get(operation.kind)


def run_path(
    connection: Connection,
    path: Path,
    operations: Sequence[Operation],
    record_ids: Sequence[int],
    batch_key: UUID,
    *,
    again: bool,
) -> list[Decision] | None:
    """All decisions, committed; or None and nothing done, now or ever.

    `again`: the batch was sent before under this key, and its answer lost.
    """
    if again:
        (was_done,) = connection.execute(CLAIM_BATCH, {"key": batch_key}).fetchone() or (False,)
        if not was_done:
            return None
        return [
            replace(decision, replayed=True) for decision in path.recall(connection, operations, record_ids)
        ]
    return path.run(connection, operations, record_ids, batch_key)


def _consume(
    connection: Connection, operations: Sequence[Operation], record_ids: Sequence[int], batch_key: UUID
) -> list[Decision] | None:
    rows = connection.execute(CONSUME_ALL, (*_asked(operations), array(record_ids), batch_key)).fetchall()
    return _taken(operations, record_ids, rows) if rows[0][0] else None


def _recall_consumed(
    connection: Connection, operations: Sequence[Operation], record_ids: Sequence[int]
) -> list[Decision]:
    return _taken(operations, record_ids, _counters_now(connection, operations), shown_before=False)


def _reserve(
    connection: Connection,
    operations: Sequence[Operation],
    record_ids: Sequence[int],  # noqa: ARG001 - nothing is recorded yet
    batch_key: UUID,
) -> list[Decision] | None:
    own = (array([o.reservation_id for o in operations]), array([o.ttl_s for o in operations]), batch_key)
    rows = connection.execute(RESERVE_ALL, (*_asked(operations), *own)).fetchall()
    return _held(operations, rows) if rows[0][0] else None


def _recall_reserved(
    connection: Connection,
    operations: Sequence[Operation],
    record_ids: Sequence[int],  # noqa: ARG001
) -> list[Decision]:
    return _held(operations, _counters_now(connection, operations), shown_before=False)


def _settle(
    connection: Connection, operations: Sequence[Operation], record_ids: Sequence[int], batch_key: UUID
) -> list[Decision] | None:
    parameters = (
        array([o.account_id for o in operations]),
        array([o.reservation_id for o in operations]),
        texts([o.request_id for o in operations]),
        array(record_ids),
        batch_key,
    )
    rows = connection.execute(SETTLE_ALL, parameters).fetchall()
    return _settled(operations, record_ids, rows) if rows[0][0] else None


def _recall_settled(
    connection: Connection, operations: Sequence[Operation], record_ids: Sequence[int]
) -> list[Decision]:
    ids = [o.reservation_id for o in operations]
    return _settled(operations, record_ids, connection.execute(READ_SETTLED, (ids,)).fetchall())


READ_SETTLED = "SELECT true, palier_now(), id, units FROM quotas_reservation WHERE id = ANY(%s::uuid[])"

PATHS: dict[Kind, Path] = {
    Kind.CONSUME: Path(_consume, _recall_consumed),
    Kind.RESERVE: Path(_reserve, _recall_reserved),
    Kind.SETTLE: Path(_settle, _recall_settled),
}


def _asked(operations: Sequence[Operation]) -> tuple[Any, ...]:
    return (
        array([o.account_id for o in operations]),
        array([o.metric_id for o in operations]),
        array([o.credential_id for o in operations]),
        array([o.units for o in operations]),
        texts([o.subject for o in operations]),
        texts([o.request_id for o in operations]),
    )


def _counters_now(connection: Connection, operations: Sequence[Operation]) -> list[Row]:
    pairs = list(dict.fromkeys((o.account_id, o.metric_id) for o in operations))
    parameters = (array([account for account, _ in pairs]), array([metric for _, metric in pairs]))
    return connection.execute(READ_COUNTERS, parameters).fetchall()


def _by_pair(rows: Sequence[Row]) -> dict[Pair, list[Row]]:
    found: dict[Pair, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[2], row[3]].append(row)
    return found


def _taken(
    operations: Sequence[Operation],
    record_ids: Sequence[int],
    rows: Sequence[Row],
    *,
    shown_before: bool = True,
) -> list[Decision]:
    """One decision for each operation. `rows` show the counters before the batch, or else as they are now."""
    decided_at: datetime = rows[0][1]
    counters, taken = _by_pair(rows), dict[Pair, int]()
    decisions = []
    for operation, record_id in zip(operations, record_ids, strict=True):
        pair = (operation.account_id, operation.metric_id)
        taken[pair] = taken.get(pair, 0) + operation.units
        decisions.append(
            Decision(
                account_id=operation.account_id,
                metric=operation.metric,
                units=operation.units,
                allowed=True,
                decided_at=decided_at,
                split=_allowance(operation.units),
                record_id=record_id,
                lazy_bounds=_bounds(
                    operation.metric, counters[pair], used=taken[pair] if shown_before else 0
                ),
            )
        )
    return decisions


def _held(
    operations: Sequence[Operation], rows: Sequence[Row], *, shown_before: bool = True
) -> list[Decision]:
    decided_at: datetime = rows[0][1]
    counters, held = _by_pair(rows), dict[Pair, int]()
    decisions = []
    for operation in operations:
        pair = (operation.account_id, operation.metric_id)
        held[pair] = held.get(pair, 0) + operation.units
        decisions.append(
            Decision(
                account_id=operation.account_id,
                metric=operation.metric,
                units=operation.units,
                allowed=True,
                decided_at=decided_at,
                split=_allowance(operation.units),
                reservation_id=operation.reservation_id,
                reservation_expires_at=decided_at + timedelta(seconds=operation.ttl_s),
                lazy_bounds=_bounds(
                    operation.metric, counters[pair], reserved=held[pair] if shown_before else 0
                ),
            )
        )
    return decisions


def _settled(
    operations: Sequence[Operation], record_ids: Sequence[int], rows: Sequence[Row]
) -> list[Decision]:
    """Decisions whose bounds are read when somebody looks: the metered path does not."""
    units_of = {row[2]: row[3] for row in rows}
    return [
        Decision(
            account_id=operation.account_id,
            metric=operation.metric,
            units=units_of[operation.reservation_id],
            allowed=True,
            decided_at=rows[0][1],
            split=_allowance(units_of[operation.reservation_id]),
            record_id=record_id,
            reservation_id=operation.reservation_id,
            lazy_bounds=_status(operation.account_id, operation.metric),
        )
        for operation, record_id in zip(operations, record_ids, strict=True)
    ]


def _bounds(
    metric: str, rows: Sequence[Row], *, used: int = 0, reserved: int = 0
) -> Callable[[], tuple[Bound, ...]]:
    """The bounds of `rows` with what was added to their counters, made when somebody looks."""

    def build() -> tuple[Bound, ...]:
        return tuple(
            Bound(
                metric=metric,
                window=window,
                source=source,
                source_ref=source_ref,
                limit=limit,
                mode=mode,
                used=used_before + used,
                reserved=reserved_before + reserved,
                starts_at=starts_at,
                reset_at=ends_at,
            )
            for (
                *_,
                window,
                source,
                source_ref,
                limit,
                mode,
                used_before,
                reserved_before,
                starts_at,
                ends_at,
            ) in rows
        )

    return build


def _status(account_id: int, metric: str) -> Callable[[], tuple[Bound, ...]]:
    from quotas.selectors import quota_status

    return lambda: tuple(quota_status(account_id=account_id, metric=metric))


@lru_cache(maxsize=1024)
def _allowance(units: int) -> Split:
    return Split(allowance=units)
