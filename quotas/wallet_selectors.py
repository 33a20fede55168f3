"""Reading wallets: what can be spent, from which grants, and what moved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, QuerySet, Sum

from quotas.enums import EntryKind
from quotas.models import Entitlement, Grant, LedgerEntry


@dataclass(frozen=True, slots=True)
class WalletStatus:
    """What can be spent now, and the grants it is left of, in the order they are spent in."""

    balance_units: int
    grants: tuple[Grant, ...]


def spendable_grants(account_id: int, at: datetime) -> QuerySet[Grant]:
    """Grants that have credits left and have not expired, the one that is spent first first."""
    return Grant.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=at), account_id=account_id, remaining_units__gt=0
    ).order_by(F("expires_at").asc(nulls_last=True), "id")


def wallet_status(*, account_id: int, at: datetime) -> WalletStatus:
    """The account's credits. Those of a grant that has expired are not counted, whether or not that is written yet."""
    grants = tuple(spendable_grants(account_id, at))
    return WalletStatus(sum(grant.remaining_units for grant in grants), grants)


def ledger_of(account_id: int, kind: str | None = None) -> QuerySet[LedgerEntry]:
    """The account's movements, newest first; of one kind or all."""
    entries = LedgerEntry.objects.filter(account_id=account_id).select_related("metric", "grant")
    if kind is not None:
        entries = entries.filter(kind=EntryKind(kind))
    return entries.order_by("-id")


def credits_used(*, account_id: int, start: datetime, end: datetime) -> int:
    """Credits spent in [start, end), less those that came back in it. Never negative."""
    moved = LedgerEntry.objects.filter(
        account_id=account_id,
        kind__in=[EntryKind.USE, EntryKind.REVERSAL],
        occurred_at__gte=start,
        occurred_at__lt=end,
    )
    return max(-(moved.aggregate(sum=Sum("units"))["sum"] or 0), 0)


def credit_price(*, account_id: int, metric: str, at: datetime) -> int | None:
    """What a unit of the metric past its limit costs in credits; None where credits do not pay for it."""
    in_force = Q(valid_until__isnull=True) | Q(valid_until__gt=at)
    strongest: dict[str, Entitlement] = {}
    rows = Entitlement.objects.filter(
        in_force, account_id=account_id, metric__code=metric, valid_from__lte=at
    ).order_by("source_rank", "id")
    for row in rows:
        strongest[row.window] = row
    prices = [row.credits_per_unit for row in strongest.values() if row.credits_per_unit is not None]
    return max(prices, default=None)
