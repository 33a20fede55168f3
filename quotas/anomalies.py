"""Use far above an account's own habit, and a jump in refusals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection

from common.anomalies import Unusual, finder
from quotas.habits import DAYS, LEAST_UNITS, is_jump_of_refusals, is_unusual_use

HOUR = timedelta(hours=1)
HOURS = 168
MOST_ACCOUNTS = 5000

# Today's largest users, each beside the days before of its own.
USE = """
WITH today AS (
  SELECT account_id, metric_id, sum(units) AS units FROM quotas_usageday WHERE day = %(day)s
  GROUP BY account_id, metric_id HAVING sum(units) >= %(least)s ORDER BY sum(units) DESC LIMIT %(most)s
)
SELECT t.account_id, m.code, t.units, coalesce(h.highest, 0), h.days
FROM today t JOIN quotas_metric m ON m.id = t.metric_id CROSS JOIN LATERAL (
  SELECT max(units) AS highest, count(*) AS days FROM (
    SELECT sum(d.units) AS units FROM quotas_usageday d
    WHERE d.account_id = t.account_id AND d.metric_id = t.metric_id
      AND d.day >= %(day)s - %(days)s AND d.day < %(day)s
    GROUP BY d.day HAVING sum(d.units) > 0) AS past) AS h
ORDER BY t.units DESC, t.account_id
"""

# A row stands for itself and for those that were not written before it.
REFUSED = """
SELECT refusal, coalesce(sum(1 + unwritten) FILTER (WHERE occurred_at >= %(hour)s), 0),
  coalesce(sum(1 + unwritten) FILTER (WHERE occurred_at < %(hour)s), 0)
FROM quotas_refusedcall WHERE occurred_at >= %(since)s AND occurred_at < %(now)s GROUP BY refusal ORDER BY refusal
"""


@finder("use")
def unusual_use(now: datetime) -> Iterator[Unusual]:
    """Accounts that use far more today than on any of their last days."""
    with connection.cursor() as cursor:
        cursor.execute(USE, {"day": now.date(), "days": DAYS, "least": LEAST_UNITS, "most": MOST_ACCOUNTS})
        rows = cursor.fetchall()
    for account_id, metric, units, highest, days in rows:
        if is_unusual_use(today=int(units), highest=int(highest), days=days):
            yield Unusual(f"{metric} of account {account_id}", int(units), int(highest), account_id)


@finder("refusals")
def jump_of_refusals(now: datetime) -> Iterator[Unusual]:
    """Far more refusals of one reason in the last hour than in an hour of the week before."""
    with connection.cursor() as cursor:
        cursor.execute(REFUSED, {"now": now, "hour": now - HOUR, "since": now - HOUR * (HOURS + 1)})
        rows = cursor.fetchall()
    for refusal, last_hour, before in rows:
        usual = int(before) / HOURS
        if is_jump_of_refusals(last_hour=int(last_hour), usual_hour=usual):
            yield Unusual(str(refusal), int(last_hour), round(usual))
