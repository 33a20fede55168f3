"""Billing's tests run against the stand-in for Stripe, over HTTP, with the real SDK."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import stripe
from django.db import connection

from accounts.models import Account
from accounts.tests.factories import account_of, make_person
from billing.models import Plan, Price
from billing.services import payment_method_add, plan_changes_sweep
from billing.tests.published import publish, sync
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
    settings.STRIPE_PUBLISHABLE_KEY = stand_in.publishable_key
    settings.STRIPE_API_BASE = settings.SANDBOX_URL = stand_in.url
    monkeypatch.setattr(stripe, "api_base", stand_in.url)  # dj-stripe's own calls
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.02)


@pytest.fixture
def catalog(db: None, stand_in: StripeStandIn) -> StripeStandIn:
    """The demo catalogue in the database and at the stand-in."""
    publish(stand_in)
    return stand_in


@pytest.fixture
def trading(committed_db: None, stand_in: StripeStandIn) -> StripeStandIn:
    """As `catalog`, committed: the meter, which has a connection of its own, sees it."""
    publish(stand_in)
    return stand_in


def person(card: str | None = "pm_card_visa", **fields: object) -> Account:
    """Somebody on the free plan; with a card on file unless told otherwise."""
    account = account_of(make_person(now=database_now(), **fields))
    if card:
        payment_method_add(account=account, payment_method_id=card)
    return account


def republish() -> None:
    """The catalogue at a stand-in that has been emptied."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_account SET stripe_customer_id = NULL")
    Price.objects.update(stripe_price_id=None)
    Plan.objects.update(stripe_product_id=None)
    sync()


class Travel:
    """The stand-in and our clock together; nobody tells us anything, so what is due is found by the sweep."""

    def __init__(self, stand_in: StripeStandIn) -> None:
        self.stand_in = stand_in

    def to(self, moment: datetime, *, sweep: bool = True) -> None:
        self.stand_in.core.move(int(moment.timestamp()))
        if sweep:
            plan_changes_sweep(now=database_now() + timedelta(minutes=5))

    def by(self, *, sweep: bool = True, **span: float) -> None:
        self.to(database_now() + timedelta(**span), sweep=sweep)


@pytest.fixture
def travel(committed_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Travel]:
    """A stand-in whose clock is also the database's, and the catalogue."""
    with StripeStandIn(clock_dsn=os.environ["DATABASE_URL"]) as stand_in:
        point_to(stand_in, settings, monkeypatch)
        publish(stand_in)
        yield Travel(stand_in)
