"""Whether this process can serve, and what stands in its way.

The database and its migrations are needed. Redis is not: it holds rate-limit windows, caches and the task queue, all
of which are rebuilt or found again (the outbox), so without it the process is degraded, not down.
"""

from collections.abc import Callable
from typing import Any

import structlog
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django_redis import get_redis_connection
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)

OK = "ok"
NEEDED = ("database", "migrations")
_migrated = False


def readiness() -> tuple[str, dict[str, str]]:
    """("ok" | "degraded" | "failing", what each part says)."""
    checks = {name: check() for name, check in _CHECKS.items()}
    if any(checks[name] != OK for name in NEEDED):
        return "failing", checks
    return (OK if all(said == OK for said in checks.values()) else "degraded"), checks


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        logger.exception("database_unready")
        return "unreachable"
    return OK


def _migrations() -> str:
    """Asked until all are applied; then it stays so for this process's life."""
    global _migrated  # noqa: PLW0603
    if _migrated:
        return OK
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "unknown"
    _migrated = not missing
    return OK if _migrated else f"{len(missing)} not applied"


def _redis() -> str:
    try:
        client: Any = get_redis_connection("default")
        client.ping()
    except (RedisError, ConnectionInterrupted, OSError) as error:
        logger.warning("redis_unready", error=type(error).__name__)
        return "unreachable"
    return OK


_CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "redis": _redis,
}
