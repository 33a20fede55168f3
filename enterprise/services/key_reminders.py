"""Who is told that an API key is about to expire: a week before, and once more on the last day."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from django.db.models import Exists, F, OuterRef, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat

from accounts.enums import NotificationKind
from accounts.models import Notification
from accounts.notifications import notify
from enterprise.models import Credential

AHEAD = (timedelta(days=7), timedelta(days=1))
"""The longest first. A key made for less than a week is told of on its last day only; for less than a day, never."""
BATCH = 200


def keys_remind(*, now: datetime, limit: int = BATCH) -> int:
    """Tells of the keys whose time is near; how many people were told. Safe at any moment, twice at once too."""
    told = 0
    for ahead, until in pairwise((*AHEAD, timedelta(0))):
        for credential in _expiring(now=now, ahead=ahead, until=until)[:limit]:
            told += _tell(credential, ahead, now)
    return told


def _expiring(*, now: datetime, ahead: timedelta, until: timedelta) -> QuerySet[Credential]:
    """Keys in use that end between `until` and `ahead` from now and were not told of as such.

    Not those rotated away, whose end was wanted, nor those made for less than that time.
    """
    told = Notification.objects.filter(
        account_id=OuterRef("account_id"),
        cause=Concat(
            Value("key:"),
            Cast(OuterRef("pk"), TextField()),
            Value(f":{ahead.days}"),
            output_field=TextField(),
        ),
    )
    return (
        Credential.objects.select_related("account")
        .filter(
            ~Exists(told),
            revoked_at=None,
            successors__isnull=True,
            expires_at__gt=now + until,
            expires_at__lte=now + ahead,
            created_at__lte=F("expires_at") - ahead,
        )
        .order_by("expires_at", "pk")
    )


def _tell(credential: Credential, ahead: timedelta, now: datetime) -> int:
    assert credential.expires_at is not None, "only what ends is about to"
    told = notify(
        kind=NotificationKind.KEY_EXPIRING,
        template="key_expiring",
        cause=f"key:{credential.pk}:{ahead.days}",
        context={
            "name": credential.name,
            "prefix": credential.prefix,
            "expires_at": credential.expires_at.isoformat(),
        },
        account=credential.account,
        now=now,
    )
    return len(told)
