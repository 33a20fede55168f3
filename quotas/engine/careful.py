"""The careful path: lock what a batch touches, read what was decided before, decide in order, write, commit.

Locks are taken in one order everywhere: buckets by id, then keys, then reservations, then wallets. Keys are read under the
buckets' locks, so an operation sent twice is found the second time, however close the two are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from quotas.engine import sql
from quotas.engine.connection import array
from quotas.engine.decide import Batch, Outcome
from quotas.engine.purses import read_purses
from quotas.engine.state import (
    ActiveBound,
    BatchState,
    RightsChangedError,
    StoredKey,
    read_buckets,
    read_reservations,
)
from quotas.engine.write import write_batch
from quotas.values import Kind, Operation

Connection = psycopg.Connection[tuple[Any, ...]]
CLOSING = (Kind.SETTLE, Kind.RELEASE)
MOST_LOCKINGS = 6


def decide_carefully(
    connection: Connection, operations: Sequence[Operation], allocate: Callable[[int], Sequence[int]]
) -> list[Outcome]:
    """Decide `operations` in order and commit; one decision, or one error of the caller's, for each.

    `allocate(n)` gives n unused record ids.
    """
    with connection.transaction():
        state = _read_state(connection, operations)
        batch = Batch(state, allocate(len(operations)))
        outcomes = [batch.decide(operation) for operation in operations]
        write_batch(connection, batch)
    return outcomes


def _read_state(connection: Connection, operations: Sequence[Operation]) -> BatchState:
    pairs = list(dict.fromkeys((o.account_id, o.metric_id) for o in operations))
    accounts, metrics = array(a for a, _ in pairs), array(m for _, m in pairs)
    closing = [o.reservation_id for o in operations if o.kind in CLOSING]
    state = _lock_buckets(connection, accounts, metrics, closing)
    key_parameters = (array(o.account_id for o in operations), [o.key for o in operations])
    bucket_ids = array(state.buckets)
    with connection.pipeline():
        keys = connection.execute(sql.FIND_KEYS, key_parameters)
        reservations = connection.execute(sql.LOCK_RESERVATIONS, (closing,))
        overdue = connection.execute(sql.LOCK_OVERDUE, (bucket_ids, accounts, metrics))
        entitled = connection.execute(sql.ENTITLED_ACCOUNTS, (array(o.account_id for o in operations),))
        for account_id, key, fingerprint, decision, record_id in keys.fetchall():
            state.keys[account_id, key] = StoredKey(fingerprint, decision, record_id)
        state.reservations = {r.id: r for r in read_reservations(reservations.fetchall())}
        _check_all_locked(state)
        for reservation in read_reservations(overdue.fetchall()):
            state.overdue[reservation.account_id, reservation.metric_id].append(reservation)
        state.entitled = {account_id for (account_id,) in entitled.fetchall()}
    state.purses = read_purses(connection, state)
    return state


def _check_all_locked(state: BatchState) -> None:
    """A new limit may have given a reservation one more bucket since its buckets were locked: then lock anew."""
    if any(id_ not in state.buckets for r in state.reservations.values() for id_ in r.bucket_ids):
        raise RightsChangedError


def _lock_buckets(connection: Connection, accounts: str, metrics: str, closing: Sequence[Any]) -> BatchState:
    """The buckets under lock, made where they are missing and brought up to date where they did not count.

    The limits are read again once the locks are held, before anything is brought up to date: what was read first may
    be older than what the buckets have seen.
    """
    parameters = (accounts, metrics, list(closing))
    relocked = False
    for _ in range(MOST_LOCKINGS):
        state = read_buckets(connection.execute(sql.LOCK_BUCKETS, parameters).fetchall())
        missing, stale = state.missing(), state.stale()
        if missing:
            _create_buckets(connection, missing)
        elif not stale:
            return state
        elif relocked:
            ids = (array([bucket_id for bucket_id, _ in stale]), array([right for _, right in stale]))
            connection.execute(sql.REFRESH_BUCKETS, ids)
        relocked = True
    raise RightsChangedError


def _create_buckets(connection: Connection, missing: Sequence[ActiveBound]) -> None:
    """Make the buckets that nobody else makes in the meantime."""
    rows = (
        array(b.account_id for b in missing),
        array(b.metric_id for b in missing),
        [b.window for b in missing],
        [b.starts_at for b in missing],
        [b.ends_at for b in missing],
        array(b.limit for b in missing),
        [b.mode for b in missing],
        array(b.version for b in missing),
    )
    connection.execute(sql.CREATE_BUCKETS, rows)
