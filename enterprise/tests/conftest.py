"""Organisations with owners and keys, made in one line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import count

import pytest
from rest_framework.test import APIClient

from accounts.models import Account, User
from accounts.services import account_create_organisation
from accounts.tests.factories import UserFactory
from billing.tests.conftest import _stand_in, stand_in, trading, travel  # noqa: F401 - fixtures
from common import clock
from enterprise import decisions
from enterprise.enums import Scope
from enterprise.models import Credential
from enterprise.services import credential_create
from enterprise.services import credentials as credential_services
from quotas.services import MetricSpec, metrics_sync

_numbers = count(1)


@dataclass(frozen=True)
class Holder:
    """An organisation and a client that calls with a key of it."""

    account: Account
    owner: User
    credential: Credential
    secret: str

    @property
    def client(self) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {self.secret}")
        return client

    def another(self, *scopes: str, name: str = "other", expires_at: datetime | None = None) -> Holder:
        return key_of(self.account, self.owner, *scopes, name=name, expires_at=expires_at)


def organisation(name: str | None = None) -> tuple[Account, User]:
    owner = UserFactory.create()
    title = name or f"Organisation {next(_numbers)}"
    return account_create_organisation(name=title, owner=owner, now=clock.database_now()), owner


def key_of(
    account: Account, owner: User, *scopes: str, name: str = "main", expires_at: datetime | None = None
) -> Holder:
    made = credential_create(
        account=account,
        name=name,
        scopes=scopes or Scope.values,
        actor=owner,
        expires_at=expires_at,
        now=clock.database_now(),
    )
    return Holder(account, owner, made.credential, made.secret)


@pytest.fixture(autouse=True)
def _samplers_forget() -> None:
    """What one test had written down must not silence the next one's first entry."""
    credential_services._failures.forget()
    decisions._refusals.forget()


@pytest.fixture
def metered(committed_db: None) -> Holder:
    """An organisation's key where the meter's own connection sees what the test writes."""
    metrics_sync(
        [
            MetricSpec("api_calls", "API calls", "Appels d’API"),
            MetricSpec("seats", "Seats", "Places", kind="capacity"),
        ]
    )
    return key_of(*organisation())


@pytest.fixture
def holder(db: None) -> Holder:
    return key_of(*organisation())
