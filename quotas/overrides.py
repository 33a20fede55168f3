"""Limits raised by support for one account until an instant: felt by the next call, and over by themselves.

An override takes the place of one limit and is like it but for how much it allows. It only ever allows more: when the
plan or contract comes to allow as much, or no longer limits this at all, it ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.locks import lock_account
from common import audit
from common.errors import IdempotencyKeyReused, NotFound, ValidationError
from quotas.catalog import metric_id
from quotas.enums import RANKS, Source
from quotas.models import Entitlement
from quotas.rights import buckets_tell
from quotas.values import MAX_UNITS

LONGEST = timedelta(days=366)
MIN_REASON, MAX_REASON = 5, 200
LIKE_BASE = (
    "metric_id",
    "window",
    "mode",
    "anchor_at",
    "period_months",
    "window_floor_at",
    "credits_per_unit",
)


def overrides_of(account_id: int, *, at: datetime) -> QuerySet[Entitlement]:
    """Those in force at that instant, by metric."""
    return (
        Entitlement.objects.filter(
            account_id=account_id, source=Source.OVERRIDE, valid_from__lte=at, valid_until__gt=at
        )
        .select_related("metric")
        .order_by("metric_id", "window")
    )


@transaction.atomic
def override_give(
    *,
    account_id: int,
    metric: str,
    window: str,
    limit_units: int,
    until: datetime,
    reason: str,
    actor: Any,
    request_id: str,
    now: datetime,
) -> Entitlement:
    """The account's limit per `window` is `limit_units` until that instant; what stood before comes back then.

    The same `request_id` gives once. ValidationError where there is no such limit, where it allows as much already, or
    for an end that is past or more than a year away. One given before for the same limit ends.
    """
    reason = reason.strip()
    _check(limit_units, until, reason, now)
    lock_account(account_id)
    known = Entitlement.objects.filter(
        account_id=account_id, source=Source.OVERRIDE, source_ref=request_id
    ).first()
    if known is not None:
        asked = (metric_id(metric), window, limit_units)
        if (known.metric_id, known.window, known.limit_units) != asked:
            raise IdempotencyKeyReused
        return known
    base = _base(account_id, metric, window, now)
    if base.limit_units is None or limit_units <= base.limit_units:
        raise ValidationError.of(
            "limit_units",
            "not_more",
            _("It must be more than the limit without it: %(limit)s.") % {"limit": _units(base)},
        )
    buckets_tell(account_id, now)
    _ending(account_id, base.metric_id, window, now).update(valid_until=now)
    given = Entitlement.objects.create(
        account_id=account_id,
        **{name: getattr(base, name) for name in LIKE_BASE},
        limit_units=limit_units,
        source=Source.OVERRIDE,
        source_rank=RANKS[Source.OVERRIDE],
        source_ref=request_id,
        valid_from=now,
        valid_until=until,
        reason=reason,
        created_at=now,
    )
    figures = {
        "metric": metric,
        "window": window,
        "from": base.limit_units,
        "to": limit_units,
        "until": until.isoformat(),
    }
    audit.record(
        actor=actor,
        account_id=account_id,
        action="limit.raised",
        subject=request_id,
        reason=reason,
        data=figures,
        now=now,
    )
    return given


@transaction.atomic
def override_end(
    *, account_id: int, metric: str, window: str, reason: str, actor: Any, now: datetime
) -> Entitlement:
    """Before its time. NotFound where none is in force."""
    _check_reason(reason.strip())
    lock_account(account_id)
    found = _ending(account_id, metric_id(metric), window, now).first()
    if found is None:
        raise NotFound
    buckets_tell(account_id, now)
    _over([found], "limit.raise_ended", reason.strip(), actor, now)
    return found


def overrides_refit(*, account_id: int, now: datetime) -> None:
    """Ends those that a plan or contract has come to allow as much as, and those of a limit that is gone altogether.

    Under the account's lock, after its limits changed. A limit that is only lower, because a payment is overdue say,
    keeps what support gave: that was given to this customer, with a reason, until an instant.
    """
    given = list(overrides_of(account_id, at=now))
    if not given:
        return
    bases = _bases(account_id, now)
    for one in given:
        base = bases.get((one.metric_id, one.window))
        if base is None:
            _over([one], "limit.raise_lapsed", "", None, now)
        elif _allows_as_much(base, one):
            _over([one], "limit.raise_outgrown", "", None, now)


def _allows_as_much(base: Entitlement, override: Entitlement) -> bool:
    if base.limit_units is None:
        return True
    return override.limit_units is not None and base.limit_units >= override.limit_units


def _over(overrides: Iterable[Entitlement], action: str, reason: str, actor: Any, now: datetime) -> None:
    for one in overrides:
        Entitlement.objects.filter(pk=one.pk).update(valid_until=now)
        audit.record(
            actor=actor,
            account_id=one.account_id,
            action=action,
            subject=one.source_ref,
            reason=reason,
            data={"metric": one.metric.code, "window": one.window, "limit": one.limit_units},
            now=now,
        )


def _ending(account_id: int, metric: int, window: str, now: datetime) -> QuerySet[Entitlement]:
    """The override of one limit that is in force, whoever wrote it."""
    return Entitlement.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=now),
        account_id=account_id,
        metric_id=metric,
        window=window,
        source=Source.OVERRIDE,
    ).select_related("metric")


def _base(account_id: int, metric: str, window: str, now: datetime) -> Entitlement:
    """The limit that holds without an override."""
    base = _bases(account_id, now).get((metric_id(metric), window))
    if base is None:
        raise ValidationError.of("limit", "unknown", _("The account has no such limit."))
    return base


def _bases(account_id: int, now: datetime) -> dict[tuple[int, str], Entitlement]:
    """By metric and window the strongest limit in force that is no override."""
    rows = (
        Entitlement.objects.filter(
            Q(valid_until__isnull=True) | Q(valid_until__gt=now), account_id=account_id, valid_from__lte=now
        )
        .exclude(source=Source.OVERRIDE)
        .order_by("source_rank", "id")
    )
    return {(one.metric_id, one.window): one for one in rows}


def _units(base: Entitlement) -> str:
    return _("unlimited") if base.limit_units is None else str(base.limit_units)


def _check(limit_units: int, until: datetime, reason: str, now: datetime) -> None:
    if isinstance(limit_units, bool) or not isinstance(limit_units, int) or not 1 <= limit_units <= MAX_UNITS:
        raise ValidationError.of(
            "limit_units", "out_of_range", _("A whole number from 1 to %(most)s.") % {"most": MAX_UNITS}
        )
    if not now < until <= now + LONGEST:
        raise ValidationError.of("until", "out_of_range", _("Give an instant to come, within a year."))
    _check_reason(reason)


def _check_reason(reason: str) -> None:
    if not MIN_REASON <= len(reason) <= MAX_REASON or "\0" in reason:
        raise ValidationError.of(
            "reason",
            "required",
            _("Say why, in %(least)s to %(most)s characters.") % {"least": MIN_REASON, "most": MAX_REASON},
        )
