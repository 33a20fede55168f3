"""What the measurements run on: PostgreSQL and Redis of their own, the schema, accounts with limits no run reaches.

The services are always the embedded ones, never those of DATABASE_URL: figures that are compared have to be taken
with the same settings, and a benchmark has no business in a database somebody else uses.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from sandbox.environment import ROOT, application_environment, child_environment, make_secrets
from sandbox.services import Postgres, Redis
from sandbox.services.unprivileged import remove_tree

MANY_ACCOUNTS = 100_000
PLACE = ROOT / ".palier"
RELAXED = {"fsync", "synchronous_commit", "full_page_writes"}


@dataclass(frozen=True)
class Stage:
    """`environment` is that of the processes that are started; `programs` are PostgreSQL's."""

    database_url: str
    environment: Mapping[str, str]
    programs: Path
    directory: Path
    data_directory: Path


@contextmanager
def open_stage() -> Iterator[Stage]:
    """Services up, schema made, Django ready in this process too. All of it is gone afterwards."""
    with ExitStack() as stack:
        PLACE.mkdir(exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix="bench-", dir=PLACE))
        directory.chmod(0o755)  # PostgreSQL may run as somebody else, who has to get through
        stack.callback(_clear, directory)
        postgres, redis = Postgres(directory / "postgres"), Redis(directory / "redis")
        stack.callback(postgres.stop)
        postgres.start()
        stack.callback(redis.stop)
        redis.start()
        values = application_environment(
            database_url=postgres.url(), redis_url=redis.url(), kept=make_secrets()
        ) | {"DJANGO_SETTINGS_MODULE": "bench.settings", "LOG_LEVEL": "WARNING", "ACCESS_TOKEN_MINUTES": "60"}
        os.environ.update(values)
        _make_schema()
        _require_durability(postgres.url())
        yield Stage(
            database_url=postgres.url(),
            environment=child_environment(values),
            programs=postgres.programs(),
            directory=directory,
            data_directory=postgres.log.parent,
        )


def _make_schema() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE bench_counter (id bigint PRIMARY KEY, used bigint NOT NULL)")
        connection.execute(
            "INSERT INTO bench_counter SELECT n, 0 FROM generate_series(1, %s) n", [MANY_ACCOUNTS]
        )
        connection.execute("VACUUM ANALYZE bench_counter")


def _require_durability(database_url: str) -> None:
    """A benchmark of durable decisions that are not would be worthless: look, rather than trust the launcher."""
    with psycopg.connect(database_url) as connection:
        off = [name for name in sorted(RELAXED) if connection.execute(f"SHOW {name}").fetchone() != ("on",)]
    if off:
        raise RuntimeError(f"PostgreSQL runs with {', '.join(off)} relaxed")


def _clear(directory: Path) -> None:
    remove_tree(directory / "postgres")  # it may lie elsewhere, behind a link
    remove_tree(directory)
