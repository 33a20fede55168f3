"""Accounts with limits, made in one line."""

import uuid

import pytest

from accounts.models import Account, AccountKind
from common import clock
from quotas import catalog
from quotas.engine.meter import meter
from quotas.services import LimitSpec, MetricSpec, Phase, entitlements_replace, metrics_sync


@pytest.fixture
def metrics(committed_db):
    metrics_sync(
        [
            MetricSpec("messages", "Messages", "Messages"),
            MetricSpec("exports", "Exports", "Exports"),
            MetricSpec("personas", "Personas", "Personas", kind="capacity"),
        ]
    )
    yield
    catalog.forget()
    meter.close()


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
