"""Giving, correcting and ending credits. Each in one transaction under the wallet's lock; each once for its request id.

Spending them is the meter's (quotas.engine.purses), under the same lock.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from common import audit
from common.errors import IdempotencyKeyReused, ValidationError
from quotas import rules
from quotas.enums import EntryKind, GrantSource
from quotas.models import Grant, LedgerEntry, Wallet
from quotas.values import MAX_UNITS
from quotas.wallet_selectors import spendable_grants


def lock_wallet(account_id: int, now: datetime) -> Wallet:
    """The account's wallet, made when it is missing, locked until the transaction ends. Lock buckets first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO quotas_wallet (account_id, balance_units, updated_at) VALUES (%s, 0, %s)"
            " ON CONFLICT (account_id) DO NOTHING",
            (account_id, now),
        )
    return Wallet.objects.select_for_update(no_key=True).get(pk=account_id)


@transaction.atomic
def wallet_grant(
    *,
    account_id: int,
    source: str,
    units: int,
    request_id: str,
    expires_at: datetime | None = None,
    reason: str = "",
    now: datetime,
) -> Grant:
    """Give `units` credits, to be spent before `expires_at`. The same `request_id` again gives nothing more.

    Raises ValidationError for units out of range or an expiry that is past, IdempotencyKeyReused when the request id
    was used for another grant.
    """
    _check_units(units)
    _check_expiry(expires_at, now)
    return _grant(
        EntryKind.GRANT,
        account_id=account_id,
        source=source,
        units=units,
        request_id=request_id,
        expires_at=expires_at,
        reason=reason,
        now=now,
    )


def _grant(
    kind: str,
    *,
    account_id: int,
    source: str,
    units: int,
    request_id: str,
    expires_at: datetime | None,
    reason: str,
    now: datetime,
) -> Grant:
    wallet = lock_wallet(account_id, now)
    known = Grant.objects.filter(request_id=request_id).first()
    if known is not None:
        if (known.account_id, known.source, known.units) != (account_id, source, units):
            raise IdempotencyKeyReused
        return known
    grant = Grant.objects.create(
        account_id=account_id,
        source=source,
        request_id=request_id,
        units=units,
        remaining_units=0,
        granted_at=now,
        expires_at=expires_at,
        reason=reason,
    )
    wallet_enter(wallet, kind, f"grant:{request_id}", units, now, grant=grant, reason=reason)
    return grant


@transaction.atomic
def wallet_adjust(
    *,
    account_id: int,
    units: int,
    request_id: str,
    reason: str,
    actor: Any,
    expires_at: datetime | None = None,
    now: datetime,
) -> list[LedgerEntry]:
    """Give (`units` positive) or take (negative) credits by hand, with a reason; audited. The entries made.

    What is taken comes from the grants that expire soonest; ValidationError when there is not that much, or what is
    given would have expired. The same `request_id` again does nothing more; IdempotencyKeyReused where it asks for else.
    """
    _check_units(abs(units))
    if not reason.strip():
        raise ValidationError.of("reason", "required", _("Say why."))
    name = f"adjust:{request_id}"
    wallet = lock_wallet(account_id, now)
    own = Q(request_id__startswith=name) | Q(request_id=f"grant:{name}")
    entries = LedgerEntry.objects.filter(own, account_id=account_id).select_related("grant")
    if known := [entry for entry in entries.order_by("id") if _is_of(entry.request_id, name)]:
        ends = {entry.grant.expires_at for entry in known if entry.grant and units > 0}
        if sum(entry.units for entry in known) != units or ends - {expires_at}:
            raise IdempotencyKeyReused
        return known
    _check_expiry(expires_at, now)
    if units > 0:
        grant = _grant(
            EntryKind.ADJUSTMENT,
            account_id=account_id,
            source=GrantSource.SUPPORT,
            units=units,
            request_id=name,
            expires_at=expires_at,
            reason=reason,
            now=now,
        )
        made = list(grant.entries.all())
    else:
        made = _take(wallet, -units, name, reason, now)
    audit.record(
        actor=actor,
        account_id=account_id,
        action="wallet.adjusted",
        subject=request_id,
        reason=reason,
        data={"units": units},
        now=now,
    )
    return made


def _is_of(request_id: str, name: str) -> bool:
    """Whether an entry belongs to the adjustment of that name, and not to one whose name begins alike."""
    return request_id.removeprefix(name)[:1] in ("", ":") or request_id == f"grant:{name}"


def _take(wallet: Wallet, units: int, name: str, reason: str, now: datetime) -> list[LedgerEntry]:
    grants = {grant.pk: grant for grant in spendable_grants(wallet.account_id, now)}
    purses = [rules.Purse(grant.pk, grant.remaining_units) for grant in grants.values()]
    if sum(purse.remaining for purse in purses) < units:
        raise ValidationError.of("units", "too_many", _("There are not that many credits."))
    return [
        wallet_enter(
            wallet,
            EntryKind.ADJUSTMENT,
            f"{name}:{grant_id}",
            -share,
            now,
            grant=grants[grant_id],
            reason=reason,
        )
        for grant_id, share in rules.spend(purses, units)
    ]


def grants_expire(*, now: datetime, limit: int = 1000) -> int:
    """Write down the end of grants whose time is over; how many. None was spent since, however late this is."""
    due = Grant.objects.filter(expires_at__lte=now, remaining_units__gt=0).order_by("account_id")
    accounts = list(dict.fromkeys(due.values_list("account_id", flat=True)[:limit]))
    return sum(_expire(account_id, now) for account_id in accounts)


@transaction.atomic
def _expire(account_id: int, now: datetime) -> int:
    wallet = lock_wallet(account_id, now)
    expired = list(
        Grant.objects.filter(account_id=account_id, expires_at__lte=now, remaining_units__gt=0).order_by(
            "expires_at", "id"
        )
    )
    for grant in expired:
        # Credits may come back to a grant after its end, with work that is undone: then they expire anew.
        times = grant.entries.filter(kind=EntryKind.EXPIRY).count()
        name = f"expiry:{grant.pk}:{times}"
        wallet_enter(wallet, EntryKind.EXPIRY, name, -grant.remaining_units, now, grant=grant)
    return len(expired)


def wallet_enter(
    wallet: Wallet,
    kind: str,
    request_id: str,
    units: int,
    now: datetime,
    *,
    grant: Grant | None,
    reason: str = "",
    **of: Any,
) -> LedgerEntry:
    """One movement: of the wallet, which is locked, of its grant, and the entry that says so."""
    wallet.balance_units += units
    wallet.updated_at = now
    wallet.save(update_fields=["balance_units", "updated_at"])
    if grant is not None:
        grant.remaining_units += units
        grant.save(update_fields=["remaining_units"])
    return LedgerEntry.objects.create(
        account_id=wallet.account_id,
        kind=kind,
        request_id=request_id,
        units=units,
        balance_units=wallet.balance_units,
        grant=grant,
        reason=reason,
        occurred_at=now,
        **of,
    )


def _check_expiry(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise ValidationError.of("expires_at", "past", _("The credits would have expired already."))


def _check_units(units: int) -> None:
    if isinstance(units, bool) or not isinstance(units, int) or not 1 <= units <= MAX_UNITS:
        raise ValidationError.of("units", "out_of_range", f"a whole number from 1 to {MAX_UNITS}")
