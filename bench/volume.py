"""`python -m bench.volume`: what operators and support wait for over a million operations: the books, a backtest, what is
unlike usual, searches, the operations page, forgetting.

Timed in one process on a database of its own, as bench/volume_data.py makes it. The exit code says whether the books are
right, were read in a minute, and no search read a large table from one end to the other. Figures: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from bench.stage import open_stage

ACCOUNTS, RECORDS, EVENTS, QUICK = 50_000, 1_000_000, 1_000_000, 20
BOOKS_S = 60
LARGE = 100_000
QUOTED = {
    "e-mail": "person-4711@volume.test",
    "name": "Person 4711",
    "account number": "{account}",
    "Stripe customer": "cus_v4711",
    "Stripe subscription": "sub_v4711",
    "Stripe invoice": "in_v4711",
    "charge": "ch_v4711",
    "payment intent": "pi_v4711",
    "invoice number": "VOL-4711",
    "card": "4711",
    "event": "evt_4711",
    "API key": "plr_test_abc",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.volume", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"a {QUICK}th of everything")
    options = parser.parse_args()
    share = QUICK if options.quick else 1
    os.environ["STATIC_MANIFEST"] = "0"
    with open_stage():
        from bench.volume_data import furnish

        started = time.monotonic()
        volume = furnish(accounts=ACCOUNTS // share, records=RECORDS // share, events=EVENTS // share)
        _tell("furnished", time.monotonic() - started, size=_size(), **vars(volume))
        fine = [_books(), _searches(volume.first_account, LARGE // share)]
        _backtest()
        _unlike_usual()
        _pages(volume.first_account)
        _months_and_keys()
    return 0 if all(fine) else 1


def _tell(what: str, seconds: float, **more: Any) -> None:
    print(json.dumps({"what": what, "seconds": round(seconds, 3), **more}, default=str), flush=True)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    done = work()
    return done, time.perf_counter() - started


def _books() -> bool:
    """Each invariant by itself, then all as `verify_books` does."""
    from common import books

    for name in books.names():
        found, seconds = _timed(partial(books.findings, [name]))
        if seconds > 0.5 or found:
            _tell(f"  {name}", seconds, findings=[str(one) for one in found[:3]])
    found, seconds = _timed(books.findings)
    _tell("verify_books", seconds, findings=len(found), peak_mib=_peak_mib())
    return not found and seconds < BOOKS_S


def _searches(account: int, large: int) -> bool:
    """As a superuser types them; every statement's plan is looked at."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from accounts.admin.account import found_by
    from accounts.models import User

    staff = User(is_active=True, is_superuser=True)
    looked: dict[str, Callable[[], object]] = {
        name: partial(found_by, staff, text.format(account=account)) for name, text in QUOTED.items()
    }
    for prefix in ("pay", "change", "audit", "refused"):
        looked[f"request id {prefix}-4711"] = partial(_of_request, f"{prefix}-4711")
    fine = True
    for name, look in looked.items():
        with CaptureQueriesContext(connection) as queries:
            _, seconds = _timed(look)
        statements = [one["sql"] for one in queries.captured_queries if one["sql"].startswith("SELECT")]
        read_through = sorted({table for one in statements for table in _read_through(one, large)})
        _tell(f"search: {name}", seconds, read_through=read_through)
        fine = fine and not read_through
    return fine


def _of_request(request_id: str) -> list[object]:
    from accounts.admin import story

    return [found for one in story.sources.values() if one.of_request for found in one.of_request(request_id)]


def _read_through(statement: str, large: int) -> Iterator[str]:
    """Tables with more rows than that which the statement would read from one end to the other."""
    from django.db import connection

    if "set_config" in statement or "current_setting" in statement:
        return
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
        plan = cursor.fetchone()[0]
        nodes = [(plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]]
        while nodes:
            node = nodes.pop()
            nodes += node.get("Plans", [])
            if node["Node Type"] == "Seq Scan":
                cursor.execute(
                    "SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [node["Relation Name"]]
                )
                if cursor.fetchone()[0] >= large:
                    yield node["Relation Name"]


def _backtest() -> None:
    """The catalogue with every limit of messages halved, over the last 30 days."""
    from django.conf import settings
    from django.core.management import call_command

    from common.clock import now

    out = StringIO()
    since, until = (f"{now() - timedelta(days=ago):%Y-%m-%d}" for ago in (30, 1))
    _, seconds = _timed(
        lambda: call_command(
            "backtest",
            str(Path(settings.CATALOG_FILE)),
            "--since",
            since,
            "--until",
            until,
            "--json",
            stdout=out,
        )
    )
    _tell(
        "backtest of 30 days", seconds, peak_mib=_peak_mib(), told=json.loads(out.getvalue().splitlines()[-1])
    )


def _looked(kind: str) -> list[object]:
    from common import anomalies
    from common.clock import now

    return list(anomalies._finders[kind](now()))


def _unlike_usual() -> None:
    from common import anomalies

    for kind in anomalies.kinds():
        found, seconds = _timed(partial(_looked, kind))
        _tell(f"unlike usual: {kind}", seconds, found=len(found))


def _pages(account: int) -> None:
    """The page of an account, and each board of the operations page."""
    from django.test import Client

    from accounts.admin import boards
    from accounts.models import User
    from bench.volume_data import STAFF
    from common.clock import now

    root = User.objects.get(email=STAFF)
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(root)
    for name, path in (
        ("page of an account", f"/admin/accounts/account/{account}/change/"),
        ("operations page", "/admin/accounts/account/operations/"),
    ):
        for _ in range(2):  # the second one is warm
            answer, seconds = _timed(partial(client.get, path))
        assert answer.status_code == 200, answer.content
        _tell(name, seconds)
    for one in boards.boards.values():
        _, seconds = _timed(partial(one.show, now()))
        if seconds > 0.2:
            _tell(f"  board {one.name}", seconds)


def _months_and_keys() -> None:
    from django.conf import settings

    from common.clock import now
    from quotas.partitions import months_detach, partitions_ensure
    from quotas.retention import operation_keys_forget

    settings.OPERATIONS_RETENTION = timedelta(days=30)
    forgotten, seconds = _timed(lambda: operation_keys_forget(now=now()))
    _tell("forget keys older than 30 days", seconds, rows=forgotten)
    _tell("make partitions ahead", _timed(partitions_ensure)[1])
    before = now().date().replace(day=1) - timedelta(days=1)
    gone, seconds = _timed(lambda: months_detach(before=before.replace(day=1), actor="operator", now=now()))
    _tell("detach months", seconds, tables={one.table_name: one.record_count for one in gone})
    _books()


def _size() -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
        return str(cursor.fetchone()[0])


def _peak_mib() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    sys.exit(main())
