"""What the demo keeps in `.palier/`: its environment, its description for other programs, logs, and a lock."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.environment import ROOT, Secrets, make_secrets
from sandbox.stripe_endpoint import ENDPOINT_ID

# Elsewhere only for tests of the demo itself, which must not meet the developer's own.
DIRECTORY = Path(os.environ.get("PALIER_DIRECTORY") or ROOT / ".palier")
LOGS = DIRECTORY / "logs"
MAIL = DIRECTORY / "mail"  # what the application sent, a file for each time it did
ENVIRONMENT = DIRECTORY / "env"  # config/env.py reads it when DATABASE_URL is not set
DESCRIPTION = DIRECTORY / "demo.json"
API_KEYS = DIRECTORY / "api_keys.json"
LOCK = DIRECTORY / "lock"
STATIC_STAMP = DIRECTORY / "static.sha256"


class AlreadyRunning(RuntimeError):
    """A demo of this checkout runs; the message says which."""


@contextmanager
def exclusive_use(purpose: str) -> Iterator[None]:
    """Hold the lock that two demos of one checkout would have to share. The kernel frees it when we end, however."""
    DIRECTORY.mkdir(exist_ok=True)
    with LOCK.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            raise AlreadyRunning(
                f"The demo of this checkout already runs ({holder}). Stop it first."
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()}, {purpose}\n")
        lock.flush()
        yield


def kept_secrets() -> Secrets:
    """Those of the last run, else new ones."""
    secrets = make_secrets()
    if ENVIRONMENT.exists():
        lines = (line.partition("=") for line in ENVIRONMENT.read_text().splitlines())
        secrets |= {name: value for name, _, value in lines if name in {*secrets, ENDPOINT_ID}}
    return secrets


def write_environment(values: Mapping[str, str]) -> None:
    """For `manage.py` in this checkout, which finds the running demo by it."""
    _write_private(ENVIRONMENT, "".join(f"{name}={value}\n" for name, value in values.items()))


def write_description(description: Mapping[str, Any]) -> None:
    """For programs that want to use the running demo; docs/api describes it."""
    _write_private(DESCRIPTION, json.dumps(description, indent=2) + "\n")


def api_keys() -> dict[str, str]:
    """The organisations' keys, which `seed_demo` wrote when it made them: only their hashes are in the database."""
    keys: dict[str, str] = json.loads(API_KEYS.read_text()) if API_KEYS.exists() else {}
    return keys


def make_private_directories() -> None:
    """Logs and mails are about people, and mails hold links that sign in: for the owner's eyes only.

    `.palier/` itself stays passable, since PostgreSQL may run in it as another user.
    """
    for directory in (LOGS, MAIL):
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)


def set_old_logs_aside() -> None:
    """Each run's logs and counters begin empty; the logs of the run before are kept as `*.log.old`."""
    shutil.rmtree(DIRECTORY / "metrics", ignore_errors=True)
    for log in LOGS.glob("*.log"):
        log.replace(log.with_suffix(".log.old"))


def static_files_changed() -> bool:
    """Whether `collectstatic` has to run: something it collects is not what it collected last."""
    collected = ROOT / "staticfiles" / "staticfiles.json"
    return not (collected.exists() and STATIC_STAMP.exists() and STATIC_STAMP.read_text() == _static_mark())


def remember_static_files() -> None:
    """Call after `collectstatic`."""
    STATIC_STAMP.write_text(_static_mark())


def _static_mark() -> str:
    """Changes with our static files and with the packages, which bring theirs."""
    digest = hashlib.sha256((ROOT / "requirements.txt").read_bytes())
    for path in sorted((*ROOT.glob("static/**/*"), *ROOT.glob("*/static/**/*"))):
        if path.is_file():
            digest.update(os.fsencode(path.relative_to(ROOT)) + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, readable to its owner only: there are keys in it."""
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.replace(path)
