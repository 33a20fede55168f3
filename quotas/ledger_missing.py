"""What records and reservations say was paid with credits, given back or used past them, of which the ledger has no entry.

The meter names its entries after the operation and the grant, so what was lost can be written anew as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from quotas.enums import EntryKind

# The price of a unit at that instant: of the strongest right of each window the largest, as the meter takes it.
PRICE = """LATERAL (SELECT max(credits_per_unit) AS credits FROM (
    SELECT DISTINCT ON ("window") credits_per_unit FROM quotas_entitlement
    WHERE account_id = u.account_id AND metric_id = u.metric_id AND valid_from <= u.occurred_at
      AND (valid_until IS NULL OR valid_until > u.occurred_at)
    ORDER BY "window", source_rank DESC, id DESC) AS strongest)"""

USED = """
SELECT 'use', 'use:' || u.key, -u.credit_units * price.credits, coalesce(e.units, 0), u.metric_id, u.credential_id, u.id,
  NULL::uuid, u.occurred_at
FROM quotas_usagerecord u CROSS JOIN {price} AS price
LEFT JOIN LATERAL (SELECT sum(units) AS units FROM quotas_ledgerentry
  WHERE account_id = u.account_id AND record_id = u.id AND kind = 'use') AS e ON true
WHERE u.account_id = %(account)s AND u.kind = 'consume' AND u.credit_units > 0
"""

HELD = """
SELECT 'use', 'use:' || r.id, -r.credit_units * r.credits_per_unit, coalesce(e.units, 0), r.metric_id, r.credential_id,
  NULL::bigint, r.id, r.decided_at
FROM quotas_reservation r
LEFT JOIN LATERAL (SELECT sum(units) AS units FROM quotas_ledgerentry
  WHERE account_id = r.account_id AND reservation_id = r.id AND kind = 'use') AS e ON true
WHERE r.account_id = %(account)s AND r.credit_units > 0 AND r.credits_per_unit IS NOT NULL
"""

LET_GO = """
SELECT 'reversal', 'release:' || r.id, (r.credit_units - coalesce(r.settled_credit_units, 0)) * r.credits_per_unit,
  coalesce(e.units, 0), r.metric_id, r.credential_id, NULL::bigint, r.id, r.closed_at
FROM quotas_reservation r
LEFT JOIN LATERAL (SELECT sum(units) AS units FROM quotas_ledgerentry
  WHERE account_id = r.account_id AND reservation_id = r.id AND kind = 'reversal') AS e ON true
WHERE r.account_id = %(account)s AND r.status <> 'open' AND r.credits_per_unit IS NOT NULL
"""

REVERSED = """
SELECT 'reversal', 'reverse:' || u.reverses_record_id, -u.credit_units * coalesce(r.credits_per_unit, price.credits),
  coalesce(e.units, 0), u.metric_id, u.credential_id, u.id, NULL::uuid, u.recorded_at
FROM quotas_usagerecord u CROSS JOIN {price} AS price
LEFT JOIN quotas_reservation r ON r.account_id = u.account_id AND r.record_id = u.reverses_record_id
LEFT JOIN LATERAL (SELECT sum(units) AS units FROM quotas_ledgerentry
  WHERE account_id = u.account_id AND record_id = u.id AND kind = 'reversal') AS e ON true
WHERE u.account_id = %(account)s AND u.kind = 'reverse' AND u.credit_units < 0
"""

# Only what credits would have paid for: a contract charges past its limits without the ledger.
PAST = """
SELECT u.id, 'overage:' || u.key, u.overage_units, u.metric_id, u.credential_id, r.id, u.occurred_at
FROM quotas_usagerecord u CROSS JOIN {price} AS price
LEFT JOIN quotas_reservation r ON r.account_id = u.account_id AND r.record_id = u.id
WHERE u.account_id = %(account)s AND u.kind <> 'reverse' AND u.overage_units > 0
  AND coalesce(r.credits_per_unit, CASE WHEN r.id IS NULL THEN price.credits END) IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM quotas_ledgerentry e
    WHERE e.account_id = u.account_id AND e.record_id = u.id AND e.kind = 'overage')
ORDER BY u.id
"""


@dataclass(slots=True)
class Missing:
    """Credits of an operation that the ledger does not know: `units` as its entries would move them, minus is taken.

    None: nothing that is left says what a unit cost. `name` is what its entries' request ids begin with.
    """

    kind: EntryKind
    name: str
    units: int | None
    metric_id: int
    credential_id: int | None
    record_id: int | None
    reservation_id: UUID | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class MissingPast:
    """A record of use past the credits without its entry."""

    record_id: int
    name: str
    units: int
    metric_id: int
    credential_id: int | None
    reservation_id: UUID | None
    occurred_at: datetime


def movements_missing(account_id: int) -> list[Missing]:
    """What the ledger lacks, oldest first. A figure that says too much is none of these."""
    found = [
        Missing(EntryKind(kind), name, None if should is None else int(should - has), *where)
        for query in (USED, HELD, LET_GO, REVERSED)
        for kind, name, should, has, *where in _rows(query, account_id)
        if (should is None and not has) or (should is not None and _lacks(kind, int(should - has)))
    ]
    return sorted(found, key=lambda one: one.occurred_at)


def overage_missing(account_id: int) -> list[MissingPast]:
    """Use past the credits that the ledger does not know."""
    return [MissingPast(*row) for row in _rows(PAST, account_id)]


def taken_from(
    missing: list[Missing], units: int, *, after: datetime | None, before: datetime | None
) -> Missing | None:
    """The operation that a lost entry of so many units was of, less those; None where it was of none.

    `after`, `before`: when the entries around it were written.
    """
    fitting = [one for one in missing if one.units and one.units * units > 0 and abs(one.units) >= abs(units)]
    between = [one for one in fitting if _is_between(one.occurred_at, after, before)]
    best = min(between or fitting, key=lambda one: (one.units != units, one.occurred_at), default=None)
    if best is not None and best.units is not None:
        best.units -= units
    return best


def _is_between(at: datetime, after: datetime | None, before: datetime | None) -> bool:
    return (after is None or after <= at) and (before is None or at <= before)


def _lacks(kind: str, difference: int) -> bool:
    return difference < 0 if kind == EntryKind.USE else difference > 0


def _rows(query: str, account_id: int) -> Iterator[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query.replace("{price}", PRICE), {"account": account_id})
        rows: Iterable[Any] = cursor.fetchall()
    yield from rows
