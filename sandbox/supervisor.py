"""Keeps a handful of programs running: starts them in order, restarts what dies, stops all of them in order.

A service is anything with a name, `start`, `stop` and a `process`: a `Program` here, or an embedded PostgreSQL.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sandbox.console import paint, say
from sandbox.services import ServiceError, process

POLL_S = 0.2
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
OWNER_ONLY = 0o077  # the umask of what we start: keys and mails are in the files that it writes
STEADY_AFTER_S = 60.0  # a program that ran this long starts its backoff anew


class Service(Protocol):
    """What the supervisor can look after."""

    name: str
    process: subprocess.Popen[bytes] | None

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass
class Program:
    """A command with its environment and log. `ready` says when it serves; without it, running is enough."""

    name: str
    command: Sequence[str | Path]
    env: Mapping[str, str]
    log: Path
    cwd: Path
    ready: Callable[[], bool] | None = None
    port: int | None = None
    patience_s: float = 8.0  # from the polite signal to the next
    stop_signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGQUIT)
    start_timeout_s: float = 60.0
    process: subprocess.Popen[bytes] | None = None
    asked_to_end: bool = False

    def start(self) -> None:
        """Start, and return once it is ready. ServiceError when it ends at once or takes too long."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start without waiting, for programs that may get ready side by side."""
        if self.port is not None:
            process.require_port(self.name, self.port, patience_s=process.PORT_PATIENCE_S)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.asked_to_end = False
        self.process = process.spawn(self.command, log=self.log, env=self.env, cwd=self.cwd, umask=OWNER_ONLY)

    def wait(self) -> None:
        """Return once it is ready."""
        if self.ready is not None and self.process is not None:
            timeout_s = self.start_timeout_s
            process.wait_ready(self.name, self.process, self.ready, log=self.log, timeout_s=timeout_s)

    def signal_end(self) -> None:
        """Ask it to end, without waiting. Asked once only: to many programs a second time means at once."""
        if self.process is not None and self.process.poll() is None and not self.asked_to_end:
            self.process.send_signal(self.stop_signals[0])
            self.asked_to_end = True

    def stop(self) -> None:
        """End it, and whatever it started."""
        if self.process is not None:
            self.signal_end()
            process.wait_end(self.process, self.patience_s)
            process.stop(self.process, *((sent, self.patience_s) for sent in self.stop_signals[1:]))
            process.kill_group(self.process)
            self.process = None

    def kill(self) -> None:
        """End it and all it started as a crash would: SIGKILL."""
        if self.process is not None:
            process.kill_group(self.process)
            self.process.wait()
            self.process = None


@dataclass
class _Watched:
    service: Service
    backoff_s: float = FIRST_BACKOFF_S
    started_at: float = field(default_factory=time.monotonic)
    restart_at: float | None = None


class Supervisor:
    """Watches services in the order in which they were added, and stops them in the reverse order."""

    def __init__(self) -> None:
        self._watched: list[_Watched] = []

    def add(self, service: Service) -> None:
        """Look after a service; it may have been started already."""
        self._watched.append(_Watched(service))

    def watch(self) -> None:
        """Restart what dies, for ever. Ends by an exception, such as a signal handler raises."""
        while True:
            self.look()
            time.sleep(POLL_S)

    def look(self) -> None:
        """One round: notice what died, start again what waited long enough."""
        for watched in self._watched:
            self._look_after(watched)

    def stop_all(self) -> None:
        """Ask all programs to end at once, then end every service, last started first."""
        for watched in self._watched:
            if isinstance(watched.service, Program):
                watched.service.signal_end()
        for watched in reversed(self._watched):
            watched.service.stop()

    def _look_after(self, watched: _Watched) -> None:
        now = time.monotonic()
        if watched.restart_at is None:
            self._notice_death(watched, now)
        elif now >= watched.restart_at:
            self._restart(watched)

    def _notice_death(self, watched: _Watched, now: float) -> None:
        child = watched.service.process
        if child is not None and child.poll() is None:
            return
        how = "is gone" if child is None else process.describe_exit(child.returncode)
        if now - watched.started_at > STEADY_AFTER_S:
            watched.backoff_s = FIRST_BACKOFF_S
        name = watched.service.name
        say(f"{paint('!', 'yellow')} {name} ended ({how}); starting it again in {watched.backoff_s:g} s")
        watched.restart_at = now + watched.backoff_s
        watched.backoff_s = min(watched.backoff_s * 2, LONGEST_BACKOFF_S)

    def _restart(self, watched: _Watched) -> None:
        watched.service.stop()  # what it started may have outlived it
        watched.restart_at = None
        watched.started_at = time.monotonic()
        try:
            watched.service.start()
        except ServiceError as error:
            say(f"{paint('!', 'red')} {error}")
        else:
            say(f"{paint('✓', 'green')} {watched.service.name} runs again")
