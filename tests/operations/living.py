"""A database of the demo's people and organisations for tests that run migrations on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from sandbox import databases
from sandbox.environment import ROOT, application_environment, child_environment
from tests.conftest import SERVER_URL
from tests.stack import Snapshot


@dataclass(frozen=True)
class Living:
    """A database of the demo's people and organisations, with 70 days of use behind them; nothing else runs."""

    database_url: str
    environment: dict[str, str]

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=800,
        )
        assert done.returncode == 0, (
            f"manage.py {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
        return done.stdout


@pytest.fixture
def living(seeded: Snapshot) -> Iterator[Living]:
    url = databases.clone(SERVER_URL, seeded.database, f"palier_back_{uuid.uuid4().hex[:12]}")
    kept = json.loads((seeded.directory / "secrets.json").read_text())
    values = application_environment(database_url=url, redis_url=os.environ["REDIS_URL"], kept=kept)
    yield Living(url, child_environment(values))
    databases.drop(SERVER_URL, url.rpartition("/")[2])


def connected(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)
