"""The quick path: a batch of plain consumption in one statement, if all of it fits.

Most batches do. Whatever does not (a limit reached, a bucket to be made, a key seen before, an overage) makes the
statement do nothing, and the careful path decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg

from quotas.engine.connection import array
from quotas.engine.sql import ADMIT_ALL, READ_COUNTERS
from quotas.values import Bound, Decision, Kind, Operation, Split

Row = tuple[Any, ...]
Pair = tuple[int, int]
BATCH_KEY_CONSTRAINT = "quotas_operationkey_pkey"


def is_plain(operation: Operation) -> bool:
    """Whether the quick path may try it."""
    return operation.kind == Kind.CONSUME and not operation.keep_decision


def admit_all(
    connection: psycopg.Connection[Row],
    operations: Sequence[Operation],
    record_ids: Sequence[int],
    batch_key: UUID,
) -> list[Decision] | None:
    """All of `operations` counted and committed, or None and nothing done.

    Called again with the same `batch_key` after its answer was lost, it counts nothing more.
    """
    parameters = (
        array([o.account_id for o in operations]),
        array([o.metric_id for o in operations]),
        array([o.credential_id for o in operations]),
        array([o.units for o in operations]),
        array(record_ids),
        [o.subject for o in operations],
        [o.request_id for o in operations],
        batch_key,
    )
    try:
        rows = connection.execute(ADMIT_ALL, parameters).fetchall()
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != BATCH_KEY_CONSTRAINT:
            raise
        return _counted_before(connection, operations, record_ids)
    if not rows or not rows[0][0]:
        return None
    return _decisions(operations, record_ids, rows)


def _counted_before(
    connection: psycopg.Connection[Row], operations: Sequence[Operation], record_ids: Sequence[int]
) -> list[Decision]:
    """The decisions of a batch whose commit went unheard, with the counters as they stand now."""
    pairs = list(dict.fromkeys((o.account_id, o.metric_id) for o in operations))
    parameters = (array([a for a, _ in pairs]), array([m for _, m in pairs]))
    rows = connection.execute(READ_COUNTERS, parameters).fetchall()
    decisions = _decisions(operations, record_ids, rows, counted=True)
    return [replace(decision, replayed=True) for decision in decisions]


def _decisions(
    operations: Sequence[Operation],
    record_ids: Sequence[int],
    rows: Sequence[Row],
    *,
    counted: bool = False,
) -> list[Decision]:
    """One decision for each operation, with the counters right after it (as they are now, when `counted` before)."""
    decided_at: datetime = rows[0][1]
    bound_rows: dict[Pair, list[Row]] = defaultdict(list)
    for row in rows:
        bound_rows[row[2], row[3]].append(row)
    taken: dict[Pair, int] = defaultdict(int)
    decisions = []
    for operation, record_id in zip(operations, record_ids, strict=True):
        pair = (operation.account_id, operation.metric_id)
        taken[pair] += operation.units
        decisions.append(
            Decision(
                account_id=operation.account_id,
                metric=operation.metric,
                units=operation.units,
                allowed=True,
                decided_at=decided_at,
                split=_allowance(operation.units),
                record_id=record_id,
                lazy_bounds=_bounds(operation.metric, bound_rows[pair], 0 if counted else taken[pair]),
            )
        )
    return decisions


def _bounds(metric: str, rows: Sequence[Row], taken: int) -> Callable[[], tuple[Bound, ...]]:
    def build() -> tuple[Bound, ...]:
        return tuple(
            Bound(
                metric=metric,
                window=window,
                source=source,
                source_ref=source_ref,
                limit=limit,
                mode=mode,
                used=used + taken,
                reserved=reserved,
                starts_at=starts_at,
                reset_at=ends_at,
            )
            for _, _, _, _, window, source, source_ref, limit, mode, used, reserved, starts_at, ends_at in rows
        )

    return build


@lru_cache(maxsize=1024)
def _allowance(units: int) -> Split:
    return Split(allowance=units)
