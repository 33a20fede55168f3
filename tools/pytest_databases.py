"""One database for each test process, cloned from a template; emptied quickly after tests that commit; and after
every test that used it, the books are read: whatever does not add up fails the test that left it so."""

from __future__ import annotations

import importlib
import importlib.util
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import OperationalError, connection, connections
from django.test import TransactionTestCase
from psycopg.pq import TransactionStatus

from sandbox import databases

BOOKS = "common.books"
DATABASE_FIXTURES = {"db", "transactional_db"}
BREAKERS = (
    ("billing.services.upcoming", "breaker"),
    ("common.broker", "_breaker"),
    ("common.ratelimit", "_redis"),
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "broken_books: leaves the books wrong on purpose, and fails when they are found right"
    )
    TransactionTestCase._fixture_teardown = _clean  # type: ignore[attr-defined]
    # Sessions stay from test to test, Django's and the meter's: new ones, which know no table and have no plan yet, cost
    # a test that commits a tenth of its time. What a session keeps is put back with the rows.
    TransactionTestCase._should_reload_connections = lambda _: False  # type: ignore[attr-defined]
    # The browser's driver leaves an event loop running in this thread. By it connections would be told apart: one from
    # before, one from then on, and in a forked process, where no loop runs, the first again, open and its parent's.
    connections._connections = threading.local()  # type: ignore[attr-defined]


@pytest.fixture
def committed_db(transactional_db: None) -> None:
    """A database in which the test really commits, so that the metering engine's own connections see its rows."""


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,  # noqa: ARG001 - for the order
    django_db_blocker: Any,
) -> Iterator[None]:
    """Instead of pytest-django's: clone the template, and let Django use the clone."""
    server_url = os.environ["DATABASE_URL"]
    name = f"palier_test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
    with django_db_blocker.unblock():
        url = databases.clone(server_url, databases.ensure_template(server_url), name)
        settings.DATABASES["default"]["NAME"] = name
        connection.settings_dict["NAME"] = name
        os.environ["DATABASE_URL"] = url  # for what a test starts as a process of its own
        connection.close()
        yield
        importlib.import_module("quotas.engine.meter").meter.close()
        connection.close()
        databases.drop(server_url, name)


def _clean(_: TransactionTestCase) -> None:
    _give_up_what_the_meter_left_open()
    try:
        with connection.cursor() as cursor:
            cursor.execute(databases.FORGET_SESSION)
            connection.ensure_timezone()
            cursor.execute(databases.CLEAN)
    except OperationalError as error:
        raise AssertionError(
            f"The database cannot be emptied: {error}\nOther sessions:\n{_others()}"
        ) from error
    _forget_what_is_kept()


def _give_up_what_the_meter_left_open() -> None:
    """A session that is lost, or still in a transaction, is no one's to go on with."""
    meter = importlib.import_module("quotas.engine.meter").meter
    for runner in (meter._runner, meter._bulk_runner):
        session = runner._connection
        if session is not None and session.info.transaction_status != TransactionStatus.IDLE:
            runner.close()


def _forget_what_is_kept() -> None:
    """What a process reads once: rows of one test are not those of the next, and no test lives on another's. Nor is a
    service left alone because another test had it away.
    """
    importlib.import_module("quotas.catalog").forget()
    importlib.import_module("billing.selectors.plans").forget_terms()
    for module, breaker in BREAKERS:
        getattr(importlib.import_module(module), breaker).reset()


def _others() -> str:
    """Who else is on this database, so that whoever stands in the way is named."""
    with connection.cursor() as cursor:
        cursor.execute(databases.OTHERS)
        return "\n".join(str(row) for row in cursor.fetchall())


@pytest.fixture(scope="session")
def _redis() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(settings.REDIS_URL)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _after_database_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs before the rows are rolled back or deleted, because it asked for the database first."""
    marked = request.node.get_closest_marker("django_db") is not None
    if not (marked or DATABASE_FIXTURES & set(request.fixturenames)):
        yield
        return
    request.getfixturevalue("_django_db_helper")
    own_redis: redis.Redis = request.getfixturevalue("_redis")
    _forget_what_is_kept()
    yield
    own_redis.flushdb()
    if connection.needs_rollback:
        return  # the test ended inside a failed transaction: none of it stays, and nothing can be read
    findings = _verify_books()
    if request.node.get_closest_marker("broken_books"):
        assert findings, "marked broken_books, yet the books are right"
    else:
        assert not findings, "The books do not add up after this test:\n" + "\n".join(findings)


def _verify_books() -> list[str]:
    if importlib.util.find_spec(BOOKS) is None:
        return []
    findings: list[str] = importlib.import_module(BOOKS).verify_all()
    return findings
