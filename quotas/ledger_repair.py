"""A ledger made right again from what stands in more than one place, under lock and on record.

The ledger is append-only: this is the one place that writes over an entry, for figures that were damaged from outside, and
only where the rest of the books determines what it said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.locks import lock_account
from common import audit
from quotas.enums import EntryKind, GrantSource
from quotas.ledger_rules import Entry, Lost, Mending, mending
from quotas.models import Grant, LedgerEntry, UsageRecord, Wallet

TRIGGER = "quotas_ledgerentry_append_only"
FREE_ID = """
SELECT n FROM generate_series(%(after)s::bigint + 1, %(before)s::bigint - 1) AS n
WHERE NOT EXISTS (SELECT 1 FROM quotas_ledgerentry WHERE id = n) ORDER BY n LIMIT 1
"""
# Records that were paid with credits, or went past them, of which no entry is left.
UNPAID = """
WITH entered AS (
  SELECT coalesce(l.record_id, r.record_id) AS record_id, bool_or(l.units < 0) AS paid, bool_or(l.overage_units > 0) AS past
  FROM quotas_ledgerentry l LEFT JOIN quotas_reservation r ON r.id = l.reservation_id
  WHERE l.account_id = %(account)s GROUP BY 1
)
SELECT u.id, r.id,
  CASE WHEN u.credit_units > 0 AND e.paid IS NOT TRUE
    THEN u.credit_units * coalesce(r.credits_per_unit, price.credits) ELSE 0 END,
  CASE WHEN u.overage_units > 0 AND e.past IS NOT TRUE THEN u.overage_units ELSE 0 END
FROM quotas_usagerecord u LEFT JOIN entered e ON e.record_id = u.id
LEFT JOIN quotas_reservation r ON r.record_id = u.id AND r.account_id = u.account_id
LEFT JOIN LATERAL (SELECT max(credits_per_unit) AS credits FROM quotas_entitlement
  WHERE account_id = u.account_id AND metric_id = u.metric_id AND valid_from <= u.occurred_at
    AND (valid_until IS NULL OR valid_until > u.occurred_at)) AS price ON true
WHERE u.account_id = %(account)s AND u.kind <> 'reverse'
  AND (u.credit_units > 0 AND e.paid IS NOT TRUE OR u.overage_units > 0 AND e.past IS NOT TRUE)
ORDER BY u.id
"""


@dataclass(frozen=True, slots=True)
class _Unpaid:
    """A record, what paid credits for it, and what of that the ledger does not know.

    `credit_count` None: it was paid with credits, and nothing that is left says how many a unit cost.
    """

    record_id: int
    reservation_id: UUID | None
    credit_count: int | None
    past_units: int


@dataclass(slots=True)
class LedgerMended:
    """What was done, one line each, and what the books do not determine."""

    done: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)


@transaction.atomic
def ledger_mend(*, account_id: int, actor: Any, dry_run: bool = False, now: datetime) -> LedgerMended:
    """Make the account's entries, grants and wallet agree. Where something is unclear, nothing of the account is changed."""
    lock_account(account_id)
    wallet = Wallet.objects.select_for_update().filter(account_id=account_id).first()
    told = LedgerMended()
    rows = list(LedgerEntry.objects.filter(account_id=account_id).order_by("id"))
    grants = {one.pk: one for one in Grant.objects.select_for_update().filter(account_id=account_id)}
    anew: list[str] = []
    if wallet is None:
        if not rows and not grants:
            return told
        left = sum(grant.remaining_units for grant in grants.values())
        wallet = Wallet.objects.create(account_id=account_id, balance_units=left, updated_at=now)
        anew = [f"the wallet is made anew with {left}, as its grants say"]
    unpaid = _unpaid(account_id)
    found = mending(
        [Entry(one.pk, one.units, one.balance_units, one.grant_id) for one in rows],
        remaining={pk: grant.remaining_units for pk, grant in grants.items()},
        wallet=wallet.balance_units,
        owed=[one.credit_count for one in unpaid if one.credit_count],
        has_room=lambda after, before: _free_id(after, before) is not None,
    )
    unpriced = [
        f"record {one.record_id} was paid with credits, no entry is left of it, and no right says its price"
        for one in unpaid
        if one.credit_count is None
    ]
    told.unclear = [f"account {account_id}: {line}" for line in [*found.unclear, *unpriced]]
    if told.unclear:
        transaction.set_rollback(True)
        return told
    lines = [*anew, *_write(wallet, found, grants, unpaid, now)]
    told.done = [f"account {account_id}: {line}" for line in lines]
    for line in told.done:
        audit.record(actor=actor, account_id=account_id, action="ledger.mended", reason=line, now=now)
    transaction.set_rollback(dry_run)
    return told


def _unpaid(account_id: int) -> list[_Unpaid]:
    with connection.cursor() as cursor:
        cursor.execute(UNPAID, {"account": account_id})
        return [
            _Unpaid(pk, held, None if owed is None else int(owed), int(past))
            for pk, held, owed, past in cursor.fetchall()
        ]


def _write(
    wallet: Wallet,
    found: Mending,
    grants: dict[int, Grant],
    unpaid: list[_Unpaid],
    now: datetime,
) -> list[str]:
    lines = _overwrite(found)
    without_entry = list(unpaid)
    for lost in found.lost:
        of = next((one for one in without_entry if one.credit_count == -lost.units), None)
        if of is not None:
            without_entry.remove(of)  # each record has its own entry, also where two cost the same
        lines.append(_write_anew(wallet, lost, grants[lost.grant_id], of, now))
    for grant_id, left in found.remaining.items():
        Grant.objects.filter(pk=grant_id).update(remaining_units=left)
        lines.append(f"grant {grant_id} has {left} left, as its entries say")
    if found.wallet is not None:
        Wallet.objects.filter(pk=wallet.pk).update(balance_units=found.wallet)
        lines.append(f"the wallet has {found.wallet}, as its ledger says")
    balance = wallet.balance_units if found.wallet is None else found.wallet
    for one in unpaid:
        if one.past_units:
            made = _past_credits(wallet.account_id, one, balance, now)
            lines.append(
                f"entry {made.pk} written anew: {one.past_units} units past the credits for record {one.record_id}"
            )
    return lines


def _overwrite(found: Mending) -> list[str]:
    lines = []
    changes = [
        *(("units", pk, value) for pk, value in found.units.items()),
        *(("balance_units", pk, value) for pk, value in found.balances.items()),
    ]
    if changes:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE quotas_ledgerentry DISABLE TRIGGER {TRIGGER}")
            for name, pk, value in changes:
                LedgerEntry.objects.filter(pk=pk).update(**{name: value})
                lines.append(f"entry {pk} says {value} as its {name}, as its neighbours do")
            cursor.execute(f"ALTER TABLE quotas_ledgerentry ENABLE TRIGGER {TRIGGER}")
    return lines


def _write_anew(wallet: Wallet, lost: Lost, grant: Grant, of: _Unpaid | None, now: datetime) -> str:
    """The entry that was lost; `of`: the record it paid for, if it was for one."""
    before = (
        LedgerEntry.objects.filter(account_id=wallet.account_id, pk__lte=lost.after_id)
        .order_by("-pk")
        .first()
    )
    entry = LedgerEntry(
        id=_free_id(lost.after_id, lost.before_id),
        account_id=wallet.account_id,
        grant=grant,
        units=lost.units,
        balance_units=(before.balance_units if before else 0) + lost.units,
        reason="written anew: the entry was lost",
    )
    if of is not None:
        used = UsageRecord.objects.get(pk=of.record_id)
        entry.kind, entry.metric_id, entry.occurred_at = EntryKind.USE, used.metric_id, used.occurred_at
        entry.request_id, entry.reservation_id = f"mended:use:{of.record_id}", of.reservation_id
        entry.record_id = None if of.reservation_id else of.record_id
    elif (
        lost.units == grant.units
        and not grant.entries.filter(request_id=f"grant:{grant.request_id}").exists()
    ):
        by_support = grant.source == GrantSource.SUPPORT
        entry.kind = EntryKind.ADJUSTMENT if by_support else EntryKind.GRANT
        entry.request_id = f"grant:{grant.request_id}"
        entry.reason, entry.occurred_at = grant.reason, grant.granted_at
    else:
        entry.kind, entry.request_id = EntryKind.ADJUSTMENT, f"mended:{grant.pk}:{lost.after_id}:{lost.units}"
        entry.occurred_at = before.occurred_at if before else now
    entry.save(force_insert=True)
    return f"entry {entry.pk} written anew: {lost.units:+} of grant {grant.pk}"


def _free_id(after: int, before: int | None) -> int | None:
    """Where an entry stood, so that the balances run through it; at the end the next number."""
    if before is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(FREE_ID, {"after": after, "before": before})
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def _past_credits(account_id: int, one: _Unpaid, balance: int, now: datetime) -> LedgerEntry:
    used = UsageRecord.objects.get(pk=one.record_id)
    return LedgerEntry.objects.create(
        account_id=account_id,
        kind=EntryKind.OVERAGE,
        request_id=f"mended:overage:{one.record_id}",
        units=0,
        overage_units=one.past_units,
        balance_units=balance,
        metric_id=used.metric_id,
        credential_id=used.credential_id,
        record_id=one.record_id,
        reason="written anew: the entry was lost",
        occurred_at=now,
    )
