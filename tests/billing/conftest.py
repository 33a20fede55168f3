"""One stand-in and one published catalogue for all proofs about billing; each proof begins in an empty world."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from billing.gateways import client
from billing.services import changes
from billing.tests.conftest import point_to, sync
from sandbox import databases
from sandbox.stripe import StripeStandIn
from tests.billing.trouble import PATIENCE_S
from tests.billing.world import BEGIN, FORGET_CATALOGUE, KEEP_CATALOGUE, World, run_sql, standing_clock

NOBODY_ELSE_S = 0.05


@pytest.fixture(scope="package")
def published(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """The catalogue in database and stand-in: what cleaning the database after a proof leaves there."""
    from django.conf import settings

    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch, StripeStandIn() as stand_in:
        run_sql(databases.CLEAN)
        with standing_clock(os.environ["DATABASE_URL"]) as clock:
            stand_in.core.clock = clock  # type: ignore[assignment]
            point_to(stand_in, _Patched(settings, patch), patch)
            sync()
            world = World(stand_in, clock)
            world.keep_stock()
            run_sql(KEEP_CATALOGUE)
            try:
                yield world
            finally:
                run_sql(FORGET_CATALOGUE)
                run_sql(databases.CLEAN)


class _Patched:
    """Sets Django's settings so that they are put back: pytest-django's own fixture is for single tests."""

    def __init__(self, settings: Any, patch: pytest.MonkeyPatch) -> None:
        object.__setattr__(self, "_parts", (settings, patch))

    def __setattr__(self, name: str, value: object) -> None:
        settings, patch = self._parts
        patch.setattr(settings, name, value, raising=False)


@pytest.fixture
def world(published: World, committed_db: None, monkeypatch: pytest.MonkeyPatch) -> World:
    """Empty but for the catalogue, at the beginning of 2027. What is written is really committed.

    A proof does one thing after the other, so nobody else is carrying out what a request finds under way: waiting for them
    would only take its time.
    """
    monkeypatch.setattr(changes, "JOIN_WAIT_S", NOBODY_ELSE_S)
    published.begin(BEGIN)
    return published


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(client, "READ_TIMEOUT_S", PATIENCE_S)
    client._client.cache_clear()
    yield
    client._client.cache_clear()
