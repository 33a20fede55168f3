"""Makes `.venv` with the pinned packages, or does nothing when that is what is there. Standard library only: it runs
before anything is installed."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PINS = [ROOT / "requirements.txt", ROOT / "requirements-dev.txt"]
STAMP = VENV / "requirements.sha256"
LOG = ROOT / ".palier" / "logs" / "pip.log"
NAME_OF_PIN = re.compile(r"^[A-Za-z0-9]", re.MULTILINE)


def main() -> int:
    with PINS[0].open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # `make demo` and `make test` may be started together
        wanted = hashlib.sha256(b"".join(path.read_bytes() for path in PINS)).hexdigest()
        if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted:
            return 0
        code = _make_venv() or _install()
        if code == 0:
            STAMP.write_text(wanted)
        return code


def _make_venv() -> int:
    if PYTHON.exists():
        return 0
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if importlib.util.find_spec("ensurepip") is None:
        print(
            f"Python {version} is here without its venv module. On Debian and Ubuntu:\n"
            f"    apt-get install python{version}-venv",
            file=sys.stderr,
        )
        return 1
    print(f"Making .venv with Python {version}", flush=True)
    return subprocess.run([sys.executable, "-m", "venv", VENV], check=False).returncode


def _install() -> int:
    """Run pip, with one line that says how far it is; all that pip says goes to the log."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    names = len(NAME_OF_PIN.findall(PINS[1].read_text()))
    started = time.monotonic()
    command = [
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "-r",
        str(PINS[1]),
    ]
    with LOG.open("w") as log:
        child = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        print(f"Installing {names} pinned packages (log: {LOG.relative_to(ROOT)})", flush=True)
        while child.poll() is None:
            _show_progress(names, time.monotonic() - started)
            time.sleep(0.5)
    _clear_line()
    if child.returncode != 0:
        print("pip failed:\n" + "\n".join(LOG.read_text().splitlines()[-15:]), file=sys.stderr)
        return 1
    print(f"Packages installed in {time.monotonic() - started:.0f} s", flush=True)
    return 0


def _show_progress(names: int, elapsed_s: float) -> None:
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        found = LOG.read_text(errors="replace").count("Collecting ")
        step = "installing" if found >= names else f"{found} of {names} found"
        print(f"\r\033[K  {step}, {elapsed_s:.0f} s", end="", flush=True)


def _clear_line() -> None:
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        print("\r\033[K", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
