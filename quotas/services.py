"""Metering, for callers inside Palier: check, consume, reserve, settle, release, give back.

The database's clock decides which windows an operation falls into, so none of these takes `now`. A returned decision
that says allowed is committed. A repeated `key` returns the first decision and counts nothing; the same key with
another request raises IdempotencyKeyReused. Refusals are returned, not raised: `raise_for_refusal` turns them into
errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from common.errors import NotFound, ValidationError
from common.ids import uuid_of
from quotas import metrics
from quotas.catalog import metric_code, metric_id
from quotas.engine.meter import meter
from quotas.entitlements import LimitSpec, MetricSpec, Phase, entitlements_replace, metrics_sync
from quotas.models import Reservation
from quotas.overrides import override_end, override_give
from quotas.refusals import raise_for_refusal
from quotas.refused import refusal_keep
from quotas.reversals import usage_reverse
from quotas.selectors import usage_check
from quotas.values import MAX_UNITS, Decision, Kind, Operation, Refusal
from quotas.wallets import grants_expire, wallet_adjust, wallet_grant

__all__ = [
    "LimitSpec",
    "MetricSpec",
    "Phase",
    "entitlements_replace",
    "grants_expire",
    "metrics_sync",
    "override_end",
    "override_give",
    "raise_for_refusal",
    "reservations_expire",
    "reservations_found",
    "usage_check",
    "usage_consume",
    "usage_give_back",
    "usage_release",
    "usage_reserve",
    "usage_reverse",
    "usage_settle",
    "wallet_adjust",
    "wallet_grant",
]

MAX_KEY_LENGTH = 255
MAX_TTL_S = 3600
DEFAULT_TTL_S = 120


def usage_consume(
    *,
    account_id: int,
    metric: str,
    units: int = 1,
    key: str | None = None,
    credential_id: int | None = None,
    subject: str = "",
    request_id: str = "",
    overage_units: int = 0,
    charged_units: int = 0,
) -> Decision:
    """Count `units` now, if every bound allows.

    `overage_units`: how many of them the caller will have charged, should credits not suffice; `charged_units`: how
    many of these are charged already, and so take no credits.
    """
    return _ask(
        Kind.CONSUME,
        account_id=account_id,
        metric=metric,
        units=units,
        key=key,
        credential_id=credential_id,
        subject=subject,
        request_id=request_id,
        overage_units=overage_units,
        charged_units=charged_units,
    )


def usage_reserve(
    *,
    account_id: int,
    metric: str,
    units: int = 1,
    ttl_s: int = DEFAULT_TTL_S,
    key: str | None = None,
    credential_id: int | None = None,
    subject: str = "",
    request_id: str = "",
    overage_units: int = 0,
) -> Decision:
    """Set `units` aside for `ttl_s` seconds, if every bound allows; `reservation_id` settles or releases them.

    Credits that pay for them leave the wallet now and come back on release. `overage_units` as in usage_consume.
    """
    if not 1 <= ttl_s <= MAX_TTL_S:
        raise ValidationError.of("ttl_s", "out_of_range", f"1 to {MAX_TTL_S} seconds")
    return _ask(
        Kind.RESERVE,
        account_id=account_id,
        metric=metric,
        units=units,
        key=key,
        credential_id=credential_id,
        subject=subject,
        request_id=request_id,
        ttl_s=ttl_s,
        overage_units=overage_units,
    )


def reservations_found(*, account_id: int, keys: Iterable[str]) -> dict[str, Reservation]:
    """The reservations that the account made under any of these keys, whatever became of them, by key."""
    by_id = {_identify(account_id, Kind.RESERVE, key, ())[0]: key for key in keys}
    rows = Reservation.objects.filter(pk__in=[one for one in by_id if one is not None], account_id=account_id)
    return {by_id[row.pk]: row for row in rows}


def usage_settle(
    *,
    account_id: int,
    reservation_id: UUID,
    metric: str = "",
    units: int | None = None,
    key: str | None = None,
    request_id: str = "",
) -> Decision:
    """Count `units` (all, when None) of a reservation as used and give the rest back.

    The units count in the windows of the moment they were reserved in.
    """
    if units is not None:
        _check_units(units, least=0)
    return _close(
        Kind.SETTLE,
        account_id=account_id,
        reservation_id=reservation_id,
        metric=metric,
        units=-1 if units is None else units,
        key=key,
        request_id=request_id,
    )


def usage_release(
    *, account_id: int, reservation_id: UUID, metric: str = "", key: str | None = None, request_id: str = ""
) -> Decision:
    """Give a reservation's units back; nothing is counted."""
    return _close(
        Kind.RELEASE,
        account_id=account_id,
        reservation_id=reservation_id,
        metric=metric,
        units=-1,
        key=key,
        request_id=request_id,
    )


def usage_give_back(
    *,
    account_id: int,
    metric: str,
    units: int = 1,
    key: str | None = None,
    subject: str = "",
    request_id: str = "",
) -> Decision:
    """Uncount `units` things that no longer exist, of a capacity metric."""
    return _ask(
        Kind.GIVE_BACK,
        account_id=account_id,
        metric=metric,
        units=units,
        key=key,
        credential_id=None,
        subject=subject,
        request_id=request_id,
    )


def reservations_expire(*, limit: int = 1000) -> int:
    """Release the open reservations whose time is past; how many. Safe at any moment, twice at once too.

    Each goes through the meter like any release: under the buckets' locks, looked at again there.
    """
    with connection.cursor() as cursor:
        cursor.execute(OVERDUE, {"limit": limit})
        overdue = cursor.fetchall()
    return sum(_expire(account_id, reservation_id, metric) for account_id, reservation_id, metric in overdue)


OVERDUE = """
SELECT r.account_id, r.id, m.code FROM quotas_reservation r JOIN quotas_metric m ON m.id = r.metric_id
WHERE r.status = 'open' AND r.expires_at <= palier_now() ORDER BY r.expires_at LIMIT %(limit)s
"""


def _expire(account_id: int, reservation_id: UUID, metric: str) -> bool:
    """An overdue reservation that is asked to be released is expired instead, and says it is closed."""
    decision = usage_release(account_id=account_id, reservation_id=reservation_id, metric=metric)
    return decision.refusal == Refusal.RESERVATION_CLOSED


def _ask(kind: Kind, **asked: Any) -> Decision:
    return _submit(_operation(kind, **asked))


def _operation(
    kind: Kind,
    *,
    account_id: int,
    metric: str,
    units: int,
    key: str | None,
    credential_id: int | None,
    subject: str,
    request_id: str,
    ttl_s: int = 0,
    overage_units: int = 0,
    charged_units: int = 0,
) -> Operation:
    _check_units(units, least=1)
    _check_text("subject", subject, 200)
    _check_text("request_id", request_id, None)
    parts = (kind, metric, units, credential_id, subject, ttl_s)
    operation_key, fingerprint = _identify(account_id, kind, key, parts)
    return Operation(
        kind=kind,
        account_id=account_id,
        key=operation_key,
        metric=metric,
        metric_id=metric_id(metric),
        units=units,
        credential_id=credential_id,
        fingerprint=fingerprint,
        keep_decision=key is not None,
        subject=subject,
        request_id=request_id[:64],
        ttl_s=ttl_s,
        overage_units=overage_units,
        charged_units=charged_units,
        reservation_id=operation_key if kind == Kind.RESERVE else None,
    )


def _close(
    kind: Kind,
    *,
    account_id: int,
    reservation_id: UUID,
    metric: str,
    units: int,
    key: str | None,
    request_id: str,
) -> Decision:
    _check_text("request_id", request_id, None)
    metric = metric or _metric_reserved(account_id, reservation_id)
    operation_key, fingerprint = _identify(account_id, kind, key, (kind, str(reservation_id), units))
    operation = Operation(
        kind=kind,
        account_id=account_id,
        key=operation_key,
        metric=metric,
        metric_id=metric_id(metric),
        units=units,
        fingerprint=fingerprint,
        keep_decision=key is not None,
        request_id=request_id[:64],
        reservation_id=reservation_id,
    )
    return _submit(operation)


def _metric_reserved(account_id: int, reservation_id: UUID) -> str:
    """The metric of the account's reservation; NotFound for an unknown one and for another account's alike."""
    found = Reservation.objects.filter(pk=reservation_id, account_id=account_id).values_list(
        "metric_id", flat=True
    )
    if not found:
        raise NotFound
    return metric_code(found[0])


def _submit(operation: Operation) -> Decision:
    decision = meter.submit(operation)
    metrics.observe(operation, decision)
    refusal_keep(operation, decision)
    return decision


def _identify(
    account_id: int, kind: Kind, key: str | None, parts: tuple[object, ...]
) -> tuple[UUID | None, UUID | None]:
    """The operation's own key, and what tells another request under the same caller's key apart.

    A caller's key is hashed with account and kind: "consume a" and "settle a" are two operations, and a reservation's
    id, which is its key, is no other account's.
    """
    if key is None:
        return (None if kind == Kind.CONSUME else uuid4()), None
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise ValidationError.of("key", "invalid", f"1 to {MAX_KEY_LENGTH} printable ASCII characters")
    return uuid_of(account_id, kind, key), uuid_of(*parts)


def _check_units(units: int, *, least: int) -> None:
    if not isinstance(units, int) or isinstance(units, bool) or not least <= units <= MAX_UNITS:
        raise ValidationError.of("units", "out_of_range", f"a whole number from {least} to {MAX_UNITS}")


def _check_text(field: str, value: str, longest: int | None) -> None:
    """One text the database cannot keep would fail the whole batch, and with it its neighbours."""
    if longest is not None and len(value) > longest:
        raise ValidationError.of(field, "invalid", f"at most {longest} characters")
    if "\0" in value or not (value.isascii() or _is_unicode(value)):
        raise ValidationError.of(field, "invalid", "Unicode text without NUL")


def _is_unicode(value: str) -> bool:
    """Whether it holds no half of a surrogate pair, which JSON can write and UTF-8 cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in value)
