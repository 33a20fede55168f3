"""The programs that make up a running Palier in the sandbox, each as the supervisor and the tests start it."""

from __future__ import annotations

import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.environment import ROOT, child_environment
from sandbox.supervisor import Program

WEB_WORKERS = 2
WEB_THREADS = 32


def answers(url: str) -> bool:
    """Whether a GET of `url` is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


@dataclass(frozen=True)
class Programs:
    """Makes programs that share an environment and a directory for their logs and files.

    Counters of all processes meet in files below it, so that any web process can answer /metrics for all.
    """

    environment: Mapping[str, str]
    directory: Path

    def web(self, port: int, *, workers: int = WEB_WORKERS, threads: int = WEB_THREADS) -> Program:
        """The web server. Callers wait in threads, so that the meter can take many of them into one commit."""
        command = ["-m", "granian", "config.wsgi:application", "--interface", "wsgi", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--workers", str(workers), "--blocking-threads", str(threads)]
        command += ["--respawn-failed-workers", "--respawn-interval", "0.5", "--workers-kill-timeout", "8"]
        command += ["--no-ws"]
        ready = f"http://127.0.0.1:{port}/readyz"
        return self._python("web", command, port=port, ready_url=ready)

    def worker(self) -> Program:
        """The Celery worker."""
        command = [
            "-m",
            "celery",
            "-A",
            "config.celery",
            "worker",
            "--concurrency",
            "2",
            "--loglevel",
            "INFO",
        ]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        return self._python("worker", command)

    def beat(self) -> Program:
        """Celery's clock for what is due regularly."""
        schedule = self.directory / "celerybeat-schedule"
        command = ["-m", "celery", "-A", "config.celery", "beat", "--loglevel", "INFO"]
        command += ["--schedule", str(schedule), "--pidfile", ""]
        return self._python("beat", command)

    def stripe(self, port: int, *, secret_key: str, state: Path, clock_dsn: str) -> Program:
        """The stand-in for Stripe."""
        command = ["-m", "sandbox.stripe", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--secret-key", secret_key, "--state", str(state), "--clock-dsn", clock_dsn]
        command += ["--publishable-key", self.environment["STRIPE_PUBLISHABLE_KEY"]]
        return self._python(
            "stripe", command, port=port, ready_url=f"http://127.0.0.1:{port}/_sandbox/health"
        )

    def migrate(self) -> Program:
        """Brings the database to the present schema, and ends."""
        return self._python("migrate", ["-m", "sandbox.migrate"])

    def manage(self, *arguments: str) -> Program:
        """One management command, its output in a log of its name."""
        return self._python(arguments[0], ["manage.py", *arguments])

    def _python(
        self, name: str, command: list[str], *, port: int | None = None, ready_url: str | None = None
    ) -> Program:
        metrics = self.directory / "metrics"
        metrics.mkdir(parents=True, exist_ok=True)
        return Program(
            name=name,
            command=[sys.executable, *command],
            env=child_environment({**self.environment, "PROMETHEUS_MULTIPROC_DIR": str(metrics)}),
            log=self.directory / "logs" / f"{name}.log",
            cwd=ROOT,
            port=port,
            ready=None if ready_url is None else lambda: answers(ready_url),
            stop_signals=(signal.SIGTERM, signal.SIGQUIT),
        )
