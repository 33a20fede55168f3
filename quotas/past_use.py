"""Use from before it was metered here: of another meter that was moved from, or the demo's history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from accounts.locks import lock_account
from quotas.catalog import metric_id
from quotas.enums import RecordKind
from quotas.partitions import records_since
from quotas.repair import counters_rebuild

RECORDS = """
WITH rows AS (
  SELECT at, units, credential_id, number, gen_random_uuid() AS key
  FROM unnest(%(at)s::timestamptz[], %(units)s::bigint[], %(keys)s::bigint[])
    WITH ORDINALITY AS r(at, units, credential_id, number)
), blocks AS (
  SELECT nextval('quotas_record_block') AS block, n FROM generate_series(0, (%(count)s - 1) / 1024) AS n
), kept AS (
  INSERT INTO quotas_operationkey (account_id, key, created_at) SELECT %(account)s, key, palier_now() FROM rows
)
INSERT INTO quotas_usagerecord (id, account_id, metric_id, credential_id, kind, units, key, subject, occurred_at,
  recorded_at)
SELECT b.block * 1024 + (r.number - 1) %% 1024, %(account)s, %(metric)s, r.credential_id, %(kind)s, r.units, r.key,
  %(subject)s, r.at, palier_now()
FROM rows r JOIN blocks b ON b.n = (r.number - 1) / 1024
"""


@dataclass(frozen=True, slots=True)
class PastUse:
    """`units` used at an instant, by one key or by none."""

    at: datetime
    units: int
    credential_id: int | None = None


def past_use_add(
    *, account_id: int, metric: str, uses: Sequence[PastUse], subject: str, now: datetime
) -> int:
    """Write the records and bring the days and the counters up to date; how many were written.

    It is history: nothing is refused, paid with credits or charged. ValueError for what is not past: the meter counts that.
    """
    if any(use.at >= now - timedelta(minutes=1) or use.units <= 0 for use in uses):
        raise ValueError("past use has units, and ended at least a minute ago")
    if not uses:
        return 0
    complete = records_since()
    if complete is not None and min(use.at for use in uses) < complete:
        raise ValueError(f"past use before {complete:%Y-%m-%d}, whose records were taken out of the books")
    with transaction.atomic(), connection.cursor() as cursor:
        lock_account(account_id)
        cursor.execute(
            RECORDS,
            {
                "account": account_id,
                "metric": metric_id(metric),
                "kind": RecordKind.CONSUME,
                "subject": subject,
                "count": len(uses),
                "at": [use.at for use in uses],
                "units": [use.units for use in uses],
                "keys": [use.credential_id for use in uses],
            },
        )
        counters_rebuild(account_id=account_id)
    return len(uses)
