"""The embedded services on real processes: what an unlucky day does to a demo."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from sandbox.environment import ROOT, child_environment
from sandbox.services import Postgres, Redis, ServiceError
from sandbox.services.unprivileged import others_can_reach, reachable_directory, remove_tree

OWNER = """
import sys, time
from pathlib import Path
from sandbox.services import Postgres, Redis
place = Path(sys.argv[1])
services = [Postgres(place / "postgres", durable=False), Redis(place / "redis")]
for service in services:
    service.start()
print(*(service.process.pid for service in services), flush=True)
time.sleep(600)
"""


@pytest.fixture
def place(tmp_path):
    """A directory that another user may pass through; pytest's own are private."""
    for part in (tmp_path, *tmp_path.parents[:3]):
        if part.stat().st_uid == os.geteuid() and part != Path("/"):
            part.chmod(part.stat().st_mode | 0o011)
    return tmp_path


@pytest.fixture
def postgres(place):
    server = Postgres(place / "postgres", durable=False)
    server.start()
    yield server
    server.kill()


def write_and_count(server):
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (at timestamptz)")
        connection.execute("INSERT INTO kept VALUES (now())")
        return connection.execute("SELECT count(*) FROM kept").fetchone()[0]


def gone(pid):
    """Ended; a process nobody has waited for yet counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(condition, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not within the time given"
        time.sleep(0.02)


def test_a_database_is_utf8_sorted_the_same_everywhere_and_on_loopback_only(postgres):
    with psycopg.connect(postgres.url()) as connection:
        shown = dict(
            connection.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
                [["server_encoding", "listen_addresses", "TimeZone", "synchronous_commit"]],
            ).fetchall()
        )
        shown["version"] = connection.info.server_version // 10_000
        provider = connection.execute(
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'palier'"
        ).fetchone()
    assert shown == {
        "server_encoding": "UTF8",
        "listen_addresses": "127.0.0.1",
        "TimeZone": "UTC",
        "synchronous_commit": "on",
        "version": 18,
    }
    assert provider == ("b", "C.UTF-8")


def test_a_demo_database_waits_for_the_disk(place):
    server = Postgres(place / "durable")
    assert {name: server._settings[name] for name in ("fsync", "synchronous_commit", "full_page_writes")} == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
    }


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_second_start_has_the_data(postgres, end):
    assert write_and_count(postgres) == 1
    getattr(postgres, end)()
    postgres.start()
    assert write_and_count(postgres) == 2


def test_a_pid_file_whose_number_belongs_to_somebody_else_is_no_obstacle(postgres, place):
    postgres.stop()
    (postgres._data / "postmaster.pid").write_text(f"{os.getpid()}\n{postgres._data}\n")
    postgres.start()
    assert write_and_count(postgres) == 1


def test_a_master_killed_alone_is_no_obstacle(postgres):
    os.kill(postgres.process.pid, signal.SIGKILL)
    postgres.process.wait()
    postgres.start()
    assert write_and_count(postgres) == 1


def test_two_servers_on_one_directory_are_refused_and_the_first_goes_on(postgres, place, monkeypatch):
    monkeypatch.setattr("sandbox.services.postgres.SETTLE_TIMEOUT_S", 0.2)
    with pytest.raises(ServiceError, match="already runs"):
        Postgres(place / "postgres", durable=False).start()
    assert write_and_count(postgres) == 1


@pytest.mark.parametrize("service", [Postgres, Redis])
def test_a_port_in_use_is_named(place, service, monkeypatch):
    monkeypatch.setattr("sandbox.services.process.PORT_PATIENCE_S", 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = service(place / "service", port=port)
        with pytest.raises(ServiceError, match=f"Port {port}, meant for {service.name}, is in use"):
            server.start()
    assert server.process is None


def test_what_does_not_start_shows_the_end_of_its_log(place):
    server = Postgres(place / "postgres", durable=False, settings={"shared_buffers": "nonsense"})
    with pytest.raises(ServiceError, match='invalid value for parameter "shared_buffers"'):
        server.start()


def test_redis_answers_and_forgets(place):
    redis = Redis(place / "redis")
    redis.start()
    redis.kill()
    redis.start()
    try:
        assert redis._answers()
        assert [path.name for path in (place / "redis").iterdir()] == ["redis.log"]
    finally:
        redis.stop()
    assert not redis._answers()


def test_services_end_with_an_owner_that_was_killed(place):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, place],
        cwd=ROOT,
        env=child_environment({}),
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(pids) == 2
        owner.kill()
    wait_until(lambda: all(gone(pid) for pid in pids))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to drop to another user")
def test_a_checkout_that_others_cannot_enter_still_gets_its_database(place):
    hidden = place / "hidden"
    hidden.mkdir(mode=0o700)
    wanted = hidden / "postgres"
    server = Postgres(wanted, durable=False)
    try:
        server.start()
        assert write_and_count(server) == 1
        assert wanted.is_symlink()
        target = wanted.resolve()
        assert others_can_reach(target)
    finally:
        server.kill()
        remove_tree(wanted)
    assert not target.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to drop to another user")
def test_a_place_prepared_by_somebody_else_is_refused(place):
    hidden = place / "hidden"
    hidden.mkdir(mode=0o700)
    wanted = hidden / "postgres"
    trap = reachable_directory(wanted, (65534, 65534))
    wanted.unlink()
    os.chown(trap, 65534, 65534)
    try:
        with pytest.raises(ServiceError, match="belongs to somebody else"):
            reachable_directory(wanted, (65534, 65534))
    finally:
        trap.rmdir()


def test_postgresql_logs_neither_statements_nor_the_rows_they_failed_on(postgres):
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE person (email text PRIMARY KEY)")
        for _ in range(2):
            with contextlib.suppress(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO person VALUES ('ada@example.test')")
        with contextlib.suppress(psycopg.errors.InvalidTextRepresentation):
            connection.execute("SELECT %s::text::int, email FROM person", ["grace@example.test"])
    log = postgres.log.read_text()
    assert "person_pkey" in log
    assert "ada@example.test" not in log
    assert "INSERT INTO" not in log
    assert "SELECT" not in log
