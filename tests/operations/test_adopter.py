"""An adopter's columns of limits become Palier's limits and columns again: there and back twice, with use in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.operations.living import Living, connected, living

pytestmark = [pytest.mark.req("OP-6"), pytest.mark.slow]
__all__ = ["living"]

CUSTOMERS = 1200
"""More than two batches."""
MAKE = f"""
INSERT INTO accounts_account (public_id, kind, name, billing_email, created_at)
SELECT gen_random_uuid(), 'organisation', 'Customer ' || n, '', now() FROM generate_series(1, {CUSTOMERS}) AS n;
INSERT INTO adopter_customer (account_id, messages_per_day, exports_per_month)
SELECT id, CASE id % 4 WHEN 0 THEN NULL WHEN 1 THEN -1 ELSE id END, CASE id % 3 WHEN 0 THEN NULL ELSE 10 + id END
FROM accounts_account WHERE name LIKE 'Customer %'
"""
COLUMNS = "SELECT account_id, messages_per_day, exports_per_month FROM adopter_customer ORDER BY 1"
LIMITS = """
SELECT e.account_id, m.code, e."window", e.limit_units FROM quotas_entitlement e JOIN quotas_metric m ON m.id = e.metric_id
WHERE e.source_ref = 'adopter-columns' ORDER BY 1, 2
"""


@pytest.fixture
def adopter(living: Living) -> Living:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.adopter.settings"}
    return replace(living, environment={**living.environment, **settings})


def rows(adopter: Living, query: str) -> list[tuple[Any, ...]]:
    with connected(adopter.database_url) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def expected(columns: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    limits = []
    for account, messages, exports in columns:
        if exports is not None:
            limits.append((account, "exports", "month", exports))
        if messages is not None:
            limits.append((account, "messages", "day", None if messages == -1 else messages))
    return limits


def test_there_and_back_twice(adopter: Living, read_books: Callable[[str], list[str]]):
    adopter.manage("migrate", "adopter", "0001", "--verbosity", "0")
    with connected(adopter.database_url) as connection:
        for statement in MAKE.split(";"):
            connection.execute(statement)  # type: ignore[arg-type]
    columns = rows(adopter, COLUMNS)
    assert len(columns) == CUSTOMERS
    for _ in range(2):
        adopter.manage("migrate", "adopter", "--verbosity", "0")
        assert rows(adopter, LIMITS) == expected(columns)
        said = json.loads(
            adopter.manage("explain", "--account", str(_limited(columns)), "--metric", "messages", "--json")
        )
        assert (said["allowed"], said["bounds"][0]["limit"]) == (True, _limited(columns))
        assert read_books(adopter.database_url) == []
        adopter.manage("migrate", "adopter", "0001", "--verbosity", "0")
        assert rows(adopter, COLUMNS) == columns
        assert rows(adopter, LIMITS) == []
    assert read_books(adopter.database_url) == []


def test_begun_again_after_a_crash_it_goes_on_where_it_was(adopter: Living):
    adopter.manage("migrate", "adopter", "0001", "--verbosity", "0")
    with connected(adopter.database_url) as connection:
        for statement in MAKE.split(";"):
            connection.execute(statement)  # type: ignore[arg-type]
    columns = rows(adopter, COLUMNS)
    adopter.manage("migrate", "adopter", "0002", "--verbosity", "0")
    with connected(adopter.database_url) as connection:
        connection.execute("DELETE FROM django_migrations WHERE app = 'adopter' AND name = '0002_limits'")
        connection.execute(
            "DELETE FROM quotas_entitlement WHERE source_ref = 'adopter-columns' AND account_id % 2 = 0"
        )
    adopter.manage("migrate", "adopter", "0002", "--verbosity", "0")
    assert rows(adopter, LIMITS) == expected(columns)


def _limited(columns: list[tuple[Any, ...]]) -> int:
    """An account whose limit of messages is its own number."""
    return int(next(account for account, messages, _ in columns if messages == account))
