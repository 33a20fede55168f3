"""What must be true of credits: of everybody's, or of one account's, which whoever mends it asks before it is done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection

REMEDY = "manage.py mend_ledger --account {account}"

BALANCES = """
SELECT account_id, w.balance_units, coalesce(e.units, 0), coalesce(g.units, 0)
FROM (SELECT account_id, balance_units FROM quotas_wallet WHERE {of}) AS w
FULL JOIN (SELECT account_id, sum(units) AS units FROM quotas_ledgerentry WHERE {of} GROUP BY 1) AS e USING (account_id)
FULL JOIN (SELECT account_id, sum(remaining_units) AS units FROM quotas_grant WHERE {of} GROUP BY 1) AS g USING (account_id)
WHERE w.balance_units IS DISTINCT FROM coalesce(e.units, 0) OR w.balance_units IS DISTINCT FROM coalesce(g.units, 0)
"""

# Also a grant that is gone while its entries are there.
GRANTS = """
SELECT coalesce(g.account_id, e.account_id), coalesce(g.id, e.grant_id), g.remaining_units, coalesce(e.units, 0)
FROM (SELECT account_id, id, remaining_units FROM quotas_grant WHERE {of}) AS g
FULL JOIN (SELECT grant_id, min(account_id) AS account_id, sum(units) AS units FROM quotas_ledgerentry
           WHERE {of} AND grant_id IS NOT NULL GROUP BY 1) AS e ON e.grant_id = g.id
WHERE g.remaining_units IS DISTINCT FROM coalesce(e.units, 0)
"""

RUNNING = """
SELECT account_id, id, balance_units, running FROM (
  SELECT account_id, id, balance_units, sum(units) OVER (PARTITION BY account_id ORDER BY id) AS running
  FROM quotas_ledgerentry WHERE {of}) AS l
WHERE balance_units <> running
"""

# What the ledger says was paid with credits, and past them, for each record; open reservations hold credits too. A record
# does not say what a unit cost: what was paid has to be explained by a price that the account has had.
SPLITS = """
WITH paid AS (
  SELECT coalesce(e.record_id, r.record_id) AS record_id, -sum(e.units) AS credits, sum(e.overage_units) AS overage
  FROM quotas_ledgerentry e LEFT JOIN quotas_reservation r ON r.id = e.reservation_id
  WHERE e.{of} AND e.kind IN ('use', 'overage', 'reversal') AND coalesce(e.record_id, r.record_id) IS NOT NULL GROUP BY 1
), prices AS (
  SELECT account_id, metric_id, array_agg(DISTINCT credits_per_unit) AS had FROM quotas_entitlement
  WHERE {of} AND credits_per_unit IS NOT NULL GROUP BY 1, 2
)
SELECT u.account_id, m.code, u.id, u.credit_units, u.overage_units, coalesce(p.credits, 0), coalesce(p.overage, 0)
FROM quotas_usagerecord u JOIN quotas_metric m ON m.id = u.metric_id LEFT JOIN paid p ON p.record_id = u.id
LEFT JOIN prices c ON c.account_id = u.account_id AND c.metric_id = u.metric_id
WHERE u.{of} AND (u.credit_units <> 0 OR p.credits <> 0 OR p.overage <> 0)
  AND ((u.credit_units = 0) <> (coalesce(p.credits, 0) = 0) OR sign(u.credit_units) <> sign(coalesce(p.credits, 0))
       OR p.credits % nullif(u.credit_units, 0) <> 0 OR p.credits / nullif(u.credit_units, 0) <> ALL (c.had)
       OR u.overage_units <> coalesce(p.overage, 0))
"""

# What was used past credits under a reservation has an entry; contracts charge past their limits without the ledger.
PAST = """
SELECT u.account_id, m.code, u.id, u.overage_units
FROM quotas_reservation r JOIN quotas_usagerecord u ON u.id = r.record_id AND u.account_id = r.account_id
JOIN quotas_metric m ON m.id = u.metric_id
WHERE r.{of} AND r.credits_per_unit IS NOT NULL AND r.overage_units > 0 AND u.overage_units > 0 AND u.credit_units = 0
  AND NOT EXISTS (SELECT 1 FROM quotas_ledgerentry e WHERE e.reservation_id = r.id AND e.kind = 'overage')
"""

HELD = """
SELECT r.account_id, r.id, r.status, r.credit_units * r.credits_per_unit,
  coalesce(r.settled_credit_units, 0) * r.credits_per_unit, coalesce(e.held, 0)
FROM quotas_reservation r
LEFT JOIN (SELECT reservation_id, -sum(units) AS held FROM quotas_ledgerentry
           WHERE {of} AND grant_id IS NOT NULL GROUP BY 1) AS e ON e.reservation_id = r.id
WHERE r.{of} AND r.credits_per_unit IS NOT NULL AND coalesce(e.held, 0)
  <> CASE r.status WHEN 'open' THEN r.credit_units WHEN 'settled' THEN r.settled_credit_units ELSE 0 END
     * r.credits_per_unit
"""


def balances(account_id: int | None = None) -> Iterator[str]:
    """Where a wallet, its grants and its ledger disagree, in words, with the command that mends it."""
    for account, balance, ledger, grants in _rows(BALANCES, account_id):
        yield (
            f"account {account}: the wallet says {_figure(balance)}, its ledger {ledger}, its grants {grants} "
            f"{_remedy(account)}"
        )
    for account, grant, remaining, ledger in _rows(GRANTS, account_id):
        yield f"account {account}: grant {grant} says {_figure(remaining)} left, its entries {ledger} {_remedy(account)}"
    for account, entry, said, running in _rows(RUNNING, account_id):
        yield (
            f"account {account}: ledger entry {entry} says {said} after it, the entries so far sum to {running} "
            f"{_remedy(account)}"
        )


def splits(account_id: int | None = None) -> Iterator[str]:
    """Where records and reservations say another thing was paid than the ledger, in words, with what mends it."""
    for account, metric, record, by_credits, overage, paid, past in _rows(SPLITS, account_id):
        yield (
            f"account {account}: record {record} of {metric} says {by_credits} units by credits and {overage} past them, "
            f"the ledger {paid} credits and {past} units {_remedy(account)}"
        )
    for account, metric, record, overage in _rows(PAST, account_id):
        yield (
            f"account {account}: record {record} of {metric} says {overage} units past the credits, the ledger none "
            f"{_remedy(account)}"
        )
    for account, reservation, status, held, settled, taken in _rows(HELD, account_id):
        yield (
            f"account {account}: reservation {reservation} ({status}) holds {held} credits, settled {settled}, "
            f"the ledger says {taken} {_remedy(account)}"
        )


def ledger_findings(account_id: int) -> list[str]:
    """All that is wrong with one account's credits."""
    return [*balances(account_id), *splits(account_id)]


def _rows(query: str, account_id: int | None) -> list[tuple[Any, ...]]:
    of = "account_id IS NOT NULL" if account_id is None else "account_id = %(account)s"
    with connection.cursor() as cursor:
        cursor.execute(query.replace("%", "%%").replace("{of}", of), {"account": account_id})
        return cursor.fetchall()


def _figure(figure: int | None) -> str:
    return "nothing" if figure is None else str(figure)


def _remedy(account: int) -> str:
    return f"({REMEDY.format(account=account)})"
