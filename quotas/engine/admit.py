"""The quick path: a batch of plain consumption in one statement, if all of it fits.

Most batches do. Whatever does not (a limit reached, a bucket to be made, a key seen before, an overage) makes the
statement do nothing, and the careful path decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import psycopg

from quotas.engine.connection import array
from quotas.engine.sql import ADMIT_ALL
from quotas.values import Bound, Decision, Kind, Operation, Split

Row = tuple[Any, ...]
Pair = tuple[int, int]


def is_plain(operation: Operation) -> bool:
    """Whether the quick path may try it."""
    return operation.kind == Kind.CONSUME and not operation.keep_decision


def admit_all(
    connection: psycopg.Connection[Row], operations: Sequence[Operation], record_ids: Sequence[int]
) -> list[Decision] | None:
    """All of `operations` counted and committed, or None and nothing done."""
    parameters = (
        array(o.account_id for o in operations),
        array(o.metric_id for o in operations),
        array(o.credential_id for o in operations),
        array(o.units for o in operations),
        [o.key for o in operations],
        array(record_ids),
        [o.subject for o in operations],
        [o.request_id for o in operations],
    )
    try:
        rows = connection.execute(ADMIT_ALL, parameters).fetchall()
    except psycopg.errors.UniqueViolation:
        return None
    if not rows or not rows[0][0]:
        return None
    return _decisions(operations, record_ids, rows)


def _decisions(
    operations: Sequence[Operation], record_ids: Sequence[int], rows: Sequence[Row]
) -> list[Decision]:
    """One decision for each operation, showing the counters as they stood right after it."""
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
                split=Split(allowance=operation.units),
                record_id=record_id,
                lazy_bounds=_bounds(operation.metric, bound_rows[pair], taken[pair]),
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
