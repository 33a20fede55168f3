"""Counters made right again from what they count: records and open reservations."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection, transaction

from accounts.locks import lock_account

# What months' records say that were taken out (quotas.partitions) is not known here any more: their figures stay.

# Under the account's lock and its buckets', so that no decision comes in between.
LOCK = "SELECT id FROM quotas_bucket WHERE account_id = %(account)s ORDER BY id FOR UPDATE"

BUCKETS = """
WITH right_figures AS (
  SELECT b.id,
    coalesce((SELECT sum(u.units) FROM quotas_usagerecord u
      WHERE u.account_id = b.account_id AND u.metric_id = b.metric_id
        AND u.occurred_at >= b.starts_at AND (b.ends_at IS NULL OR u.occurred_at < b.ends_at)), 0) AS used,
    coalesce((SELECT sum(r.units) FROM quotas_reservation r
      WHERE r.account_id = b.account_id AND r.status = 'open' AND b.id = ANY(r.bucket_ids)), 0) AS reserved
  FROM quotas_bucket b WHERE b.account_id = %(account)s
    AND (b."window" = 'capacity' OR b.starts_at >= (SELECT quotas_records_since()))
)
UPDATE quotas_bucket b SET used_units = f.used, reserved_units = f.reserved, updated_at = palier_now(),
  limit_units = greatest(b.limit_units, f.used + f.reserved)
FROM right_figures f WHERE f.id = b.id AND (b.used_units, b.reserved_units) <> (f.used, f.reserved)
"""

DROP_DAYS = """
DELETE FROM quotas_usageday d WHERE d.account_id = %(account)s
  AND d.day >= (SELECT quotas_records_since() AT TIME ZONE 'UTC')::date AND NOT EXISTS (
  SELECT 1 FROM quotas_usagerecord r WHERE r.account_id = d.account_id AND r.metric_id = d.metric_id
    AND r.credential_id IS NOT DISTINCT FROM d.credential_id
    AND r.occurred_at >= d.day::timestamp AT TIME ZONE 'UTC'
    AND r.occurred_at < (d.day + 1)::timestamp AT TIME ZONE 'UTC')
"""

DAYS = """
WITH hourly AS (
  SELECT account_id, metric_id, credential_id, (occurred_at AT TIME ZONE 'UTC')::date AS day,
    extract(hour FROM occurred_at AT TIME ZONE 'UTC')::integer AS hour, sum(units)::bigint AS units,
    sum(overage_units)::bigint AS overage_units,
    sum(CASE kind WHEN 'give_back' THEN 0 WHEN 'reverse' THEN -1 ELSE 1 END) AS operations
  FROM quotas_usagerecord
  WHERE account_id = %(account)s AND occurred_at >= (SELECT quotas_records_since()) GROUP BY 1, 2, 3, 4, 5
), daily AS (
  SELECT account_id, metric_id, credential_id, day, sum(units)::bigint AS units,
    sum(overage_units)::bigint AS overage_units, sum(operations)::bigint AS operations,
    (SELECT array_agg(coalesce((SELECT h.units FROM hourly h WHERE h.account_id = o.account_id
        AND h.metric_id = o.metric_id AND h.credential_id IS NOT DISTINCT FROM o.credential_id
        AND h.day = o.day AND h.hour = i), 0) ORDER BY i) FROM generate_series(0, 23) AS i) AS hours
  FROM hourly o GROUP BY account_id, metric_id, credential_id, day
)
INSERT INTO quotas_usageday AS d (account_id, metric_id, credential_id, day, units, overage_units, operations,
  hour_units, updated_at)
SELECT account_id, metric_id, credential_id, day, units, overage_units, operations, hours, palier_now() FROM daily
ON CONFLICT (account_id, metric_id, day, credential_id) DO UPDATE SET units = excluded.units,
  overage_units = excluded.overage_units, operations = excluded.operations, hour_units = excluded.hour_units,
  updated_at = excluded.updated_at
WHERE (d.units, d.overage_units, d.operations, d.hour_units)
  <> (excluded.units, excluded.overage_units, excluded.operations, excluded.hour_units)
"""


@dataclass(frozen=True, slots=True)
class Repair:
    """How many rows were made right."""

    buckets: int
    days: int


def counters_rebuild(*, account_id: int, dry_run: bool = False) -> Repair:
    """Make the account's buckets and days what its records and open reservations say. `dry_run` only counts."""
    parameters = {"account": account_id}
    with transaction.atomic(), connection.cursor() as cursor:
        lock_account(account_id)
        cursor.execute(LOCK, parameters)
        cursor.execute(BUCKETS, parameters)
        buckets = cursor.rowcount
        cursor.execute(DROP_DAYS, parameters)
        days = cursor.rowcount
        cursor.execute(DAYS, parameters)
        days += cursor.rowcount
        transaction.set_rollback(dry_run)
    return Repair(buckets=buckets, days=days)
