"""PostgreSQL and Redis for one run of tests or checks, gone afterwards with all their data."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from sandbox.services.postgres import Postgres
from sandbox.services.redis import Redis
from sandbox.services.unprivileged import remove_tree


def temporary_directory(stack: ExitStack) -> Path:
    """A directory that is gone with `stack`, whatever was put into it."""
    place = Path(tempfile.mkdtemp(prefix="palier-"))
    stack.callback(shutil.rmtree, place, ignore_errors=True)  # a process that was just killed may still write
    place.chmod(0o755)  # PostgreSQL may run as somebody else, who has to get through
    return place


def start_services(stack: ExitStack, place: Path) -> tuple[str, str]:
    """(DATABASE_URL, REDIS_URL): those of the environment, or of services in `place` that end with `stack`."""
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if not database_url:
        postgres = Postgres(place / "postgres", durable=False)
        stack.callback(remove_tree, place / "postgres")
        stack.callback(postgres.kill)
        postgres.start()
        database_url = postgres.url()
    if not redis_url:
        redis = Redis(place / "redis")
        stack.callback(redis.kill)
        redis.start()
        redis_url = redis.url()
    return database_url, redis_url
