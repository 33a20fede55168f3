"""Reading what credits cost past the balance: an account's standing in its period, and every charge there was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet, Sum

from billing.enums import ChargeStatus
from billing.models import OverageCharge, SpendCap, Subscription
from billing.rules.projection import projected_minor
from billing.selectors.subscriptions import live_subscription
from common.money import Money
from quotas.models import Grant, LedgerEntry
from quotas.wallet_selectors import WalletStatus

SPENT = (ChargeStatus.PENDING, ChargeStatus.ACCEPTED)


@dataclass(frozen=True, slots=True)
class OverageStanding:
    """Overage of the running period: its rate, what it costs so far, what it will have cost, and the account's cap."""

    minor_per_credit: int
    currency: str
    spent_minor: int
    projected_minor: int
    cap_minor: int | None
    period_start: datetime
    period_end: datetime

    @property
    def left_minor(self) -> int | None:
        """What may still be spent under the cap; None without one, 0 where it was set below what is spent."""
        return None if self.cap_minor is None else max(self.cap_minor - self.spent_minor, 0)


def spent_minor(subscription: Subscription) -> int:
    """What overage costs so far in the subscription's period; what is being charged counts, what is taken back not."""
    charges = OverageCharge.objects.filter(
        account_id=subscription.account_id,
        period_start=subscription.current_period_start,
        status__in=SPENT,
    )
    return charges.aggregate(sum=Sum("amount_minor"))["sum"] or 0


def charged_between(*, account_id: int, metric: str, currency: str, start: datetime, end: datetime) -> int:
    """What was charged in [start, end) for units of the metric past the credits; what is taken back is not."""
    charges = OverageCharge.objects.filter(
        account_id=account_id,
        metric=metric,
        currency=currency,
        requested_at__gte=start,
        requested_at__lt=end,
        status__in=SPENT,
    )
    return charges.aggregate(sum=Sum("amount_minor"))["sum"] or 0


def overage_waiting_minor(subscription: Subscription, period_start: datetime | None) -> int:
    """What overage of that period (None: of any) waits for the subscription's next invoice, as far as we know."""
    waiting = OverageCharge.objects.filter(
        account_id=subscription.account_id,
        subscription=subscription,
        status=ChargeStatus.ACCEPTED,
        stripe_invoice_id="",
    )
    if period_start is not None:
        waiting = waiting.filter(period_start=period_start)
    return waiting.aggregate(sum=Sum("amount_minor"))["sum"] or 0


def overage_standing(account_id: int, *, now: datetime) -> OverageStanding | None:
    """None where the account's plan sells no overage."""
    subscription = live_subscription(account_id)
    if subscription is None or subscription.current_period_end is None:
        return None
    rate = subscription.plan_version.overage_minor_per_credit
    if rate is None:
        return None
    spent = spent_minor(subscription)
    start, end = subscription.current_period_start, subscription.current_period_end
    cap = SpendCap.objects.filter(account_id=account_id).first()
    return OverageStanding(
        minor_per_credit=rate,
        currency=subscription.price.currency,
        spent_minor=spent,
        projected_minor=projected_minor(spent_minor=spent, start=start, end=end, at=now),
        cap_minor=cap.cap_minor if cap else None,
        period_start=start,
        period_end=end,
    )


def overage_charges(account_id: int) -> QuerySet[OverageCharge]:
    """Every charge past the credits, newest first, those that failed or were taken back too."""
    return OverageCharge.objects.filter(account_id=account_id).order_by("-requested_at", "-id")


def standing_json(standing: OverageStanding | None) -> dict[str, Any] | None:
    """An overage object."""
    if standing is None:
        return None
    cap = standing.cap_minor
    return {
        "minor_per_credit": standing.minor_per_credit,
        "spent": Money(standing.spent_minor, standing.currency).as_json(),
        "projected": Money(standing.projected_minor, standing.currency).as_json(),
        "cap": None if cap is None else Money(cap, standing.currency).as_json(),
        "period_start": standing.period_start,
        "period_end": standing.period_end,
    }


def credits_json(wallet: WalletStatus, standing: OverageStanding | None) -> dict[str, Any]:
    """What can be spent, what it is left of, and what is past it."""
    return {
        "balance_units": wallet.balance_units,
        "grants": [grant_json(grant) for grant in wallet.grants],
        "overage": standing_json(standing),
    }


def grant_json(grant: Grant) -> dict[str, Any]:
    """A grant object."""
    return {
        "id": str(grant.pk),
        "source": grant.source,
        "units": grant.units,
        "remaining_units": grant.remaining_units,
        "granted_at": grant.granted_at,
        "expires_at": grant.expires_at,
        "reason": grant.reason or None,
    }


def entry_json(entry: LedgerEntry) -> dict[str, Any]:
    """A movement of the ledger."""
    return {
        "id": str(entry.pk),
        "type": entry.kind,
        "units": entry.units,
        "overage_units": entry.overage_units,
        "balance_units": entry.balance_units,
        "grant": str(entry.grant_id) if entry.grant_id else None,
        "metric": entry.metric.code if entry.metric else None,
        "request_id": entry.request_id,
        "reason": entry.reason or None,
        "occurred_at": entry.occurred_at,
    }


def charge_brief(charge: OverageCharge | None) -> dict[str, Any] | None:
    """What an answer about work says of the charge for it."""
    if charge is None:
        return None
    return {
        "id": charge.pk,
        "status": charge.status,
        "units": charge.units,
        "amount_minor": charge.amount_minor,
        "currency": charge.currency,
    }


def charge_json(charge: OverageCharge) -> dict[str, Any]:
    """A charge of the overage history."""
    return {
        "id": str(charge.pk),
        "status": charge.status,
        "metric": charge.metric,
        "units": charge.units,
        "amount_minor": charge.amount_minor,
        "currency": charge.currency,
        "work": charge.work_ref,
        "invoice": charge.stripe_invoice_id or None,
        "error_code": charge.error_code or None,
        "requested_at": charge.requested_at,
        "settled_at": charge.settled_at,
        "reversed_at": charge.reversed_at,
        "reversal_reason": charge.reversal_reason or None,
        "request_id": charge.request_id or None,
    }
