"""The books of a measurement: a fast figure that does not add up is no figure."""

from __future__ import annotations

import psycopg


class BooksError(AssertionError):
    """Counters, records, rollups and answers differ."""


def require(database_url: str, *, accounts: tuple[int, int], allowed: int) -> dict[str, int]:
    """used = records = daily rollup = the calls that were told "allowed", over these accounts; all four figures."""
    query = (
        "SELECT"
        " (SELECT coalesce(sum(used_units), 0) FROM quotas_bucket WHERE account_id BETWEEN %(first)s AND %(last)s),"
        " (SELECT coalesce(sum(reserved_units), 0) FROM quotas_bucket"
        "   WHERE account_id BETWEEN %(first)s AND %(last)s),"
        " (SELECT coalesce(sum(units), 0) FROM quotas_usagerecord WHERE account_id BETWEEN %(first)s AND %(last)s),"
        " (SELECT count(*) FROM quotas_usagerecord WHERE account_id BETWEEN %(first)s AND %(last)s),"
        " (SELECT coalesce(sum(units), 0) FROM quotas_usageday WHERE account_id BETWEEN %(first)s AND %(last)s)"
    )
    with psycopg.connect(database_url) as connection:
        row = connection.execute(query, {"first": accounts[0], "last": accounts[1]}).fetchone()
    names = ("used", "reserved", "recorded_units", "records", "rolled_up")
    figures = dict(zip(names, (int(value) for value in row or ()), strict=True))
    expected = {
        "used": allowed,
        "reserved": 0,
        "recorded_units": allowed,
        "records": allowed,
        "rolled_up": allowed,
    }
    if figures != expected:
        raise BooksError(f"{allowed} calls were allowed, and the database has {figures}")
    return {"allowed": allowed, **figures}
