"""What the meter tells staff of the whole installation: refusals of the day, the largest users."""

from datetime import datetime, timedelta

from django.db import connection
from django.urls import reverse

from accounts.admin.boards import Board, register
from accounts.admin.story import Link, Table

DAY = timedelta(days=1)
MOST_COUNTED = 100_000
TOP = 10

# The newest only, so that a flood of refusals is not counted to its end. A row also stands for those not written.
REFUSED = """
SELECT refusal, metric, count(*), sum(unwritten), max(occurred_at), count(DISTINCT account_id) FROM (
  SELECT refusal, metric, unwritten, occurred_at, account_id FROM quotas_refusedcall
  WHERE occurred_at > %(since)s ORDER BY occurred_at DESC LIMIT %(most)s) AS newest
GROUP BY refusal, metric ORDER BY count(*) + sum(unwritten) DESC LIMIT 20
"""

LARGEST = """
SELECT d.account_id, m.code, d.units FROM (
  SELECT account_id, metric_id, sum(units) AS units FROM quotas_usageday WHERE day = %(day)s
  GROUP BY account_id, metric_id ORDER BY sum(units) DESC, account_id LIMIT %(top)s) AS d
JOIN quotas_metric m ON m.id = d.metric_id ORDER BY d.units DESC, d.account_id
"""


def refusals(now: datetime) -> Table:
    with connection.cursor() as cursor:
        cursor.execute(REFUSED, {"since": now - DAY, "most": MOST_COUNTED})
        rows = cursor.fetchall()
    return Table(
        ("Reason", "Metric", "Refused", "Accounts", "Last"),
        [
            (refusal, metric, int(written + unwritten), accounts, last)
            for refusal, metric, written, unwritten, last, accounts in rows
        ],
    )


def largest(now: datetime) -> Table:
    with connection.cursor() as cursor:
        cursor.execute(LARGEST, {"day": now.date(), "top": TOP})
        rows = cursor.fetchall()
    return Table(
        ("Account", "Metric", "Units"),
        [
            (Link(str(account), reverse("admin:accounts_account_change", args=[account])), metric, int(units))
            for account, metric, units in rows
        ],
    )


register(
    Board(
        "refusals",
        "Refused in the last 24 hours",
        "quotas.view_refusedcall",
        refusals,
        empty="Nothing was refused.",
        order=20,
    ),
    Board(
        "largest",
        "Largest users today (UTC)",
        "quotas.view_usageday",
        largest,
        empty="Nothing was used yet.",
        order=60,
    ),
)
