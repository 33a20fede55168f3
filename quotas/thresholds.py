"""Who is to be told that a limit is nearly or fully used: found by looking at the counters, never in a call's path.

Beat looks at the counters that changed since the last look. The look is a little longer than the time since, because
a counter's time of change is that of its transaction's beginning; what was told is known by its cause, in the
database, so looking twice tells once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.core.cache import cache
from django.db import connection, transaction

from accounts.enums import NotificationKind
from accounts.models import Account, User
from accounts.notifications import notify
from quotas.enums import Source

logger = structlog.get_logger(__name__)

SEEN_UNTIL = "quotas:thresholds:seen_until"
OVERLAP = timedelta(minutes=2)
"""The longest a transaction of the meter is expected to take, and a beat late."""
FIRST_LOOK = timedelta(hours=26)
"""How far back when Redis does not know the last look: every open day window is in it."""

# One row for each person and threshold passed that they have not been told of. 100 is told to everybody. The limit is
# the right's, not the counter's own: that one is never below what was used.
PASSED = """
SELECT b.id, b.account_id, u.id, t.threshold, b.used_units, e.limit_units, b.window, b.ends_at, e.mode,
       m.code, m.name_en, m.name_fr, e.source
FROM quotas_bucket b
JOIN quotas_metric m ON m.id = b.metric_id
JOIN accounts_account a ON a.id = b.account_id
JOIN quotas_entitlement e ON e.id = b.entitlement_id AND (e.valid_until IS NULL OR e.valid_until > %(now)s)
JOIN accounts_user u ON u.is_active AND (
  u.id = a.personal_owner_id
  OR a.personal_owner_id IS NULL AND EXISTS (
    SELECT 1 FROM accounts_membership s WHERE s.account_id = a.id AND s.user_id = u.id AND s.role IN ('owner', 'admin')))
CROSS JOIN LATERAL (SELECT DISTINCT unnest(array_append(u.usage_thresholds::integer[], 100)) AS threshold) t
WHERE b.updated_at >= %(since)s AND e.limit_units > 0
  AND (b.ends_at IS NULL OR b.ends_at > %(now)s)
  AND b.used_units * 100 >= e.limit_units * t.threshold
  AND NOT EXISTS (
    SELECT 1 FROM accounts_notification n
    WHERE n.user_id = u.id AND n.cause = 'quota:' || b.id || ':' || t.threshold)
ORDER BY b.id, u.id, t.threshold
LIMIT %(limit)s
"""


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
    """Tell everybody who is to be told, once for each counter and threshold; how many were told.

    Safe at any moment and twice at once. When there is more than `limit`, the next look goes on from the same time.
    """
    since = (cache.get(SEEN_UNTIL) or now - FIRST_LOOK) - OVERLAP
    found = _passed(since=min(since, now - OVERLAP), now=now, limit=limit)
    told = sum(_tell(one, now) for one in found)
    if len(found) < limit:
        cache.set(SEEN_UNTIL, now, timeout=None)
    return told


def _passed(*, since: datetime, now: datetime, limit: int) -> list[Passed]:
    with connection.cursor() as cursor:
        cursor.execute(PASSED, {"since": since, "now": now, "limit": limit})
        return [Passed(*row) for row in cursor.fetchall()]


@transaction.atomic
def _tell(passed: Passed, now: datetime) -> int:
    told = notify(
        kind=passed.kind,
        template="quota_threshold",
        cause=passed.cause,
        context=passed.context(),
        account=Account(pk=passed.account_id),
        users=[User.objects.get(pk=passed.user_id)],
        now=now,
    )
    return len(told)
