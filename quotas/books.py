"""The meter's invariants, checked after every test and by `manage.py verify_books`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection

from common.books import check

REMEDY = "manage.py rebuild_counters --account {account}"
LEDGER_REMEDY = "manage.py mend_ledger --account {account}"

USED = """
SELECT b.account_id, m.code, b."window", b.starts_at, b.used_units, coalesce(r.units, 0)
FROM quotas_bucket b JOIN quotas_metric m ON m.id = b.metric_id
JOIN quotas_entitlement e ON e.id = b.entitlement_id AND (e.valid_until IS NULL OR e.valid_until >= b.ends_at
  OR e.valid_until > palier_now())
LEFT JOIN LATERAL (
  SELECT sum(u.units) AS units FROM quotas_usagerecord u
  WHERE u.account_id = b.account_id AND u.metric_id = b.metric_id
    AND u.occurred_at >= b.starts_at AND (b.ends_at IS NULL OR u.occurred_at < b.ends_at)
) AS r ON true
WHERE b.used_units <> coalesce(r.units, 0)
  AND (b."window" = 'capacity' OR b.starts_at >= (SELECT quotas_records_since()))
"""

RESERVED = """
SELECT b.account_id, m.code, b."window", b.starts_at, b.reserved_units, coalesce(r.units, 0)
FROM quotas_bucket b JOIN quotas_metric m ON m.id = b.metric_id
LEFT JOIN (
  SELECT bucket_id, sum(units) AS units
  FROM quotas_reservation, unnest(bucket_ids) AS bucket_id WHERE status = 'open' GROUP BY bucket_id
) AS r ON r.bucket_id = b.id
WHERE b.reserved_units <> coalesce(r.units, 0)
"""

# Of months whose records were taken out, the days' figures are all that is left.
DAYS = """
SELECT coalesce(d.account_id, r.account_id), m.code, coalesce(d.day, r.day), coalesce(d.units, 0),
  coalesce(r.units, 0)
FROM (SELECT * FROM quotas_usageday WHERE day >= (SELECT quotas_records_since() AT TIME ZONE 'UTC')::date) AS d
FULL JOIN (
  SELECT account_id, metric_id, credential_id, (occurred_at AT TIME ZONE 'UTC')::date AS day, sum(units) AS units,
    sum(overage_units) AS overage_units, sum(CASE kind WHEN 'give_back' THEN 0 WHEN 'reverse' THEN -1 ELSE 1 END) AS operations
  FROM quotas_usagerecord WHERE occurred_at >= (SELECT quotas_records_since()) GROUP BY 1, 2, 3, 4
) AS r ON (r.account_id, r.metric_id, r.day, coalesce(r.credential_id, 0))
       = (d.account_id, d.metric_id, d.day, coalesce(d.credential_id, 0))
JOIN quotas_metric m ON m.id = coalesce(d.metric_id, r.metric_id)
WHERE d.units IS DISTINCT FROM r.units OR d.overage_units IS DISTINCT FROM r.overage_units
  OR d.operations IS DISTINCT FROM r.operations OR d.units <> (SELECT sum(h) FROM unnest(d.hour_units) AS h)
"""

KEYS = """
SELECT r.account_id, m.code, r.id FROM quotas_usagerecord r JOIN quotas_metric m ON m.id = r.metric_id
WHERE r.recorded_at > palier_now() - interval '1 day' AND NOT EXISTS (
  SELECT 1 FROM quotas_operationkey k WHERE k.account_id IN (r.account_id, 0) AND k.key = r.key)
"""


@check("quotas.used_equals_records")
def used_equals_records() -> Iterator[str]:
    """A bucket's use is the sum of the records of its window.

    One whose right ended within the window stopped counting there, and is brought up to date when a right comes back.
    """
    for account, metric, window, starts_at, stored, summed in _rows(USED):
        yield (
            f"account {account}: {metric} per {window} from {starts_at:%Y-%m-%dT%H:%MZ} says {stored} used, "
            f"its records sum to {summed} ({REMEDY.format(account=account)})"
        )


@check("quotas.reserved_equals_open_reservations")
def reserved_equals_open_reservations() -> Iterator[str]:
    """What a bucket holds back is what open reservations hold."""
    for account, metric, window, starts_at, stored, summed in _rows(RESERVED):
        yield (
            f"account {account}: {metric} per {window} from {starts_at:%Y-%m-%dT%H:%MZ} says {stored} reserved, "
            f"open reservations hold {summed} ({REMEDY.format(account=account)})"
        )


@check("quotas.days_equal_records")
def days_equal_records() -> Iterator[str]:
    """The daily figures, and their hours, are the sums of the records."""
    for account, metric, day, stored, summed in _rows(DAYS):
        yield (
            f"account {account}: {metric} on {day} says {stored}, its records sum to {summed} "
            f"({REMEDY.format(account=account)})"
        )


@check("quotas.records_have_keys")
def records_have_keys() -> Iterator[str]:
    """Every recent record stands under the key, its own or its batch's, that keeps it from being counted twice."""
    for account, metric, record in _rows(KEYS):
        yield f"account {account}: record {record} of {metric} has no key of its own"


def _rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


BALANCES = """
SELECT account_id, w.balance_units, coalesce(e.units, 0), coalesce(g.units, 0)
FROM quotas_wallet w
FULL JOIN (SELECT account_id, sum(units) AS units FROM quotas_ledgerentry GROUP BY 1) AS e USING (account_id)
FULL JOIN (SELECT account_id, sum(remaining_units) AS units FROM quotas_grant GROUP BY 1) AS g USING (account_id)
WHERE w.balance_units IS DISTINCT FROM coalesce(e.units, 0) OR w.balance_units IS DISTINCT FROM coalesce(g.units, 0)
"""

GRANTS = """
SELECT g.account_id, g.id, g.remaining_units, coalesce(e.units, 0)
FROM quotas_grant g
LEFT JOIN (SELECT grant_id, sum(units) AS units FROM quotas_ledgerentry GROUP BY 1) AS e ON e.grant_id = g.id
WHERE g.remaining_units <> coalesce(e.units, 0)
"""

RUNNING = """
SELECT account_id, id, balance_units, running FROM (
  SELECT account_id, id, balance_units, sum(units) OVER (PARTITION BY account_id ORDER BY id) AS running
  FROM quotas_ledgerentry) AS l
WHERE balance_units <> running
"""

# What the ledger says was paid with credits, and past them, for each record; open reservations hold credits too.
SPLITS = """
WITH paid AS (
  SELECT coalesce(e.record_id, r.record_id) AS record_id, -sum(e.units) AS credits, sum(e.overage_units) AS overage
  FROM quotas_ledgerentry e LEFT JOIN quotas_reservation r ON r.id = e.reservation_id
  WHERE e.kind IN ('use', 'overage', 'reversal') AND coalesce(e.record_id, r.record_id) IS NOT NULL GROUP BY 1
)
SELECT u.account_id, m.code, u.id, u.credit_units, u.overage_units, coalesce(p.credits, 0), coalesce(p.overage, 0)
FROM quotas_usagerecord u JOIN quotas_metric m ON m.id = u.metric_id LEFT JOIN paid p ON p.record_id = u.id
WHERE (u.credit_units <> 0 OR p.credits <> 0 OR p.overage <> 0)
  AND ((u.credit_units = 0) <> (coalesce(p.credits, 0) = 0) OR sign(u.credit_units) <> sign(coalesce(p.credits, 0))
       OR u.overage_units <> coalesce(p.overage, 0))
"""

HELD = """
SELECT r.account_id, r.id, r.status, r.credit_units * r.credits_per_unit,
  coalesce(r.settled_credit_units, 0) * r.credits_per_unit, coalesce(e.held, 0)
FROM quotas_reservation r
LEFT JOIN (SELECT reservation_id, -sum(units) AS held FROM quotas_ledgerentry
           WHERE grant_id IS NOT NULL GROUP BY 1) AS e ON e.reservation_id = r.id
WHERE r.credits_per_unit IS NOT NULL AND coalesce(e.held, 0)
  <> CASE r.status WHEN 'open' THEN r.credit_units WHEN 'settled' THEN r.settled_credit_units ELSE 0 END
     * r.credits_per_unit
"""


@check("quotas.balance_equals_ledger")
def balance_equals_ledger() -> Iterator[str]:
    """A wallet's balance is the sum of its ledger, and of what is left of its grants; each entry says the sum so far."""
    for account, balance, ledger, grants in _rows(BALANCES):
        yield f"account {account}: the wallet says {'nothing' if balance is None else balance}, its ledger {ledger}, its grants {grants} ({LEDGER_REMEDY.format(account=account)})"
    for account, grant, remaining, ledger in _rows(GRANTS):
        yield f"account {account}: grant {grant} says {remaining} left, its entries {ledger} ({LEDGER_REMEDY.format(account=account)})"
    for account, entry, said, running in _rows(RUNNING):
        yield f"account {account}: ledger entry {entry} says {said} after it, the entries so far sum to {running} ({LEDGER_REMEDY.format(account=account)})"


@check("quotas.splits_equal_ledger")
def splits_equal_ledger() -> Iterator[str]:
    """What a record says was paid with credits or past them is what the ledger says; so it is for reservations."""
    for account, metric, record, by_credits, overage, paid, past in _rows(SPLITS):
        yield (
            f"account {account}: record {record} of {metric} says {by_credits} units by credits and {overage} past them, "
            f"the ledger {paid} credits and {past} units ({LEDGER_REMEDY.format(account=account)})"
        )
    for account, reservation, status, held, settled, taken in _rows(HELD):
        yield (
            f"account {account}: reservation {reservation} ({status}) holds {held} credits, settled {settled}, "
            f"the ledger says {taken}"
        )
