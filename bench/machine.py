"""What the figures were taken on: they mean nothing without."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

FSYNC_SECONDS = 1


def facts(programs: Path) -> Mapping[str, object]:
    """Processor, memory, system and versions."""
    version = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgresql": version.stdout.split()[-1],
        "load": round(os.getloadavg()[0], 1),
    }


def fsync_microseconds(programs: Path, directory: Path) -> float:
    """How long one 8 kB write with fdatasync takes where the database lies, by PostgreSQL's own pg_test_fsync."""
    probe = directory / "fsync-probe"
    command = [str(part) for part in (programs / "pg_test_fsync", "-f", probe, "-s", FSYNC_SECONDS)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    finally:
        probe.unlink(missing_ok=True)
    found = re.search(r"^\s+fdatasync\s+[\d.]+ ops/sec\s+([\d.]+) usecs/op", done.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"pg_test_fsync says nothing of fdatasync:\n{done.stdout}")
    return float(found[1])


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()
