"""The meter's invariants, checked after every test and by `manage.py verify_books`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection

from common.books import check
from quotas import ledger_books

REMEDY = "manage.py rebuild_counters --account {account}"

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

# Each hour of each day by itself; that a day's hours sum to it is asked above.
HOURS = """
SELECT d.account_id, m.code, d.day, r.hour, d.hour_units[r.hour + 1], r.units
FROM (
  SELECT account_id, metric_id, credential_id, (occurred_at AT TIME ZONE 'UTC')::date AS day,
    extract(hour FROM occurred_at AT TIME ZONE 'UTC')::integer AS hour, sum(units) AS units
  FROM quotas_usagerecord WHERE occurred_at >= (SELECT quotas_records_since()) GROUP BY 1, 2, 3, 4, 5
) AS r JOIN quotas_usageday d ON (r.account_id, r.metric_id, r.day, coalesce(r.credential_id, 0))
  = (d.account_id, d.metric_id, d.day, coalesce(d.credential_id, 0))
JOIN quotas_metric m ON m.id = d.metric_id
WHERE d.hour_units[r.hour + 1] IS DISTINCT FROM r.units
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


@check("quotas.hours_equal_records")
def hours_equal_records() -> Iterator[str]:
    """So are the hours of a day, each by itself."""
    for account, metric, day, hour, stored, summed in _rows(HOURS):
        yield (
            f"account {account}: {metric} on {day} at {hour} o'clock UTC says {stored}, its records sum to {summed} "
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


@check("quotas.balance_equals_ledger")
def balance_equals_ledger() -> Iterator[str]:
    """A wallet's balance is the sum of its ledger, and of what is left of its grants; each entry says the sum so far."""
    yield from ledger_books.balances()


@check("quotas.splits_equal_ledger")
def splits_equal_ledger() -> Iterator[str]:
    """What a record says was paid with credits or past them is what the ledger says; so it is for reservations."""
    yield from ledger_books.splits()
