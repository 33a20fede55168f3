"""Giving accounts their limits. Plans, contracts and support push them here; the engine only reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.locks import lock_account
from quotas import catalog
from quotas.enums import RANKS, MetricKind, Mode, Source, Window
from quotas.models import Bucket, Entitlement, FeatureGrant, Metric
from quotas.overrides import overrides_refit
from quotas.rights import buckets_tell


@dataclass(frozen=True, slots=True)
class LimitSpec:
    """A limit to be given: `limit_units` None is unlimited. A period window needs its anchor and length.

    `credits_per_unit`: with mode credits, what each unit past the limit costs.
    """

    metric: str
    window: str
    limit_units: int | None
    mode: str = Mode.BLOCK
    anchor_at: datetime | None = None
    period_months: int | None = None
    credits_per_unit: int | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """What holds during [starts_at, ends_at); `ends_at` None: until something else is said."""

    starts_at: datetime
    ends_at: datetime | None = None
    limits: tuple[LimitSpec, ...] = ()
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric as the catalogue declares it."""

    code: str
    name_en: str
    name_fr: str
    kind: str = MetricKind.COUNTER


def metrics_sync(definitions: Iterable[MetricSpec]) -> int:
    """Make or update the metrics; how many were changed. Metrics are never removed: records name them."""
    changed = 0
    for spec in definitions:
        values = {"name_en": spec.name_en, "name_fr": spec.name_fr, "kind": spec.kind}
        known = Metric.objects.filter(code=spec.code).first()
        if known is None:
            Metric.objects.create(code=spec.code, **values)
        elif any(getattr(known, name) != value for name, value in values.items()):
            Metric.objects.filter(pk=known.pk).update(**values)
        else:
            continue
        changed += 1
    catalog.forget()
    return changed


@transaction.atomic
def entitlements_replace(
    *,
    account_id: int,
    source: str,
    source_ref: str,
    timeline: Sequence[Phase],
    now: datetime,
    reason: str = "",
) -> None:
    """From `now` on, what `source` gives the account is exactly `timeline`; what was in force ends at `now`.

    In the caller's transaction, so that a plan and its limits change together. Counters are not touched: a change of
    limits resets no window. Phases must follow each other; an empty timeline takes everything away.
    """
    lock_account(account_id)
    buckets_tell(account_id, now)
    anchored_windows = _current_period_ends(account_id, source, now)
    for model in (Entitlement, FeatureGrant):
        own = model.objects.filter(account_id=account_id, source=source)
        own.filter(valid_from__gte=now).delete()
        own.filter(Q(valid_until__isnull=True) | Q(valid_until__gt=now)).update(valid_until=now)
    for phase in timeline:
        starts_at = max(phase.starts_at, now)
        if phase.ends_at is not None and phase.ends_at <= starts_at:
            continue
        origin = {"account_id": account_id, "source": source, "source_ref": source_ref}
        limits = [
            Entitlement(**origin, **values, source_rank=RANKS[Source(source)], reason=reason, created_at=now)
            for limit in phase.limits
            for values in _limit_rows(limit, starts_at, phase.ends_at, anchored_windows.get(limit.metric))
        ]
        Entitlement.objects.bulk_create(limits)
        FeatureGrant.objects.bulk_create(
            FeatureGrant(**origin, feature=feature, valid_from=starts_at, valid_until=phase.ends_at)
            for feature in phase.features
        )
    if source != Source.OVERRIDE:
        overrides_refit(account_id=account_id, now=now)


def _limit_rows(
    limit: LimitSpec,
    starts_at: datetime,
    ends_at: datetime | None,
    open_window: tuple[datetime, int, datetime] | None,
) -> list[dict[str, Any]]:
    return [
        {
            "metric_id": catalog.metric_id(limit.metric),
            "window": limit.window,
            "limit_units": limit.limit_units,
            "mode": limit.mode,
            "valid_from": part.valid_from,
            "valid_until": part.valid_until,
            "anchor_at": part.anchor_at,
            "period_months": part.period_months,
            "window_floor_at": part.floor_at,
            "credits_per_unit": limit.credits_per_unit,
        }
        for part in _anchored_parts(limit, starts_at, ends_at, open_window)
    ]


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of a phase with one anchor."""

    valid_from: datetime
    valid_until: datetime | None
    anchor_at: datetime | None = None
    period_months: int | None = None
    floor_at: datetime | None = None


def _anchored_parts(
    limit: LimitSpec,
    starts_at: datetime,
    ends_at: datetime | None,
    open_window: tuple[datetime, int, datetime] | None,
) -> list[_Part]:
    """A period window that is open keeps its bounds to its end, even when the anchor moves: no window is reset.

    The first window under the new anchor then begins where the old one ends.
    """
    if limit.window != Window.PERIOD:
        return [_Part(starts_at, ends_at)]
    whole = _Part(starts_at, ends_at, limit.anchor_at, limit.period_months)
    if open_window is None:
        return [whole]
    anchor_at, months, window_ends_at = open_window
    same = (anchor_at, months) == (limit.anchor_at, limit.period_months)
    if same or window_ends_at <= starts_at:
        return [whole]
    if ends_at is not None and ends_at <= window_ends_at:
        return [_Part(starts_at, ends_at, anchor_at, months)]
    return [
        _Part(starts_at, window_ends_at, anchor_at, months),
        _Part(window_ends_at, ends_at, limit.anchor_at, limit.period_months, floor_at=window_ends_at),
    ]


def _current_period_ends(
    account_id: int, source: str, now: datetime
) -> dict[str, tuple[datetime, int, datetime]]:
    """For each metric with an open period window of this source: its anchor, months and end."""
    found = {}
    current = Entitlement.objects.select_related("metric").filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=now),
        account_id=account_id,
        source=source,
        window=Window.PERIOD,
        valid_from__lte=now,
    )
    for entitlement in current:
        bucket = Bucket.objects.filter(
            account_id=account_id,
            metric=entitlement.metric,
            window=Window.PERIOD,
            starts_at__lte=now,
            ends_at__gt=now,
        ).first()
        if bucket is not None and entitlement.anchor_at and entitlement.period_months and bucket.ends_at:
            found[entitlement.metric.code] = (
                entitlement.anchor_at,
                entitlement.period_months,
                bucket.ends_at,
            )
    return found
