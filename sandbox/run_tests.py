"""`python -m sandbox.run_tests [pytest's arguments]`: PostgreSQL and Redis on free ports, then pytest, then the end.

DATABASE_URL and REDIS_URL, when set, are used instead. Without arguments all tests run, on all cores.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from sandbox.environment import ROOT, application_environment, child_environment, make_secrets
from sandbox.services import Postgres, Redis, ServiceError
from sandbox.services.unprivileged import remove_tree


def start_services(stack: ExitStack) -> tuple[str, str]:
    """(database address, Redis address): those of the environment, or of services that end with `stack`."""
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if database_url and redis_url:
        return database_url, redis_url
    place = Path(tempfile.mkdtemp(prefix="palier-tests-"))
    place.chmod(0o755)  # PostgreSQL may run as somebody else, who has to get through
    stack.callback(shutil.rmtree, place)
    if not database_url:
        postgres = Postgres(place / "postgres", durable=False)
        stack.callback(remove_tree, place / "postgres")
        postgres.start()
        stack.callback(postgres.kill)
        database_url = postgres.url()
    if not redis_url:
        redis = Redis(place / "redis")
        redis.start()
        stack.callback(redis.kill)
        redis_url = redis.url()
    return database_url, redis_url


def run_pytest(arguments: list[str], environment: dict[str, str]) -> int:
    """pytest's exit code. Ctrl-C reaches pytest as well, which ends by itself: wait for it."""
    child = subprocess.Popen([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=environment)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue


def main(arguments: list[str]) -> int:
    """Run pytest against fresh services; its exit code, or 3 when the services do not start."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            database_url, redis_url = start_services(stack)
            print(f"PostgreSQL and Redis ready after {time.monotonic() - started:.1f} s", flush=True)
            values = application_environment(
                database_url=database_url, redis_url=redis_url, kept=make_secrets()
            )
            values["PYTEST_PLUGINS"] = "tools.pytest_environment"
            return run_pytest(arguments, child_environment(values))
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
