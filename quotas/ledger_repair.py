"""A ledger made right again from what stands in more than one place, under lock and on record.

The ledger is append-only: this is the one place that writes over an entry, for figures that were damaged from outside, and
only where the rest of the books determines what it said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Sum

from accounts.locks import lock_account
from common import audit
from quotas.enums import EntryKind, GrantSource
from quotas.ledger_books import ledger_findings
from quotas.ledger_missing import Missing, MissingPast, movements_missing, overage_missing, taken_from
from quotas.ledger_rules import Entry, Lost, Mending, mending
from quotas.models import Grant, LedgerEntry, Wallet

TRIGGER = "quotas_ledgerentry_append_only"
ANEW = "written anew: the entry was lost"
LAST = 2**63 - 1
FREE_ID = """
SELECT n FROM generate_series(%(after)s::bigint + 1, %(before)s::bigint - 1) AS n
WHERE NOT EXISTS (SELECT 1 FROM quotas_ledgerentry WHERE id = n) ORDER BY n LIMIT 1
"""


@dataclass(slots=True)
class LedgerMended:
    """What was done, one line each, and what the books do not determine."""

    done: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)


@transaction.atomic
def ledger_mend(*, account_id: int, actor: Any, dry_run: bool = False, now: datetime) -> LedgerMended:
    """Make the account's entries, grants and wallet agree. Where that does not make all of it right, nothing is changed."""
    lock_account(account_id)
    wallet = Wallet.objects.select_for_update().filter(account_id=account_id).first()
    told = LedgerMended()
    rows = list(LedgerEntry.objects.filter(account_id=account_id).order_by("id"))
    spent_first = F("expires_at").asc(nulls_last=True), "id"
    owned = Grant.objects.select_for_update().filter(account_id=account_id).order_by(*spent_first)
    grants = {one.pk: one for one in owned}
    lines: list[str] = []
    if wallet is None:
        if not rows and not grants:
            return told
        left = sum(grant.remaining_units for grant in grants.values())
        wallet = Wallet.objects.create(account_id=account_id, balance_units=left, updated_at=now)
        lines = [f"the wallet is made anew with {left}, as its grants say"]
    missing = movements_missing(account_id)
    found = mending(
        [Entry(one.pk, one.units, one.balance_units, one.grant_id) for one in rows],
        remaining={pk: grant.remaining_units for pk, grant in grants.items()},
        wallet=wallet.balance_units,
        owed=[one.units for one in missing if one.units],
        has_room=lambda after, before: _free_id(after, before) is not None,
    )
    unclear = found.unclear + [
        f"record {one.record_id} was paid with credits, no entry is left of it, and no right says its price"
        for one in missing
        if one.units is None
    ]
    if not unclear:
        lines += _write(wallet, found, grants, missing, now)
        unclear = [one.removeprefix(f"account {account_id}: ") for one in ledger_findings(account_id)]
    if unclear:
        transaction.set_rollback(True)
        told.unclear = [f"account {account_id}: {line}" for line in unclear]
        return told
    told.done = [f"account {account_id}: {line}" for line in lines]
    for line in told.done:
        audit.record(actor=actor, account_id=account_id, action="ledger.mended", reason=line, now=now)
    transaction.set_rollback(dry_run)
    return told


def _write(
    wallet: Wallet, found: Mending, grants: dict[int, Grant], missing: list[Missing], now: datetime
) -> list[str]:
    lines = _overwrite(found)
    lines += [_write_anew(wallet, lost, grants[lost.grant_id], missing, now) for lost in found.lost]
    for grant_id, left in found.remaining.items():
        Grant.objects.filter(pk=grant_id).update(remaining_units=left)
        lines.append(f"grant {grant_id} has {left} left, as its entries say")
    if found.wallet is not None:
        Wallet.objects.filter(pk=wallet.pk).update(balance_units=found.wallet)
        lines.append(f"the wallet has {found.wallet}, as its ledger says")
    balance = wallet.balance_units if found.wallet is None else found.wallet
    lines += [_past_credits(wallet.account_id, one, balance) for one in overage_missing(wallet.account_id)]
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


def _write_anew(wallet: Wallet, lost: Lost, grant: Grant, missing: list[Missing], now: datetime) -> str:
    """The entry that was lost, as the books say what it was: of an operation, of the grant's begin, or of its end."""
    pk = _free_id(lost.after_id, lost.before_id)
    entries = LedgerEntry.objects.filter(account_id=wallet.account_id)
    before = (entries if pk is None else entries.filter(pk__lt=pk)).order_by("-pk").first()
    after = None if lost.before_id is None else entries.get(pk=lost.before_id)
    entry = LedgerEntry(
        id=pk,
        account_id=wallet.account_id,
        grant=grant,
        units=lost.units,
        balance_units=(before.balance_units if before else 0) + lost.units,
        reason=ANEW,
    )
    of = taken_from(
        missing,
        lost.units,
        after=before.occurred_at if before else None,
        before=after.occurred_at if after else None,
    )
    spent = grant.entries.filter(pk__lt=pk or LAST).aggregate(sum=Sum("units"))["sum"] or 0
    if of is not None:
        entry.kind, entry.metric_id, entry.occurred_at = of.kind, of.metric_id, of.occurred_at
        entry.request_id, entry.credential_id = f"{of.name}:{grant.pk}", of.credential_id
        entry.record_id, entry.reservation_id = of.record_id, of.reservation_id
    elif (
        lost.units == grant.units
        and not grant.entries.filter(request_id=f"grant:{grant.request_id}").exists()
    ):
        by_support = grant.source == GrantSource.SUPPORT
        entry.kind = EntryKind.ADJUSTMENT if by_support else EntryKind.GRANT
        entry.request_id = f"grant:{grant.request_id}"
        entry.reason, entry.occurred_at = grant.reason, grant.granted_at
    elif (
        grant.expires_at is not None
        and spent + lost.units == 0
        and grant.expires_at <= (after.occurred_at if after else now)
    ):
        times = grant.entries.filter(kind=EntryKind.EXPIRY).count()
        entry.kind, entry.request_id = EntryKind.EXPIRY, f"expiry:{grant.pk}:{times}"
        entry.occurred_at = max(grant.expires_at, before.occurred_at if before else grant.expires_at)
    else:
        entry.kind, entry.request_id = EntryKind.ADJUSTMENT, f"mended:{grant.pk}:{lost.after_id}:{lost.units}"
        entry.occurred_at = before.occurred_at if before else now
    entry.save(force_insert=True)
    return f"entry {entry.pk} written anew: {entry.kind} {lost.units:+} of grant {grant.pk}"


def _free_id(after: int, before: int | None) -> int | None:
    """Where an entry stood, so that the balances run through it; at the end the next number."""
    if before is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(FREE_ID, {"after": after, "before": before})
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def _past_credits(account_id: int, one: MissingPast, balance: int) -> str:
    made = LedgerEntry.objects.create(
        account_id=account_id,
        kind=EntryKind.OVERAGE,
        request_id=one.name,
        units=0,
        overage_units=one.units,
        balance_units=balance,
        metric_id=one.metric_id,
        credential_id=one.credential_id,
        record_id=one.record_id,
        reservation_id=one.reservation_id,
        reason=ANEW,
        occurred_at=one.occurred_at,
    )
    return f"entry {made.pk} written anew: {one.units} units past the credits for record {one.record_id}"
