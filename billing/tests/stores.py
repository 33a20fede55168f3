"""Organisations on business plans, made in one line."""

from __future__ import annotations

from typing import Any

from accounts.models import Account
from accounts.services import account_create_organisation
from accounts.tests.factories import UserFactory
from billing import services
from billing.tests.helpers import state, subscription
from common.clock import database_now
from quotas.models import LedgerEntry
from quotas.services import wallet_adjust
from quotas.wallet_selectors import wallet_status

GENERATIONS = "generations"


def store(
    plan: str | None = "growth", *, credits_left: int | None = None, card: str = "pm_card_visa"
) -> Account:
    """An organisation that has paid for a business plan; with so many credits, when that is said."""
    owner = UserFactory.create()
    account = account_create_organisation(name="Store", owner=owner, now=database_now())
    services.payment_method_add(account=account, payment_method_id=card)
    if plan is not None:
        services.subscription_start(
            account=account, user=owner, plan=plan, interval=None, request_id="req-store", now=database_now()
        )
    if credits_left is not None and (excess := credits_of(account) - credits_left):
        wallet_adjust(
            account_id=account.pk,
            units=-excess,
            request_id="test",
            reason="as the test needs it",
            actor="test",
            now=database_now(),
        )
    account.refresh_from_db()
    return account


def spend(account: Account, units: int = 1, key: str = "work", **more: Any) -> services.Spend:
    return services.usage_spend(
        account=account, metric=GENERATIONS, units=units, key=key, now=database_now(), **more
    )


def take_back(account: Account, made: services.Spend, reason: str = "not delivered") -> bool:
    return services.spend_reverse(account_id=account.pk, spend=made, reason=reason, now=database_now())


def credits_of(account: Account) -> int:
    return wallet_status(account_id=account.pk, at=database_now()).balance_units


def moves(account: Account) -> list[tuple[str, int, int]]:
    """The ledger, oldest first."""
    rows = LedgerEntry.objects.filter(account=account).order_by("id")
    return [(row.kind, row.units, row.overage_units) for row in rows]


def items(stand_in: Any) -> list[dict[str, Any]]:
    return list(state(stand_in)["invoiceitems"].values())


def period_start(account: Account) -> str:
    return subscription(account).current_period_start.isoformat()
