"""Accounts with limits, made in one line."""

import uuid
from datetime import timedelta

import pytest

from accounts.models import Account, AccountKind
from common import clock
from quotas.services import LimitSpec, MetricSpec, Phase, entitlements_replace, metrics_sync, wallet_grant


@pytest.fixture
def metrics(committed_db):
    metrics_sync(
        [
            MetricSpec("messages", "Messages", "Messages"),
            MetricSpec("exports", "Exports", "Exports"),
            MetricSpec("personas", "Personas", "Personas", kind="capacity"),
        ]
    )


@pytest.fixture
def account_with(metrics):
    """account_with(day=5, hour=3): an account with these limits on messages, of no plan."""

    def make(*specs: LimitSpec, features: tuple[str, ...] = (), mode: str = "block", **windows: int | None):
        account = Account.objects.create(kind=AccountKind.ORGANISATION, name=f"test {uuid.uuid4().hex[:8]}")
        limits = specs + tuple(
            LimitSpec("personas" if window == "capacity" else "messages", window, limit, mode)
            for window, limit in windows.items()
        )
        give(account, *limits, features=features)
        return account

    return make


def give(account, *limits, source="default", ref="test", features=(), until=None):
    """Replace what `source` gives, from now on."""
    now = clock.database_now()
    timeline = [Phase(now, until, limits, features)] if limits or features else []
    entitlements_replace(
        account_id=account.id, source=source, source_ref=ref, timeline=timeline, now=now, reason="test"
    )


PAID = "exports"


@pytest.fixture
def account_paying(account_with):
    """account_paying(10, 5, free=2): grants of 10 and 5 credits, and 2 units a day that cost none."""

    def make(*grants, free=0, price=1):
        limit = LimitSpec(PAID, "day", free, "credits", credits_per_unit=price)
        account = account_with(limit, LimitSpec("messages", "day", 100))
        for number, units in enumerate(grants):
            granted(account, units, f"{number}")
        return account

    return make


def granted(account, units, name="one", *, days=None, now=None):
    now = now or clock.database_now()
    expires_at = None if days is None else now + timedelta(days=days)
    return wallet_grant(
        account_id=account.id,
        source="promotion",
        units=units,
        request_id=f"test:{account.id}:{name}",
        expires_at=expires_at,
        now=now,
    )
