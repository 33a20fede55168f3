"""The schema as production makes it: every migration, dj-stripe's own history included.

Databases that are thrown away skip that history (it takes long); this test does not.
"""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from sandbox import databases

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def empty_database():
    server_url = os.environ["DATABASE_URL"]
    name = f"palier_real_{os.getpid()}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield databases.with_database(server_url, name)
    databases.drop(server_url, name)


def manage(url, *arguments):
    environment = os.environ | {"DATABASE_URL": url, "FAST_MIGRATIONS": "0"}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.req("BI-1", "OP-6")
def test_every_migration_runs_on_an_empty_database(empty_database, read_books):
    made = manage(empty_database, "migrate", "--verbosity", "0")
    assert made.returncode == 0, made.stderr[-2000:]
    in_step = manage(empty_database, "migrate", "--check")
    assert in_step.returncode == 0, in_step.stdout[-2000:]
    assert read_books(empty_database) == []
