"""Chromium for the browser tests: the system's own, installed from its packages when we may."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The path of the system's Chromium, or of the one that CHROMIUM names; None when there is none."""
    given = os.environ.get("CHROMIUM")
    return shutil.which(given) if given else next(filter(None, map(shutil.which, NAMES)), None)


def install_chromium(log: Path) -> bool:
    """Install it from the distribution's packages; says what it does. False when that was not possible."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print("No Chromium here: installing the package `chromium` for the browser tests", flush=True)
    started = time.monotonic()
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        for step in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", *step]
            done = subprocess.run(command, env=environment, stdout=output, stderr=output, check=False)
            if done.returncode != 0:
                print(f"apt-get {step[0]} failed; see {log}", flush=True)
                return False
    print(f"Chromium installed in {time.monotonic() - started:.0f} s", flush=True)
    return find_chromium() is not None
