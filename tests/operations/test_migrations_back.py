"""Every migration of ours back to nothing with data in the tables, and forward again: twice, with the same schema and books."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.operations.living import Living, connected, living

__all__ = ["living"]
pytestmark = [pytest.mark.req("OP-6"), pytest.mark.slow]

OURS = ("showcase", "enterprise", "billing", "quotas", "accounts", "common")
"""From the top down: what is above stands on what is below."""
NOT_OURS = ("djstripe_",)  # made without their history in databases that are thrown away

BACK = f"""
from django.core.management import call_command
for app in {OURS}:
    call_command("migrate", app, "zero", verbosity=0)
"""

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default, character_maximum_length
FROM information_schema.columns WHERE table_schema = 'public'
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conparentid = 0
"""
INDEXES = """
SELECT tablename, indexname, indexdef FROM pg_indexes i WHERE schemaname = 'public'
  AND NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = i.indexname::regclass)
"""
TRIGGERS = """
SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0
"""
FUNCTIONS = """
SELECT '', proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""
SEQUENCES = "SELECT '', sequencename, increment_by FROM pg_sequences WHERE schemaname = 'public'"
STORAGE = "SELECT relname, array_to_string(reloptions, ',') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL"
PARTS = {
    "columns": COLUMNS,
    "constraints": CONSTRAINTS,
    "indexes": INDEXES,
    "triggers": TRIGGERS,
    "functions": FUNCTIONS,
    "sequences": SEQUENCES,
    "storage": STORAGE,
}
# Tables that hold rows; of a partitioned one the whole, not its parts. Which migrations have run is not data.
TABLES = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition AND c.relname <> 'django_migrations' ORDER BY 1
"""


def schema(url: str) -> dict[str, set[tuple[Any, ...]]]:
    with connected(url) as connection:
        found = {part: set(connection.execute(query).fetchall()) for part, query in PARTS.items()}  # type: ignore[arg-type]
    return {
        part: {row for row in rows if not str(row[0]).startswith(NOT_OURS)} for part, rows in found.items()
    }


def tables(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Each table that is ours or the framework's, with its columns by name."""
    names = [row[0] for row in connection.execute(TABLES).fetchall() if not row[0].startswith(NOT_OURS)]
    columns = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s ORDER BY 1"
    return {name: [row[0] for row in connection.execute(columns, [name]).fetchall()] for name in names}


def copy_of(url: str) -> dict[str, tuple[list[str], bytes]]:
    """All rows, as PostgreSQL writes them."""
    copies = {}
    with connected(url) as connection:
        for name, columns in tables(connection).items():
            query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(name)
            )
            with connection.cursor().copy(query) as copy:
                copies[name] = (columns, b"".join(bytes(part) for part in copy))
    return copies


def put_back(url: str, copies: dict[str, tuple[list[str], bytes]]) -> None:
    """As a restore does: no trigger and no foreign key looks at a row that comes back."""
    with connected(url) as connection, connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        for name, (columns, rows) in copies.items():
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
            query = sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            with connection.cursor().copy(query) as copy:
                copy.write(rows)


def digest(copies: dict[str, tuple[list[str], bytes]]) -> dict[str, str]:
    return {
        name: hashlib.sha256("".join(sorted(rows.decode().splitlines())).encode()).hexdigest()
        for name, (_, rows) in copies.items()
    }


@pytest.mark.timeout(900)
def test_to_zero_and_back_twice_with_data(living: Living, read_books: Callable[[str], list[str]]):
    url = living.database_url
    before, copies = schema(url), copy_of(url)
    rows = {name: data.count(b"\n") for name, (_, data) in copies.items()}
    assert rows["quotas_usagerecord"] > 500, "there is something to lose"
    assert rows["billing_subscription"] > 10
    for _ in range(2):
        living.manage("shell", "-v", "0", "-c", BACK)
        with connected(url) as connection:
            left = [name for name in tables(connection) if name.startswith(OURS)]
            functions = connection.execute(
                "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            ).fetchall()
        assert left == []
        assert functions == [], "what SQL made, SQL takes away"
        living.manage("migrate", "--verbosity", "0")
        after = schema(url)
        for part in PARTS:
            assert after[part] == before[part], part
        put_back(url, copies)
        assert digest(copy_of(url)) == digest(copies)
        assert read_books(url) == []
