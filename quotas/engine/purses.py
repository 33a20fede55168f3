"""Credits on the careful path: the wallets that a batch may spend from, under lock, and what its decisions move.

Wallets are locked after buckets, keys and reservations, in order of account. A batch without credits reads nothing here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from quotas import rules
from quotas.engine.connection import array
from quotas.enums import EntryKind, Mode

if TYPE_CHECKING:
    from quotas.engine.state import BatchState, LockedReservation
    from quotas.values import Operation

Connection = psycopg.Connection[tuple[Any, ...]]
Taken = list[tuple[int, int]]

ENSURE_WALLETS = """
INSERT INTO quotas_wallet (account_id, balance_units, updated_at)
SELECT a.id, 0, palier_transaction_now() FROM unnest(%s::bigint[]) AS a(id) ORDER BY a.id
ON CONFLICT (account_id) DO NOTHING
"""
LOCK_WALLETS = """
SELECT account_id, balance_units FROM quotas_wallet WHERE account_id = ANY(%s::bigint[])
ORDER BY account_id FOR NO KEY UPDATE
"""
# Read once the wallets are locked. A grant whose time is over is not there, whether or not its expiry is written yet.
READ_PURSES = """
SELECT account_id, id, remaining_units FROM quotas_grant
WHERE account_id = ANY(%s::bigint[])
  AND (remaining_units > 0 OR id IN (SELECT grant_id FROM quotas_ledgerentry WHERE reservation_id = ANY(%s::uuid[])))
  AND (expires_at IS NULL OR expires_at > palier_transaction_now())
ORDER BY account_id, expires_at NULLS LAST, id
"""
READ_PRICES = """
SELECT id, credits_per_unit FROM quotas_entitlement WHERE id = ANY(%s::bigint[]) AND credits_per_unit IS NOT NULL
"""
# What a reservation took, in the order it was taken in.
READ_TAKEN = """
SELECT reservation_id, grant_id, -units FROM quotas_ledgerentry
WHERE reservation_id = ANY(%s::uuid[]) AND kind = 'use' ORDER BY id
"""
WRITE_WALLETS = """
UPDATE quotas_wallet w SET balance_units = n.balance, updated_at = palier_transaction_now()
FROM unnest(%s::bigint[], %s::bigint[]) AS n(account_id, balance) WHERE w.account_id = n.account_id
"""
WRITE_GRANTS = """
UPDATE quotas_grant g SET remaining_units = g.remaining_units + n.units
FROM (SELECT id, sum(units) AS units FROM unnest(%s::bigint[], %s::bigint[]) AS m(id, units) GROUP BY id) AS n
WHERE g.id = n.id
"""
WRITE_ENTRIES = """
INSERT INTO quotas_ledgerentry (account_id, kind, request_id, units, overage_units, balance_units, grant_id, metric_id,
  credential_id, record_id, reservation_id, reason, occurred_at)
SELECT account_id, kind, request_id, units, overage_units, balance_units, grant_id, metric_id, credential_id, record_id,
  reservation_id, '', palier_transaction_now()
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
            %s::smallint[], %s::bigint[], %s::bigint[], %s::uuid[])
  WITH ORDINALITY AS e(account_id, kind, request_id, units, overage_units, balance_units, grant_id, metric_id,
                       credential_id, record_id, reservation_id, position)
ORDER BY position
"""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A ledger entry to be written."""

    account_id: int
    kind: EntryKind
    request_id: str
    units: int
    overage_units: int
    balance_units: int
    grant_id: int | None
    metric_id: int
    credential_id: int | None
    record_id: int | None
    reservation_id: UUID | None


@dataclass(slots=True)
class LockedWallet:
    """A wallet under lock: its balance, and its grants in the order they are spent in."""

    account_id: int
    balance: int
    purses: list[rules.Purse] = field(default_factory=list)

    def payable(self, credits_per_unit: int) -> int:
        """How many units its credits pay for."""
        return self.spendable // credits_per_unit

    @property
    def spendable(self) -> int:
        """Credits of grants that have not expired."""
        return sum(purse.remaining for purse in self.purses)

    def put_back(self, grant_id: int, credit_count: int) -> None:
        """Credits return to their grant; what has expired meanwhile is no longer spendable."""
        self.balance += credit_count
        for purse in self.purses:
            if purse.grant_id == grant_id:
                purse.remaining += credit_count


@dataclass(slots=True)
class Purses:
    """The batch's wallets, and the movements that its decisions make."""

    wallets: dict[int, LockedWallet] = field(default_factory=dict)
    taken: dict[UUID, Taken] = field(default_factory=lambda: defaultdict(list))
    entries: list[NewEntry] = field(default_factory=list)

    def spend(self, operation: Operation, credit_count: int, **of: Any) -> None:
        """Take credits for the operation; one entry for each grant that gave."""
        wallet = self.wallets[operation.account_id]
        for grant_id, units in rules.spend(wallet.purses, credit_count):
            wallet.balance -= units
            name = f"use:{operation.key}:{grant_id}"
            self._enter(wallet, EntryKind.USE, name, operation, grant_id=grant_id, units=-units, **of)

    def overage(self, key: UUID | None, origin: Operation | LockedReservation, units: int, **of: Any) -> None:
        """Say that units past the credits were used by the operation of that key."""
        wallet = self.wallets[origin.account_id]
        name = f"overage:{key}"
        self._enter(wallet, EntryKind.OVERAGE, name, origin, overage_units=units, **of)

    def give_back(self, reservation: LockedReservation, credit_count: int, **of: Any) -> None:
        """Return credits that a reservation holds, to the grants they came from."""
        wallet = self.wallets[reservation.account_id]
        for grant_id, units in rules.refund(self.taken[reservation.id], credit_count):
            wallet.put_back(grant_id, units)
            name = f"release:{reservation.id}:{grant_id}"
            self._enter(wallet, EntryKind.REVERSAL, name, reservation, grant_id=grant_id, units=units, **of)

    def _enter(
        self,
        wallet: LockedWallet,
        kind: EntryKind,
        request_id: str,
        origin: Operation | LockedReservation,
        *,
        grant_id: int | None = None,
        units: int = 0,
        overage_units: int = 0,
        record_id: int | None = None,
        reservation_id: UUID | None = None,
    ) -> None:
        self.entries.append(
            NewEntry(
                account_id=wallet.account_id,
                kind=kind,
                request_id=request_id,
                units=units,
                overage_units=overage_units,
                balance_units=wallet.balance,
                grant_id=grant_id,
                metric_id=origin.metric_id,
                credential_id=origin.credential_id,
                record_id=record_id,
                reservation_id=reservation_id,
            )
        )


def read_purses(connection: Connection, state: BatchState) -> Purses:
    """The wallets that this batch may take from or give back to, locked; none where credits play no part."""
    backed = [b for bounds in state.bounds.values() for b in bounds if b.mode == Mode.CREDITS]
    overdue = [r for reservations in state.overdue.values() for r in reservations]
    holding = [r for r in [*state.reservations.values(), *overdue] if r.credits_per_unit is not None]
    if not backed and not holding:
        return Purses()
    accounts = array(sorted({b.account_id for b in backed} | {r.account_id for r in holding}))
    held = [r.id for r in holding]
    purses = Purses()
    with connection.pipeline():
        connection.execute(ENSURE_WALLETS, (accounts,))
        wallets = connection.execute(LOCK_WALLETS, (accounts,))
        grants = connection.execute(READ_PURSES, (accounts, held))
        prices = connection.execute(READ_PRICES, (array(sorted({b.entitlement_id for b in backed})),))
        taken = connection.execute(READ_TAKEN, (held,))
        purses.wallets = {account: LockedWallet(account, balance) for account, balance in wallets.fetchall()}
        for account_id, grant_id, remaining in grants.fetchall():
            purses.wallets[account_id].purses.append(rules.Purse(grant_id, remaining))
        price_of: dict[int, int] = dict(prices.fetchall())
        for reservation_id, grant_id, units in taken.fetchall():
            purses.taken[reservation_id].append((grant_id, units))
    for bound in backed:
        bound.credits_per_unit = price_of[bound.entitlement_id]
    return purses


def write_purses(connection: Connection, purses: Purses) -> None:
    """The movements of a decided batch."""
    entries: Sequence[NewEntry] = purses.entries
    if not entries:
        return
    balances = {entry.account_id: entry.balance_units for entry in entries}
    moved = [entry for entry in entries if entry.grant_id is not None]
    connection.execute(WRITE_WALLETS, (array(balances), array(balances.values())))
    connection.execute(WRITE_GRANTS, (array(e.grant_id for e in moved), array(e.units for e in moved)))
    connection.execute(
        WRITE_ENTRIES,
        (
            array(e.account_id for e in entries),
            [str(e.kind) for e in entries],
            [e.request_id for e in entries],
            array(e.units for e in entries),
            array(e.overage_units for e in entries),
            array(e.balance_units for e in entries),
            array(e.grant_id for e in entries),
            array(e.metric_id for e in entries),
            array(e.credential_id for e in entries),
            array(e.record_id for e in entries),
            [e.reservation_id for e in entries],
        ),
    )
