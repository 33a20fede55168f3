"""A person with limits of their own, who calls the API. No plan, so no Stripe."""

import pytest
from rest_framework.test import APIClient

from accounts.models import Account, AccountKind
from accounts.tests.factories import UserFactory, bearer
from billing.tests.conftest import (  # noqa: F401 - fixtures: who archives or pays needs plans that change
    _stand_in,
    stand_in,
    trading,
    travel,
)
from common import clock
from quotas.services import LimitSpec, MetricSpec, Phase, entitlements_replace, metrics_sync

LIMITS = {
    "messages": LimitSpec("messages", "day", 3),
    "personas": LimitSpec("personas", "capacity", 2),
    "exports": LimitSpec("exports", "month", 1),
}


@pytest.fixture
def metrics(committed_db) -> None:
    metrics_sync(
        [
            MetricSpec("messages", "Messages", "Messages"),
            MetricSpec("personas", "Personas", "Personas", kind="capacity"),
            MetricSpec("exports", "Exports", "Exports"),
        ]
    )


@pytest.fixture
def caller_with(metrics):
    """caller_with("messages", features=("history",)): a client signed in as somebody new with these limits."""

    def make(*names: str, features: tuple[str, ...] = (), **person: object) -> APIClient:
        user = UserFactory.create(**person)
        account = Account.objects.create(
            kind=AccountKind.PERSONAL, name="somebody", personal_owner=user, billing_email=user.email
        )
        now = clock.database_now()
        limits = tuple(LIMITS[name] for name in names)
        timeline = [Phase(now, limits=limits, features=features)] if names or features else []
        entitlements_replace(
            account_id=account.pk, source="default", source_ref="test", timeline=timeline, now=now
        )
        client = APIClient(raise_request_exception=False)
        client.credentials(**bearer(user))
        client.account = account
        client.user = user
        return client

    return make


@pytest.fixture
def caller(caller_with) -> APIClient:
    """Somebody with all limits and features."""
    return caller_with(*LIMITS, features=("history", "export"))
