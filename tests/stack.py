"""A whole running Palier for journeys, races and crashes: web, worker, beat, the Stripe stand-in, a database and a
Redis of its own, seeded with the catalogue and the demo people.

Seeding is done once for a run of tests; each stack then starts from copies, in about three seconds:

    with Stack() as stack:
        answer = stack.caller("free").post("/v1/chat/messages", {"text": "Where is the Moon?"})
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import redis
import requests

from sandbox import databases, stripe_endpoint
from sandbox.environment import ROOT, application_environment, child_environment, make_secrets
from sandbox.programs import Programs
from sandbox.services import Redis, free_port
from sandbox.supervisor import Program
from tests.callers import Caller

PASSWORD = "palier-demo"
COMMAND_TIMEOUT_S = 180
SNAPSHOT_FILES = ("stripe.sqlite", "api_keys.json", "secrets.json")
# What is used counts for its day (UTC). A stack begun shortly before a day's end lives an hour later than we do, so that
# the day does not end in the middle of a test.
PAST_MIDNIGHT = """
INSERT INTO common_sandbox_clock (id, shift) SELECT 1, interval '1 hour'
WHERE (palier_now() AT TIME ZONE 'UTC')::time >= '23:15'
ON CONFLICT (id) DO UPDATE SET shift = common_sandbox_clock.shift + excluded.shift
"""


@dataclass(frozen=True)
class Snapshot:
    """What seeding left: a database to clone, and files to copy."""

    database: str
    directory: Path


class Stack:
    """Start with `with`; everything it started ends with it. When the block ends well, the books are verified: by the
    command, or by `read_books`, which says of a database what is wrong and has not to be started first.
    """

    def __init__(
        self,
        *,
        server_url: str | None = None,
        snapshot: Snapshot | None = None,
        workers: int = 1,
        threads: int = 16,
        worker: bool = True,
        beat: bool = False,
        environment: Mapping[str, str] | None = None,
        read_books: Callable[[str], list[str]] | None = None,
        real_time: bool = False,
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="palier-stack-"))
        self._server_url = server_url or os.environ["DATABASE_URL"]
        self._snapshot = snapshot
        self._extra = dict(environment or {})
        self._read_books = read_books
        self._real_time = real_time or snapshot is None  # what all start from is of no other time than theirs
        self._wanted = {"web": True, "worker": worker, "beat": beat}
        self._web = {"workers": workers, "threads": threads}
        self._cleanup = ExitStack()
        self.programs: dict[str, Program] = {}
        self.secrets = make_secrets()
        self.web_port, self.sandbox_port = free_port(), free_port()
        self.base_url = f"http://127.0.0.1:{self.web_port}"
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        self.redis = Redis(self.directory / "redis")
        self.database_url = ""
        self.environment: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._cleanup:
            if kind is None:
                self.verify_books()

    def verify_books(self) -> None:
        """AssertionError when they do not add up."""
        if self._read_books is None:
            self.manage("verify_books")
        else:
            wrong = self._read_books(self.database_url)
            assert not wrong, "The books do not add up:\n" + "\n".join(wrong)

    # Programs -------------------------------------------------------------------------------------------------

    def web_pids(self) -> list[int]:
        """The web server's worker processes, those that answer requests."""
        master = self.programs["web"].process
        assert master is not None
        children = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"multiprocessing" not in _command_line(pid)]

    def kill(self, name: str) -> None:
        """SIGKILL to a program ("web", "worker", "beat", "stripe") and all it started, or to "redis"."""
        self._service(name).kill()

    def restart(self, name: str) -> None:
        """End it if it runs, and start it again on the same port; returns when it is ready."""
        service = self._service(name)
        service.stop()
        service.start()

    def _service(self, name: str) -> Program | Redis:
        return self.redis if name == "redis" else self.programs[name]

    # Use ------------------------------------------------------------------------------------------------------

    def manage(self, *arguments: str, check: bool = True, stdin: str | None = None) -> str:
        """Run a management command against this stack; its standard output. AssertionError when it fails."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=child_environment(self.environment),
            capture_output=True,
            text=True,
            input=stdin,
            check=False,
            timeout=COMMAND_TIMEOUT_S,
        )
        said = f"{done.stdout}\n{done.stderr}"[-4000:]
        assert not check or done.returncode == 0, f"manage.py {' '.join(arguments)} failed: … {said}"
        return done.stdout

    def caller(self, name: str | None = None) -> Caller:
        """Somebody who calls the API: a demo person by token, an organisation by its key, or, with None, nobody."""
        if name is None:
            return Caller(self.base_url, {})
        keys = self.api_keys()
        if name in keys:
            return Caller(self.base_url, {"Authorization": f"Bearer {keys[name]}"})
        return Caller.signed_in(self.base_url, f"{name}@palier.test", PASSWORD)

    def api_keys(self) -> dict[str, str]:
        """The organisations' API keys by name."""
        file = self.directory / "api_keys.json"
        keys: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        return keys

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query on this stack's database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def flush_redis(self) -> None:
        """Forget everything that Redis holds."""
        with redis.Redis.from_url(self.redis.url()) as client:
            client.flushall()

    def stripe(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The stand-in's controls: GET `/_sandbox/<path>`, or POST when there is a body."""
        url = f"{self.sandbox_url}/_sandbox/{path}"
        answer = requests.get(url, timeout=30) if body is None else requests.post(url, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def advance(self, by: str) -> None:
        """Let time pass ("31d", "12h") for the application and the stand-in; all due work is done on return."""
        self.manage("clock", "advance", by)

    def wait_quiet(self, timeout_s: float = 60) -> None:
        """Return when no promise is due, no task waits or runs, and every webhook that is not held was delivered.

        A promise for later that nobody has sent yet waits for beat's sweep, and most stacks have no beat.
        """
        deadline = time.monotonic() + timeout_s
        while busy := self._busy():
            assert time.monotonic() < deadline, (
                f"not quiet after {timeout_s:.0f} s: {busy}; {self._failures()}"
            )
            time.sleep(0.05)

    def _failures(self) -> list[tuple[Any, ...]]:
        return self.sql("SELECT DISTINCT task, last_error FROM common_outboxmessage WHERE done_at IS NULL")

    def _busy(self) -> dict[str, int]:
        open_promises = (
            "SELECT count(*) FROM common_outboxmessage"
            " WHERE done_at IS NULL AND due_at <= palier_now() AND sent_at IS NOT NULL"
        )
        with redis.Redis.from_url(self.redis.url()) as client:
            counts = {
                "promises": int(self.sql(open_promises)[0][0]),
                "queued tasks": int(client.llen("palier")),
                "running tasks": int(client.hlen("unacked")),
                "webhooks": sum(self.stripe("idle")[state] for state in ("pending", "retrying")),
            }
        return {name: count for name, count in counts.items() if count}

    # Starting -------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._cleanup.callback(shutil.rmtree, self.directory)
        self._make_database()
        if not self._real_time:
            with psycopg.connect(self.database_url) as connection:
                connection.execute(PAST_MIDNIGHT)
        self._cleanup.callback(self.redis.kill)
        self.redis.start()
        self._use_environment()
        programs = Programs(self.environment, self.directory)
        self._launch(
            programs.stripe(
                self.sandbox_port,
                secret_key=self.secrets["STRIPE_SECRET_KEY"],
                state=self.directory / "stripe.sqlite",
                clock_dsn=self.database_url,
            )
        ).wait()
        hook = f"{self.base_url}/stripe/webhook/{self.secrets['STRIPE_WEBHOOK_UUID']}/"
        self.secrets |= stripe_endpoint.ensure(self.sandbox_url, hook, kept=self.secrets)
        self._use_environment()
        self._start_application(Programs(self.environment, self.directory))

    def _start_application(self, programs: Programs) -> None:
        makers = {
            "web": lambda: programs.web(self.web_port, **self._web),
            "worker": programs.worker,
            "beat": programs.beat,
        }
        started = [self._launch(make()) for name, make in makers.items() if self._wanted[name]]
        for program in started:
            program.wait()

    def _launch(self, program: Program) -> Program:
        self.programs[program.name] = program
        self._cleanup.callback(program.kill)
        program.launch()
        return program

    def _make_database(self) -> None:
        name = f"palier_stack_{uuid.uuid4().hex[:12]}"
        if self._snapshot is None:
            template = databases.ensure_template(self._server_url)
        else:
            template = self._snapshot.database
            for file in SNAPSHOT_FILES:
                if (self._snapshot.directory / file).exists():
                    shutil.copy(self._snapshot.directory / file, self.directory)
            self.secrets = json.loads((self.directory / "secrets.json").read_text())
        self.database_url = databases.clone(self._server_url, template, name)
        self._cleanup.callback(databases.drop, self._server_url, name)

    def _use_environment(self) -> None:
        values = application_environment(
            database_url=self.database_url,
            redis_url=self.redis.url(),
            base_url=self.base_url,
            sandbox_url=self.sandbox_url,
            kept=self.secrets,
        )
        self.environment = {**values, **self._extra}

    def take_snapshot(self, name: str, directory: Path) -> Snapshot:
        """Stop everything, and keep database and files for other stacks to start from."""
        self.wait_quiet()
        for program in reversed(self.programs.values()):
            program.stop()
        databases.clone(self._server_url, self.database_url.rpartition("/")[2], name)
        directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "secrets.json").write_text(json.dumps(self.secrets))
        for file in SNAPSHOT_FILES:
            if (self.directory / file).exists():
                shutil.copy(self.directory / file, directory)
        return Snapshot(name, directory)


def seeded_snapshot(server_url: str, shared: Path) -> Snapshot:
    """The catalogue and the demo people, made by the first process that asks and used by all of this run."""
    with _locked(shared / "seed.lock"):
        done = shared / "seed" / "secrets.json"
        snapshot = Snapshot("palier_seeded", shared / "seed")
        if not done.exists():
            with Stack(server_url=server_url) as stack:
                stack.manage("sync_catalog")
                stack.manage("seed_demo", "--keys-file", str(stack.directory / "api_keys.json"))
                stack.take_snapshot(snapshot.database, snapshot.directory)
    return snapshot


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _command_line(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
