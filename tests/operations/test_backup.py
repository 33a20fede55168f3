"""A dump that was never restored is no backup: dump, restore elsewhere, and every row and the books agree."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from sandbox import databases
from tests.conftest import SERVER_URL
from tests.operations.scripts import deploy
from tests.stack import Stack

pytestmark = [pytest.mark.req("OP-7"), pytest.mark.slow]

TABLES = """
SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname
"""


@pytest.fixture
def empty_database() -> Iterator[str]:
    name = f"palier_restored_{uuid.uuid4().hex[:12]}"
    yield databases.clone(SERVER_URL, "template0", name)
    databases.drop(SERVER_URL, name)


def _rows(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        names = [name for (name,) in connection.execute(TABLES).fetchall()]
        count = sql.SQL("SELECT count(*) FROM {}")
        rows = {name: connection.execute(count.format(sql.Identifier(name))).fetchone() for name in names}
    return {name: int(row[0]) for name, row in rows.items() if row}


def test_a_backup_restored_elsewhere_has_every_row(stack: Stack, empty_database: str, tmp_path: Path) -> None:
    assert stack.caller("premium").post("/v1/chat/messages", {"text": "Where is Venus?"}).status_code == 200
    stack.wait_quiet()
    file = tmp_path / "palier.dump"
    done = deploy("backup", str(file), values=stack.environment)
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o077 == 0, "a backup holds personal data"

    elsewhere = {**stack.environment, "DATABASE_URL": empty_database}
    restored = deploy("restore", str(file), values=elsewhere)
    assert restored.returncode == 0, restored.stderr
    assert "The books are right." in restored.stdout
    assert _rows(empty_database) == _rows(stack.database_url)

    again = deploy("restore", str(file), values=elsewhere)
    assert again.returncode == 65
    assert "not empty" in again.stderr


def test_a_backup_that_fails_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    file = tmp_path / "palier.dump"
    nowhere = {"DATABASE_URL": "postgres://nobody@127.0.0.1:9/none"}
    assert deploy("backup", str(file), values=nowhere).returncode != 0
    assert not file.exists()
