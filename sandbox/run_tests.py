"""`python -m sandbox.run_tests [--browser] [--follow-parent] [pytest's arguments]`: PostgreSQL and Redis on free
ports, then pytest, then the end of all three.

DATABASE_URL and REDIS_URL, when set, are used instead. `--browser` installs Chromium when there is none and we may.
`--follow-parent` ends with the process that started it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import ExitStack

from sandbox.browser import find_chromium, install_chromium
from sandbox.environment import ROOT, application_environment, child_environment, make_secrets
from sandbox.services import ServiceError, process
from sandbox.services.throwaway import start_services, temporary_directory

BROWSER = "--browser"
FOLLOW_PARENT = "--follow-parent"


def ensure_browser() -> None:
    """Loud when the browser tests will be skipped."""
    if find_chromium() is None and not install_chromium(ROOT / ".palier" / "logs" / "apt.log"):
        print("WARNING: no Chromium, and none could be installed. The browser tests are SKIPPED.", flush=True)


def run_pytest(arguments: list[str], environment: dict[str, str]) -> int:
    """pytest's exit code. Ctrl-C reaches pytest as well, which then ends by itself: wait for it."""
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env=environment,
        preexec_fn=process.die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it only makes two system calls
    )
    try:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue
    finally:
        child.terminate()  # reached alive only when we were told to end


def main(arguments: list[str]) -> int:
    """Run pytest against fresh services; its exit code, or 3 when the services do not start."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if FOLLOW_PARENT in arguments:
        arguments.remove(FOLLOW_PARENT)
        process.follow_parent()
    if BROWSER in arguments:
        arguments.remove(BROWSER)
        ensure_browser()
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            place = temporary_directory(stack)
            database_url, redis_url = start_services(stack, place)
            print(f"PostgreSQL and Redis ready after {time.monotonic() - started:.1f} s", flush=True)
            values = application_environment(
                database_url=database_url, redis_url=redis_url, kept=make_secrets()
            )
            values["TMPDIR"] = str(place)  # so that what a killed test leaves goes with the rest
            values["PYTEST_PLUGINS"] = "tools.pytest_environment"
            return run_pytest(arguments, child_environment(values))
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
