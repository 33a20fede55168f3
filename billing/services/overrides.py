"""A limit raised for one account by support: given, told to the customer, fitted to what is stored, taken back."""

from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.enums import NotificationKind
from accounts.models import Account
from accounts.notifications import notify
from billing.services.stored import stored_fit_promise
from quotas.enums import Window
from quotas.models import Entitlement
from quotas.services import override_end, override_give


@transaction.atomic
def limit_raise(
    *,
    account: Account,
    metric: str,
    window: str,
    limit_units: int,
    until: datetime,
    reason: str,
    actor: Any,
    request_id: str,
    now: datetime,
) -> Entitlement:
    """As quotas.services.override_give; what is stored comes back as far as there is room, and is put away at the end."""
    given = override_give(
        account_id=account.pk,
        metric=metric,
        window=window,
        limit_units=limit_units,
        until=until,
        reason=reason,
        actor=actor,
        request_id=request_id,
        now=now,
    )
    if window == Window.CAPACITY:
        stored_fit_promise(account_id=account.pk, now=now, moments=[now, until])
    notify(
        kind=NotificationKind.PLAN_CHANGED,
        template="limit_raised",
        cause=f"limit_raised:{given.pk}",
        context={
            "metric_en": given.metric.name_en,
            "metric_fr": given.metric.name_fr,
            "window": window,
            "limit": limit_units,
            "until": until.isoformat(),
            "reason": reason,
        },
        account=account,
        now=now,
    )
    return given


@transaction.atomic
def limit_raise_end(
    *, account: Account, metric: str, window: str, reason: str, actor: Any, now: datetime
) -> Entitlement:
    """Takes it back before its time. NotFound where none is in force."""
    ended = override_end(
        account_id=account.pk, metric=metric, window=window, reason=reason, actor=actor, now=now
    )
    if window == Window.CAPACITY:
        stored_fit_promise(account_id=account.pk, now=now, moments=[now])
    return ended
