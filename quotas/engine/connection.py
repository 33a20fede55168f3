"""The engine's own connection to PostgreSQL: one a process, apart from the request's transaction.

A metering decision is committed when it is returned, whatever becomes of the caller's own transaction later.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from django.db import connections
from psycopg.conninfo import make_conninfo

# One plan for all parameters, and no compilation: the statements' fixed cost is what decides the speed. The plan is
# made once and kept, perhaps while tables are still small; so only plans that stay right when they grow are allowed.
# A lock that is not had, or a statement that does not end, frees the callers with an error instead of holding them.
SESSION = (
    "-c plan_cache_mode=force_generic_plan -c jit=off -c enable_seqscan=off -c enable_hashjoin=off "
    "-c enable_mergejoin=off -c statement_timeout=10s -c lock_timeout=3s "
    "-c idle_in_transaction_session_timeout=30s -c TimeZone=UTC"
)


def connect() -> psycopg.Connection[tuple[Any, ...]]:
    """A new autocommit connection to Django's default database."""
    parameters = connections["default"].get_connection_params()
    for name in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    options = f"{parameters.pop('options', '')} {SESSION}".strip()
    parameters |= {"options": options, "application_name": "palier-meter", "connect_timeout": 5}
    return psycopg.connect(make_conninfo(**parameters), autocommit=True, prepare_threshold=0)


def array(values: Any) -> str:
    """An array literal of numbers or UUIDs (None is NULL), so that the parameter's type never varies."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def texts(values: Iterable[str]) -> str:
    """An array literal of texts. psycopg's own, made for lists of anything, took a seventh of a caller's time."""
    return (
        "{"
        + ",".join(['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values])
        + "}"
    )
