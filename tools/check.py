"""`make check`: everything that can be said of the code without running its tests. All checks run, then one verdict."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from sandbox.environment import ROOT, application_environment, child_environment, make_secrets
from sandbox.services import ServiceError
from sandbox.services.throwaway import start_services, temporary_directory

PYTHON = sys.executable
MANAGE = [PYTHON, "manage.py"]


def production_environment(sandbox: dict[str, str]) -> dict[str, str]:
    """Settings as a careful operator makes them, with a live key's shape: what `check --deploy` has to accept."""
    kept = {name: value for name, value in sandbox.items() if name not in {"SANDBOX_URL", "STRIPE_API_BASE"}}
    return {
        **kept,
        "FAST_MIGRATIONS": "0",
        "DEBUG": "0",
        "BASE_URL": "https://palier.example",
        "ALLOWED_HOSTS": "palier.example",
        "EMAIL_URL": "smtp+tls://user:password@mail.example:587",
        "STRIPE_SECRET_KEY": "sk_live_" + secrets.token_hex(24),
        "STRIPE_PUBLISHABLE_KEY": "pk_live_" + secrets.token_hex(24),
    }


def checks(sandbox: dict[str, str]) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Each check's name, command and environment."""
    scripts = Path(PYTHON).parent
    production = production_environment(sandbox)
    return {
        "ruff check": ([str(scripts / "ruff"), "check", "."], sandbox),
        "ruff format": ([str(scripts / "ruff"), "format", "--check", "."], sandbox),
        "mypy": ([str(scripts / "mypy"), "."], sandbox),
        "import-linter": ([str(scripts / "lint-imports")], sandbox),
        "migrations in step": ([*MANAGE, "makemigrations", "--check", "--dry-run"], sandbox),
        "environment table": ([PYTHON, "-m", "tools.environment_table", "--check"], sandbox),
        "data model": ([PYTHON, "-m", "tools.data_model", "--check"], sandbox),
        "check --deploy": ([*MANAGE, "check", "--deploy", "--fail-level", "WARNING"], production),
    }


def run(name: str, command: list[str], environment: dict[str, str]) -> bool:
    """Whether it passed; its output only when it did not."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=child_environment(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    verdict = "ok" if done.returncode == 0 else "FAILED"
    print(f"{name:<20} {verdict:<7} {time.monotonic() - started:5.1f} s", flush=True)
    if done.returncode != 0:
        print(done.stdout, flush=True)
    return done.returncode == 0


def main() -> int:
    try:
        with ExitStack() as stack:
            database_url, redis_url = start_services(stack, temporary_directory(stack))
            sandbox = application_environment(
                database_url=database_url, redis_url=redis_url, kept=make_secrets()
            )
            results = [run(name, *check) for name, check in checks(sandbox).items()]
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 3
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
