"""Virtual time: moved, never back, stopping at each due moment, and kept through a restart."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import stripe

from sandbox.stripe import DEFAULT_KEY
from sandbox.stripe.clock import Clock, MemoryShift
from sandbox.stripe.tests.conftest import World

ROOT = Path(__file__).resolve().parents[3]


def test_moving_to_a_second_lands_on_it():
    clock = Clock(MemoryShift())
    target = clock.now() + 1_000_000
    clock.move_to(target)
    assert target <= clock.now() <= target + 1
    clock.move_to(target - 500)
    assert clock.now() >= target


def test_the_shift_outlives_the_clock():
    store = MemoryShift()
    target = Clock(store).now() + 86_400
    Clock(store).move_to(target)
    assert Clock(store).now() >= target


def test_controls_move_and_show(world: World):
    shown = world.control("clock")
    assert shown["next_due_at"] is None
    before = datetime.fromisoformat(shown["now"])
    moved = datetime.fromisoformat(world.control("clock", {"advance_s": 3600})["now"])
    assert timedelta(seconds=3600) <= moved - before < timedelta(seconds=3660)
    target = moved + timedelta(days=3)
    assert datetime.fromisoformat(world.control("clock", {"to": target.isoformat()})["now"]) >= target


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"advance_s": -1},
        {"to": "2001-01-01T00:00:00Z"},
        {"to": "2090-01-01"},
        {"to": "soon"},
        {"x": 1},
        {"next": False},
    ],
)
def test_what_is_no_move_is_refused(world: World, body: dict):
    before = world.now
    answer = requests.post(f"{world.url}/_sandbox/clock", json=body, timeout=10)
    assert answer.status_code == 400
    assert world.now - before < 5


def test_next_goes_to_the_next_due_moment(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    end = sub["items"].data[0].current_period_end
    assert fresh.control("clock")["next_due_at"] == datetime.fromtimestamp(end, UTC).isoformat().replace(
        "+00:00", "Z"
    )
    fresh.control("clock", {"next": True})
    assert end <= fresh.now <= end + 5
    assert len(fresh.invoices(sub.customer)) == 2


def test_each_moment_sees_its_own_time(fresh: World):
    """One long move does the same as many short ones: everything happened when it was due."""
    first = fresh.subscribe(fresh.price("Basic", 500))
    fresh.advance(days=3)
    second = fresh.subscribe(fresh.price("Weekly", 100, "week"))
    fresh.advance(days=100)
    events = fresh.events("invoice.paid")
    assert [event.created for event in events] == sorted(event.created for event in events)
    for sub in (first, second):
        for invoice in fresh.invoices(sub.customer)[1:]:
            assert invoice.created == invoice.status_transitions.paid_at == invoice.lines.data[0].period.start


def test_what_real_time_makes_due_is_done_without_a_move(fresh: World):
    sub = fresh.subscribe(fresh.price("Basic", 500))
    end = sub["items"].data[0].current_period_end
    fresh.stand_in.core.clock.move_to(end)  # time alone, as if it had passed
    assert fresh.v1.subscriptions.retrieve(sub.id)["items"].data[0].current_period_start == end


# As a process --------------------------------------------------------------------------------------------------------


class Process:
    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "sandbox.stripe", *options]
        self.child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.child.stdout is not None
        word, self.url = self.child.stdout.readline().split()
        assert word == "ready"
        self.v1 = stripe.StripeClient(DEFAULT_KEY, base_addresses={"api": self.url}, max_network_retries=0).v1

    def end(self, number: int = signal.SIGTERM) -> int:
        self.child.send_signal(number)
        code = self.child.wait(20)
        assert self.child.stdout is not None
        self.child.stdout.close()
        return code


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "stripe.sqlite3"


def test_it_goes_on_after_kill_9(state: Path):
    first = Process("--state", str(state), "--seed", "s")
    first.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["*"]})
    customer = first.v1.customers.create({"email": "a@palier.test"}, {"idempotency_key": "k1"})
    before = requests.get(f"{first.url}/_sandbox/state", timeout=10).json()
    first.end(signal.SIGKILL)
    second = Process("--state", str(state), "--seed", "s")
    try:
        assert requests.get(f"{second.url}/_sandbox/state", timeout=10).json() == before
        again = second.v1.customers.create({"email": "a@palier.test"}, {"idempotency_key": "k1"})
        assert again.id == customer.id
        assert second.v1.customers.create({"email": "b@palier.test"}).id != customer.id
        idle = requests.get(f"{second.url}/_sandbox/idle", timeout=10).json()
        assert idle["pending"] + idle["retrying"] == 2
    finally:
        assert second.end() == 0


def test_a_seed_makes_the_same_ids(tmp_path: Path):
    ids = []
    for _ in range(2):
        process = Process("--seed", "s")
        ids.append(process.v1.customers.create({"email": "a@palier.test"}).id)
        process.end()
    assert ids[0] == ids[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(number: int):
    assert Process().end(number) == 0


def test_a_live_key_is_refused():
    command = [sys.executable, "-m", "sandbox.stripe", "--secret-key", "sk_live_x"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "test keys only" in ended.stderr


def test_django_is_not_loaded():
    code = (
        "import sys, sandbox.stripe; print([name for name in sys.modules if name.split('.')[0] == 'django'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


# With the application's database -------------------------------------------------------------------------------------


@pytest.fixture
def clock_dsn() -> Iterator[str]:
    """A table of the migrations' shape in a schema of its own. Needs PostgreSQL: skipped where there is none."""
    import psycopg

    dsn = os.environ.get("DATABASE_URL", "")
    schema = f"stripe_clock_{os.getpid()}"
    try:
        connection = psycopg.connect(dsn, autocommit=True, connect_timeout=2)
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL at DATABASE_URL")
    with connection:
        connection.execute(f"create schema {schema}")
        try:
            yield f"{dsn}{'&' if '?' in dsn else '?'}options=-csearch_path%3D{schema}"
        finally:
            connection.execute(f"drop schema {schema} cascade")
    connection.close()


def test_the_clock_is_the_databases(clock_dsn: str):
    import psycopg

    from sandbox.stripe.clock import PostgresShift

    assert PostgresShift(clock_dsn).read() == 0  # no table yet
    with psycopg.connect(clock_dsn, autocommit=True) as connection:
        connection.execute(
            "create table common_sandbox_clock (id smallint primary key check (id = 1), shift interval not null)"
        )
        assert PostgresShift(clock_dsn).read() == 0  # no row yet
        target = int(time.time()) + 70 * 86_400
        Clock(PostgresShift(clock_dsn)).move_to(target)
        row = connection.execute(
            "select extract(epoch from clock_timestamp() + shift) from common_sandbox_clock"
        ).fetchone()
        assert row is not None
        assert abs(float(row[0]) - target) < 5
        assert Clock(PostgresShift(clock_dsn)).now() >= target
    connection.close()
