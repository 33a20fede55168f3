"""Reading the meter. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django.db.models import Q

from common.clock import database_now
from common.database import prepared
from quotas import rules
from quotas.enums import Mode
from quotas.models import FeatureGrant, Metric, UsageDay
from quotas.values import Bound, Decision, Refusal, Split
from quotas.wallet_selectors import credit_price, wallet_status

# A bucket that counts under the right in force is up to date. Otherwise (none made yet, or a limit that is new or
# back) the figures come from what the next decision would bring it up to date from.
STATUS = """
SELECT DISTINCT ON (m.code, e."window")
  m.code, e."window", e.source, e.source_ref, e.limit_units, e.mode,
  coalesce(b.used_units, before.units, 0),
  coalesce((SELECT sum(r.units) FROM quotas_reservation r
    WHERE r.account_id = e.account_id AND r.metric_id = e.metric_id AND r.status = 'open' AND r.expires_at > clock.at
      AND r.decided_at >= w.starts_at AND (w.ends_at IS NULL OR r.decided_at < w.ends_at)), 0),
  w.starts_at, w.ends_at, e.valid_until
FROM (SELECT palier_now() AS at) AS clock
JOIN quotas_entitlement e ON e.account_id = %(account_id)s AND e.valid_from <= clock.at
  AND (e.valid_until IS NULL OR e.valid_until > clock.at)
JOIN quotas_metric m ON m.id = e.metric_id AND (%(metric)s::text IS NULL OR m.code = %(metric)s)
CROSS JOIN LATERAL (SELECT
  quotas_window_start(e."window", clock.at, e.anchor_at, e.period_months, e.window_floor_at) AS starts_at,
  quotas_window_end(e."window", clock.at, e.anchor_at, e.period_months) AS ends_at) AS w
LEFT JOIN quotas_bucket b ON b.account_id = e.account_id AND b.metric_id = e.metric_id
  AND b."window" = e."window" AND b.starts_at = w.starts_at AND b.entitlement_id = e.id
LEFT JOIN LATERAL (SELECT CASE WHEN e."window" IN ('day', 'month', 'capacity') THEN (
      SELECT sum(d.units) FROM quotas_usageday d WHERE d.account_id = e.account_id AND d.metric_id = e.metric_id
        AND d.day >= (w.starts_at AT TIME ZONE 'UTC')::date
        AND (w.ends_at IS NULL OR d.day < (w.ends_at AT TIME ZONE 'UTC')::date)
    ) ELSE (
      SELECT sum(r.units) FROM quotas_usagerecord r WHERE r.account_id = e.account_id AND r.metric_id = e.metric_id
        AND r.occurred_at >= w.starts_at AND r.occurred_at < w.ends_at
    ) END AS units) AS before ON b.id IS NULL
ORDER BY m.code, e."window", e.source_rank DESC, e.id DESC
"""

WINDOW_ORDER = ("hour", "day", "month", "period", "capacity")


def quota_status(*, account_id: int, metric: str | None = None) -> list[Bound]:
    """Every limit in force for the account (of one metric, or all), with its counter now; shortest window first.

    Reservations past their time are not shown as reserved: the next decision frees them.
    """
    bounds = [_bound(row) for row in prepared(STATUS, {"account_id": account_id, "metric": metric})]
    return sorted(bounds, key=lambda bound: (bound.metric, WINDOW_ORDER.index(bound.window)))


def usage_check(*, account_id: int, metric: str, units: int = 1, overage_units: int = 0) -> Decision:
    """What a consumption of `units` would be told now. Counts nothing, locks nothing, promises nothing.

    `overage_units` as in usage_consume.
    """
    bounds = quota_status(account_id=account_id, metric=metric)
    if any(bound.mode == Mode.CREDITS for bound in bounds):
        return _check_with_credits(account_id, metric, units, bounds, overage_units)
    shown = tuple(_asked(bound, units) for bound in bounds)
    allowed = bool(shown) and all(bound.allows for bound in shown)
    refusal = None if allowed else _refusal(account_id, shown)
    return Decision(
        account_id=account_id,
        metric=metric,
        units=units,
        allowed=allowed,
        refusal=refusal,
        decided_at=database_now(),
        split=_split(bounds, units) if allowed else Split(),
        lazy_bounds=shown,
    )


def _split(bounds: Sequence[Bound], units: int) -> Split:
    """What is past a limit that charges, as the engine counts it."""
    overage = rules.take(_counters(bounds), units)
    return Split(allowance=units - overage, overage=overage)


def _counters(bounds: Sequence[Bound]) -> list[rules.Counter]:
    return [rules.Counter(b.limit, b.mode, b.used, b.reserved) for b in bounds]


def _check_with_credits(
    account_id: int, metric: str, units: int, bounds: Sequence[Bound], overage_units: int
) -> Decision:
    """As the engine decides it (quotas.engine.decide), on what is read without a lock."""
    at = database_now()
    price = credit_price(account_id=account_id, metric=metric, at=at)
    if price is None:
        # The right that credits pay for has ended since the limits were read, which say so when they are read again.
        return usage_check(account_id=account_id, metric=metric, units=units, overage_units=overage_units)
    spendable = wallet_status(account_id=account_id, at=at).balance_units
    parts = rules.split(_counters(bounds), units, payable_units=spendable // price)
    suffices = parts.overage <= overage_units
    shown = tuple(replace(b, allows=suffices) if b.mode == Mode.CREDITS else _asked(b, units) for b in bounds)
    barred = any(not b.allows and b.mode != Mode.CREDITS for b in shown)
    allowed = suffices and not barred
    refusal = Refusal.QUOTA_EXCEEDED if barred else Refusal.INSUFFICIENT_CREDITS
    return Decision(
        account_id=account_id,
        metric=metric,
        units=units,
        allowed=allowed,
        refusal=None if allowed else refusal,
        decided_at=at,
        split=Split(parts.allowance, parts.credits, parts.overage) if allowed else Split(),
        credits_spendable=spendable,
        credits_needed=(units - parts.allowance) * price,
        lazy_bounds=shown,
    )


def has_feature(*, account_id: int, feature: str, at: datetime) -> bool:
    """Whether the account may use the feature at that instant."""
    in_force = Q(valid_until__isnull=True) | Q(valid_until__gt=at)
    return FeatureGrant.objects.filter(
        in_force, account_id=account_id, feature=feature, valid_from__lte=at
    ).exists()


def has_any_right(*, account_id: int) -> bool:
    """Whether the account has any limit in force at all, so any running plan or contract."""
    return bool(quota_status(account_id=account_id))


def usage_days(*, account_id: int, metric: str, first: date, last: date) -> Sequence[UsageDay]:
    """The account's days of use of a metric, first to last inclusive, one row for each credential and day."""
    return list(
        UsageDay.objects.filter(
            account_id=account_id, metric__code=metric, day__gte=first, day__lte=last
        ).order_by("day", "credential_id")
    )


def first_metric() -> str | None:
    """The metric shown when none is asked for and the account has none."""
    return Metric.objects.order_by("id").values_list("code", flat=True).first()


def _bound(row: Sequence[Any]) -> Bound:
    metric, window, source, source_ref, limit, mode, used, reserved, starts_at, ends_at, until = row
    return Bound(
        metric,
        window,
        source,
        source_ref,
        limit,
        mode,
        int(used),
        int(reserved),
        starts_at,
        ends_at,
        until=until,
    )


def _asked(bound: Bound, units: int) -> Bound:
    remaining = bound.remaining
    return replace(bound, allows=remaining is None or bound.mode == "overage" or units <= remaining)


def _refusal(account_id: int, bounds: tuple[Bound, ...]) -> Refusal:
    if bounds:
        return Refusal.QUOTA_EXCEEDED
    if has_any_right(account_id=account_id):
        return Refusal.FEATURE_NOT_IN_PLAN
    return Refusal.NO_ACTIVE_SUBSCRIPTION
