"""Contracts and use for tests, in one line."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from accounts.models import Account
from common import clock
from enterprise.models import Contract
from enterprise.rules.contracts import LimitTerms
from enterprise.services import contract_create
from quotas.models import UsageDay, UsageRecord

METRIC = "api_calls"


def block(units: int | None, window: str = "day") -> LimitTerms:
    return LimitTerms(METRIC, window, units)


def charged(units: int, price: str = "2", window: str = "day", metric: str = METRIC) -> LimitTerms:
    return LimitTerms(metric, window, units, "overage", Decimal(price))


def contract(account: Account, *limits: LimitTerms, **fields: Any) -> Contract:
    now = clock.database_now()
    values: dict[str, Any] = {
        "title": "Contract",
        "currency": "usd",
        "starts_at": now - timedelta(days=3),
        "actor": None,
        "reason": "test",
        "now": now,
    }
    return contract_create(account=account, limits=limits, **(values | fields))


def move_clock(by: timedelta) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO common_sandbox_clock (id, shift) VALUES (1, %s)"
            " ON CONFLICT (id) DO UPDATE SET shift = common_sandbox_clock.shift + excluded.shift",
            [by],
        )


def move_clock_to(moment: datetime) -> None:
    move_clock(moment - clock.database_now())


def counted(account: Account) -> tuple[int, int]:
    """Units by the records and by the days: what must not move when something is refused."""
    records = sum(UsageRecord.objects.filter(account_id=account.pk).values_list("units", flat=True))
    return records, sum(UsageDay.objects.filter(account_id=account.pk).values_list("units", flat=True))
