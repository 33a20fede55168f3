"""`python -m bench.usage_page`: the page of use over millions of records of one account, and their CSV.

What is timed is the server's work for one request, from the request object to the last byte of the page: middleware,
queries, charts, templates. No network, no browser. The records lie in the 400 days before now, by 20 keys.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from typing import TYPE_CHECKING, Any

from bench.stage import open_stage

if TYPE_CHECKING:
    from django.test import Client

RECORDS, QUICK_RECORDS, FILE_ROWS = 5_000_000, 100_000, 1_000_000
KEYS, DAYS, METRIC = 20, 400, "messages"
MEDIAN_MS = 150
VIEWS = {
    "30 days": "",
    "400 days": "?granularity=day&from={first}",
    "14 days by hour": "?granularity=hour&from={fortnight}",
    "12 months": "?granularity=month",
    "one key": "?credential={key}",
}
INSERT = """
INSERT INTO quotas_usagerecord (id, account_id, metric_id, credential_id, kind, units, key, occurred_at, recorded_at)
SELECT b.base + n, %(account)s, m.id, %(first_key)s + n %% %(keys)s, 'consume', 1 + n %% 3, gen_random_uuid(),
  palier_now() - interval '26 hours' - (n %% %(span)s) * interval '1 second',
  palier_now() - interval '25 hours'
FROM generate_series(0, %(count)s - 1) AS n, quotas_metric m,
  (SELECT (SELECT max(nextval('quotas_record_block')) FROM generate_series(0, (%(count)s - 1) / 1024)) * 1024
     - (%(count)s - 1) / 1024 * 1024 AS base) AS b
WHERE m.code = %(metric)s
"""


def records_write(*, account_id: int, count: int, first_key: int, keys: int, days: int) -> None:
    """`count` operations of an account spread over the days until yesterday, and the days' figures that follow."""
    from django.db import connection

    from quotas.repair import counters_rebuild

    with connection.cursor() as cursor:
        cursor.execute(
            INSERT,
            {
                "account": account_id,
                "count": count,
                "first_key": first_key,
                "keys": keys,
                "span": (days - 2) * 86_400,
                "metric": METRIC,
            },
        )
    counters_rebuild(account_id=account_id)


def main() -> int:
    """Exit code 1 when a median is over the limit."""
    parser = argparse.ArgumentParser(prog="python -m bench.usage_page", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_RECORDS:,} records instead of {RECORDS:,}"
    )
    parser.add_argument("--requests", type=int, default=60, help="of each view")
    options = parser.parse_args()
    count = QUICK_RECORDS if options.quick else RECORDS
    os.environ["STATIC_MANIFEST"] = "0"  # names of files without their hashes: nothing was collected here
    with open_stage():
        started = time.monotonic()
        client, key, total = _furnish(count)
        print(f"{count:,} records of one account in {time.monotonic() - started:.0f} s", flush=True)
        results = [_measure(client, name, query, key, options.requests) for name, query in VIEWS.items()]
        results.append(_measure_file(client, min(count, FILE_ROWS)))
        assert _shown_total(client) == total, "the page shows what the records sum to"
    for result in results:
        print(json.dumps(result))
    return int(any(result["median_ms"] > MEDIAN_MS for result in results if "median_ms" in result))


def _furnish(count: int) -> tuple[Client, str, int]:
    """An organisation with keys, limits and records; its owner's browser, a key, and the units of twelve months."""
    from django.db import connection
    from django.db.models import Sum
    from django.test import Client

    from accounts.models import User
    from accounts.selectors import account_of_user
    from accounts.services import organisation_register
    from common.clock import database_now
    from enterprise.enums import Scope
    from enterprise.services import credential_create
    from quotas.models import UsageRecord
    from quotas.services import LimitSpec, MetricSpec, Phase, entitlements_replace, metrics_sync

    now = database_now()
    metrics_sync([MetricSpec(METRIC, "Messages", "Messages")])
    organisation_register(
        email="bench@palier.test",
        password="bench-bench-1",
        display_name="B",
        organisation="Bench",
        language="en",
        now=now,
    )
    user = User.objects.get(email="bench@palier.test")
    account = account_of_user(user)
    made = [
        credential_create(
            account=account, name=f"Key {n}", scopes=Scope.values, actor=user, now=now
        ).credential
        for n in range(KEYS)
    ]
    limits = (LimitSpec(METRIC, "day", 1_000_000), LimitSpec(METRIC, "month", 50_000_000))
    phase = Phase(now, None, limits, ())
    entitlements_replace(
        account_id=account.pk, source="default", source_ref="bench", timeline=[phase], now=now, reason="bench"
    )
    first_key = min(one.pk for one in made)
    records_write(account_id=account.pk, count=count, first_key=first_key, keys=KEYS, days=DAYS)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE quotas_usagerecord, quotas_usageday, quotas_bucket")
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user)
    year = _first_of_year(now)
    units = UsageRecord.objects.filter(account_id=account.pk, occurred_at__gte=year).aggregate(n=Sum("units"))
    return client, str(made[0].public_id), units["n"]


def _first_of_year(now: Any) -> Any:
    from common.periods import add_months

    return add_months(now.replace(day=1, hour=0, minute=0, second=0, microsecond=0), -11)


def _measure(client: Client, name: str, query: str, key: str, requests: int) -> dict[str, Any]:
    from datetime import timedelta

    from common.clock import database_now

    today = database_now().date()
    query = query.format(
        first=today - timedelta(days=DAYS - 1), fortnight=today - timedelta(days=13), key=key
    )
    times, work = [], []
    for _ in range(requests + 3):
        started, worked = time.perf_counter(), time.process_time()
        answer = client.get(f"/account/usage/{query}")
        times.append((time.perf_counter() - started) * 1000)
        work.append((time.process_time() - worked) * 1000)
        assert answer.status_code == 200, answer.status_code
    times = sorted(times[3:])
    return {
        "view": name,
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(len(times) * 0.95)], 1),
        "python_ms": round(statistics.median(work[3:]), 1),
        "kib": len(answer.content) // 1024,
        "load": round(os.getloadavg()[0], 1),
    }


def _shown_total(client: Client) -> int:
    from django.utils.html import strip_tags

    html = client.get("/account/usage/?granularity=month").content.decode()
    said = strip_tags(html.split('id="usage-said"')[1].split("</p>")[0])
    return int(said.rsplit(": ", 1)[1].rstrip(".").replace(",", ""))


def _measure_file(client: Client, rows: int) -> dict[str, Any]:
    """Reads the CSV as it comes; the most that the process grew meanwhile."""
    from datetime import timedelta

    from common.clock import database_now

    first = database_now().date() - timedelta(days=DAYS - 1)
    before, most, read = resident_bytes(), 0, -1
    started = time.perf_counter()
    answer: Any = client.get(f"/account/usage/operations.csv?from={first}")
    for chunk in answer.streaming_content:
        if read < 0:
            first_ms = (time.perf_counter() - started) * 1000
        read += chunk.count(b"\n")
        most = max(most, resident_bytes() - before)
        if read >= rows:
            break
    answer.close()
    return {
        "file_rows": read,
        "first_byte_ms": round(first_ms),
        "seconds": round(time.perf_counter() - started, 1),
        "grew_mib": round(most / 2**20, 1),
    }


def resident_bytes() -> int:
    """The memory this process has in use now."""
    import resource
    from pathlib import Path

    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    raise SystemExit(main())
