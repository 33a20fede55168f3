"""Billing's tests run against the stand-in for Stripe, over HTTP, with the real SDK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe
from django.conf import settings as django_settings

from accounts.models import Account
from accounts.tests.factories import account_of, make_person
from billing.services import catalog_load, catalog_sync, payment_method_add
from common.clock import database_now
from sandbox.stripe import StripeStandIn


@pytest.fixture(scope="session")
def _stand_in() -> Iterator[StripeStandIn]:
    with StripeStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(_stand_in: StripeStandIn, settings: Any, monkeypatch: pytest.MonkeyPatch) -> StripeStandIn:
    """Empty, without faults, and what the application's settings point to."""
    _stand_in.core.reset()
    point_to(_stand_in, settings, monkeypatch)
    return _stand_in


def point_to(stand_in: StripeStandIn, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STRIPE_SECRET_KEY = settings.STRIPE_TEST_SECRET_KEY = stand_in.secret_key
    settings.STRIPE_API_BASE = settings.SANDBOX_URL = stand_in.url
    monkeypatch.setattr(stripe, "api_base", stand_in.url)  # dj-stripe's own calls
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.02)


def sync() -> None:
    catalog_sync(catalog=catalog_load(Path(django_settings.CATALOG_FILE)), now=database_now())


@pytest.fixture
def catalog(db: None, stand_in: StripeStandIn) -> StripeStandIn:
    """The demo catalogue in the database and at the stand-in."""
    sync()
    return stand_in


def person(card: str | None = "pm_card_visa", **fields: object) -> Account:
    """Somebody on the free plan; with a card on file unless told otherwise."""
    account = account_of(make_person(now=database_now(), **fields))
    if card:
        payment_method_add(account=account, payment_method_id=card)
    return account
