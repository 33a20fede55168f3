"""`python -m bench.quota_reads`: what reading an account's quota costs, and what a cache in Redis could save of it.

Timed in one process, in turns: the read from PostgreSQL as it is; the same bounds from Redis (a hit: get, decode, build), as a
cache-aside would; the deletion that each write of use would owe such a cache; and the whole request
`GET /v1/billing/quota`, from the request object to the last byte. Docs: docs/adr/0005-quota-status-from-postgresql.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from bench.stage import open_stage

ACCOUNTS = 2000
# What a cache of limits alone would still have to ask, to be exact: which version of the rights holds, and the counters.
COUNTERS = """
SELECT palier_now(), v.version, b.metric_id, b."window", b.starts_at, b.entitlement_id, b.used_units, b.reserved_units
FROM quotas_rightsversion v LEFT JOIN quotas_bucket b ON b.account_id = v.account_id
  AND (b.ends_at IS NULL OR b.ends_at > palier_now())
WHERE v.account_id = %(account_id)s
"""
WARM = 50


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.quota_reads", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    options = parser.parse_args()
    os.environ["STATIC_MANIFEST"] = "0"
    with open_stage():
        account_id, client = _furnish()
        sides = _sides(account_id, client)
        times: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(options.rounds + WARM):
            for name, work in sides.items():
                started = time.perf_counter()
                work()
                if turn >= WARM:
                    times[name].append((time.perf_counter() - started) * 1e6)
    for name, taken in times.items():
        taken.sort()
        print(
            json.dumps(
                {
                    "what": name,
                    "median_us": round(statistics.median(taken)),
                    "p95_us": round(taken[int(len(taken) * 0.95)]),
                }
            )
        )
    return 0


def _furnish() -> tuple[int, Any]:
    """Many accounts with two limits and a counter each; one of them asks, as a person with a token."""
    from rest_framework.test import APIClient

    from accounts.models import User
    from accounts.services import account_create_personal
    from accounts.tokens import issue
    from common.clock import database_now
    from quotas.services import (
        LimitSpec,
        MetricSpec,
        Phase,
        entitlements_replace,
        metrics_sync,
        usage_consume,
    )

    now = database_now()
    metrics_sync([MetricSpec("messages", "Messages", "Messages")])
    limits = (LimitSpec("messages", "day", 1000), LimitSpec("messages", "month", 20_000))
    for number in range(ACCOUNTS):
        user = User.objects.create(email=f"bench-{number}@palier.test", password="!")
        account = account_create_personal(user=user, now=now)
        entitlements_replace(
            account_id=account.pk,
            source="default",
            source_ref="bench",
            timeline=[Phase(now, None, limits, ())],
            now=now,
        )
        usage_consume(account_id=account.pk, metric="messages")
    client = APIClient(SERVER_NAME="127.0.0.1")
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue(user).access}")
    return account.pk, client


def _sides(account_id: int, client: Any) -> dict[str, Callable[[], object]]:
    from django.db import connection
    from django_redis import get_redis_connection

    from common.database import prepared
    from quotas.selectors import STATUS, quota_status
    from quotas.values import Bound

    redis: Any = get_redis_connection("default")
    key = f"quota-status:{account_id}"
    instants = ("starts_at", "reset_at", "until")
    redis.set(key, json.dumps([asdict(one) for one in quota_status(account_id=account_id)], default=str))

    def bound_of(row: dict[str, Any]) -> Bound:
        values: dict[str, Any] = row | {
            name: datetime.fromisoformat(row[name]) for name in instants if row[name]
        }
        return Bound(**values)

    def from_redis() -> list[Bound]:
        rows: list[dict[str, Any]] = json.loads(redis.get(key))
        return [bound_of(row) for row in rows]

    def planned_anew() -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(STATUS, {"account_id": account_id, "metric": None})
            return cursor.fetchall()

    def counters_alone() -> list[tuple[Any, ...]]:
        redis.get(key)
        return prepared(COUNTERS, {"account_id": account_id})

    def request() -> None:
        answer = client.get("/v1/billing/quota")
        assert answer.status_code == 200, answer.content

    assert from_redis() == quota_status(account_id=account_id), "the same bounds by either way"
    return {
        "from PostgreSQL, planned at each read": planned_anew,
        "limits from Redis, counters and the rights' version from PostgreSQL": counters_alone,
        "from PostgreSQL": lambda: quota_status(account_id=account_id),
        "from Redis, a hit": from_redis,
        "a deletion in Redis": lambda: redis.delete("quota-status:of-nobody"),
        "the whole request": request,
    }


if __name__ == "__main__":
    raise SystemExit(main())
