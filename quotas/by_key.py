"""Use over time, split by the key it was counted for: from the days' figures, however many records there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Sum

from common.database import one_moment
from quotas.catalog import metric_id
from quotas.reports import Granularity, midnight, starts_of, usage_days_of

NO_KEY = 0
OTHER_KEYS = -1
"""Stand for what no key was named for, and for all keys that are not told apart. Keys have ids from 1 on."""

ROWS = """
FROM quotas_usageday d
WHERE d.account_id = %(account_id)s AND d.metric_id = %(metric_id)s AND d.day BETWEEN %(first)s AND %(last)s
  AND (%(credential_id)s::bigint IS NULL OR d.credential_id = %(credential_id)s)
"""
LARGEST = (
    f"SELECT coalesce(d.credential_id, 0) {ROWS} GROUP BY 1 ORDER BY sum(d.units) DESC, 1 LIMIT %(most)s + 1"
)
SHOWN = (
    "CASE WHEN coalesce(d.credential_id, 0) = ANY(%(shown)s) THEN coalesce(d.credential_id, 0) ELSE -1 END"
)
BY_DAY = f"SELECT {SHOWN}, d.day, 0, sum(d.units)::bigint {ROWS} GROUP BY 1, 2"
BY_MONTH = f"SELECT {SHOWN}, date_trunc('month', d.day)::date, 0, sum(d.units)::bigint {ROWS} GROUP BY 1, 2"
BY_HOUR = f"""
SELECT {SHOWN}, d.day, h.number - 1, sum(h.units)::bigint
{ROWS.replace("quotas_usageday d", "quotas_usageday d CROSS JOIN unnest(d.hour_units) WITH ORDINALITY AS h(units, number)")}
GROUP BY 1, 2, 3
"""
QUERIES = {Granularity.HOUR: BY_HOUR, Granularity.DAY: BY_DAY, Granularity.MONTH: BY_MONTH}


@dataclass(frozen=True, slots=True)
class KeySeries:
    """`units` of one key, one figure for each start. The id may be NO_KEY or OTHER_KEYS."""

    credential_id: int
    units: list[int]


@dataclass(frozen=True, slots=True)
class SplitUse:
    """Every hour, day or month of the time asked for, and what each key used in it; the largest key first."""

    starts: Sequence[datetime]
    by_key: Sequence[KeySeries]

    @property
    def total(self) -> int:
        return sum(sum(one.units) for one in self.by_key)


def usage_by_key(
    *,
    account_id: int,
    metric: str,
    first: date,
    last: date,
    granularity: Granularity,
    credential_id: int | None = None,
    most: int = 1_000_000,
) -> SplitUse:
    """What each key used, from the first day to the last, both included; beyond `most` keys the smaller ones as one."""
    asked: dict[str, Any] = {
        "account_id": account_id,
        "metric_id": metric_id(metric),
        "first": first,
        "last": last,
        "credential_id": credential_id,
        "most": most,
    }
    starts = list(dict.fromkeys(starts_of(first, last, granularity)))
    with (
        one_moment(),
        connection.cursor() as cursor,
    ):  # a key used for the first time in between would have no place
        cursor.execute(LARGEST, asked)
        found = [one for (one,) in cursor.fetchall()]
        shown = found if len(found) <= most else [*found[: most - 1], OTHER_KEYS]
        cursor.execute(QUERIES[granularity], asked | {"shown": shown})
        rows = cursor.fetchall()
    index = {start: position for position, start in enumerate(starts)}
    units = {one: [0] * len(starts) for one in shown}
    for key, day, hour, counted in rows:
        units[key][index[midnight(day) + timedelta(hours=hour)]] = counted
    return SplitUse(starts, [KeySeries(key, values) for key, values in units.items()])


def total_between(*, account_id: int, metric: str, first: date, last: date, credential_id: int | None) -> int:
    """Units from the first day to the last, both included."""
    rows = usage_days_of(account_id=account_id, metric=metric, first=first, last=last)
    if credential_id is not None:
        rows = rows.filter(credential_id=credential_id)
    return int(rows.aggregate(total=Sum("units"))["total"] or 0)
