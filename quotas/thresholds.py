"""Who is to be told that a limit is nearly or fully used: found by looking at the counters, never in a call's path.

Each look takes the accounts that the meter says it touched (quotas/engine/touched.py), and besides a page of all
accounts, the next one each time: a set in Redis can be lost, and then they are found in their turn. What was told is
known by its cause, in the database, so looking twice tells once. Why so: docs/adr/0031.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Max

from accounts.enums import NotificationKind, Permission
from accounts.models import Account, User
from accounts.notifications import notify
from accounts.roles import roles_that_may
from accounts.rules import SMALLEST_THRESHOLD
from quotas.engine.touched import take
from quotas.enums import Source

logger = structlog.get_logger(__name__)

LOOK_EVERY_S = 10
"""As often as beat looks (CELERY_BEAT_SCHEDULE): which page's turn it is follows from the time alone."""
PAGE = 5000
"""Accounts that are looked at in turn at each look: a million of them take 34 minutes."""

TOLD = [str(role) for role in roles_that_may(Permission.BILLING)]
"""Of an organisation's members: those whom accounts.notifications tells too."""

# One row for each person and threshold passed that they have not been told of. 100 is told to everybody. The limit is
# the right's, not the counter's own: that one is never below what was used.
PASSED = """
SELECT b.id, b.account_id, u.id, t.threshold, b.used_units, e.limit_units, b.window, b.ends_at, e.mode,
       m.code, m.name_en, m.name_fr, e.source
FROM quotas_entitlement e
CROSS JOIN LATERAL (
  SELECT * FROM quotas_bucket newest
  WHERE newest.account_id = e.account_id AND newest.metric_id = e.metric_id AND newest.window = e.window
  ORDER BY newest.starts_at DESC LIMIT 1) b
JOIN quotas_metric m ON m.id = b.metric_id
JOIN accounts_account a ON a.id = b.account_id
CROSS JOIN LATERAL (
  SELECT a.personal_owner_id AS user_id
  UNION ALL
  SELECT s.user_id FROM accounts_membership s
  WHERE a.personal_owner_id IS NULL AND s.account_id = a.id AND s.role = ANY(%(roles)s)) who
JOIN accounts_user u ON u.id = who.user_id AND u.is_active
CROSS JOIN LATERAL (SELECT DISTINCT unnest(array_append(u.usage_thresholds::integer[], 100)) AS threshold) t
WHERE {whose} AND (e.valid_until IS NULL OR e.valid_until > %(now)s) AND e.limit_units > 0
  AND b.used_units * 100 >= e.limit_units * %(smallest)s
  AND b.entitlement_id = e.id AND (b.ends_at IS NULL OR b.ends_at > %(now)s)
  AND b.used_units * 100 >= e.limit_units * t.threshold
  AND NOT EXISTS (
    SELECT 1 FROM accounts_notification n
    WHERE n.user_id = u.id AND n.cause = 'quota:' || b.id || ':' || t.threshold)
ORDER BY b.id, u.id, t.threshold
LIMIT %(limit)s
"""
TOUCHED = PASSED.format(whose="e.account_id = ANY(%(accounts)s)")
IN_TURN = PASSED.format(whose="e.account_id BETWEEN %(first)s AND %(last)s")


@dataclass(frozen=True, slots=True)
class Passed:
    """A threshold of one person's that one counter has passed."""

    bucket_id: int
    account_id: int
    user_id: int
    threshold: int
    used: int
    limit: int
    window: str
    ends_at: datetime | None
    mode: str
    metric: str
    metric_en: str
    metric_fr: str
    source: str

    @property
    def whose(self) -> tuple[int, int]:
        """Of which counter, and who is told."""
        return self.bucket_id, self.user_id

    @property
    def cause(self) -> str:
        return f"quota:{self.bucket_id}:{self.threshold}"

    @property
    def kind(self) -> NotificationKind:
        of_contract = self.source == Source.CONTRACT
        return NotificationKind.CONTRACT_LIMIT if of_contract else NotificationKind.QUOTA_THRESHOLD

    def context(self) -> dict[str, Any]:
        return {
            "threshold": self.threshold,
            "used": self.used,
            "limit": self.limit,
            "window": self.window,
            "mode": self.mode,
            "contract": self.source == Source.CONTRACT,
            "metric": self.metric,
            "metric_en": self.metric_en,
            "metric_fr": self.metric_fr,
            "reset_at": self.ends_at.isoformat() if self.ends_at else None,
        }


def thresholds_notify(*, now: datetime, limit: int = 1000) -> int:
    """Tell those whose use was touched lately, and those whose turn it is, once for each counter and threshold; how
    many were told. Safe at any moment and twice at once. `limit`: how many are read at a time.
    """
    told = sum(_tell_all(TOUCHED, {"accounts": portion}, now, limit) for portion in take())
    return told + _tell_all(IN_TURN, page_of(now), now, limit)


def page_of(now: datetime, *, size: int = PAGE) -> dict[str, int]:
    """The accounts whose turn it is: each look has the next page, and after the last the first.

    Nothing is kept of where the last look was, so nothing can be lost; a look that beat misses only puts a page off.
    """
    largest = Account.objects.aggregate(largest=Max("id"))["largest"] or 0
    pages = -(-largest // size) or 1
    first = int(now.timestamp()) // LOOK_EVERY_S % pages * size
    return {"first": first + 1, "last": first + size}


def _tell_all(sql: str, whose: dict[str, Any], now: datetime, limit: int) -> int:
    """Portion by portion: who is told is not found again."""
    known = {"now": now, "limit": limit, "smallest": SMALLEST_THRESHOLD, "roles": TOLD}
    told = 0
    while True:
        found = _passed(sql, whose | known)
        told += sum(_tell(list(one), now) for _, one in groupby(found, key=lambda passed: passed.whose))
        if len(found) < limit:
            return told


def _passed(sql: str, parameters: dict[str, Any]) -> list[Passed]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [Passed(*row) for row in cursor.fetchall()]


@transaction.atomic
def _tell(passed: Sequence[Passed], now: datetime) -> int:
    """Tell one person of what one counter has passed, the lowest first; how many were told.

    Several thresholds may be found passed in one look. They are told a moment apart, so that the inbox has them in
    their order, the highest on top; and together, so that two who look at once cannot mix theirs.
    """
    user = User.objects.get(pk=passed[0].user_id)
    told = 0
    for one in sorted(passed, key=lambda passed: passed.threshold):
        told += len(
            notify(
                kind=one.kind,
                template="quota_threshold",
                cause=one.cause,
                context=one.context(),
                account=Account(pk=one.account_id),
                users=[user],
                now=now + timedelta(microseconds=one.threshold),
            )
        )
    return told
