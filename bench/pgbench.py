"""The reference in plain SQL: PostgreSQL's own load generator, one statement, 64 clients."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

CLIENTS = 64
JOBS = 2
WARM_UP_S = 1.0

HOT_ROW = "UPDATE bench_counter SET used = used + 1 WHERE id = 1 RETURNING used;\n"


def random_row(rows: int) -> str:
    return (
        f"\\set id random(1, {rows})\n"
        "UPDATE bench_counter SET used = used + 1 WHERE id = :id RETURNING used;\n"
    )


class PgBench:
    """One script as a Side, with prepared statements: the fastest protocol pgbench has."""

    def __init__(self, name: str, *, programs: Path, database_url: str, script: str, directory: Path) -> None:
        self.name = name
        self._program = programs / "pgbench"
        self._url = database_url
        self._script = directory / f"{name}.sql"
        self._script.write_text(script)

    def warm_up(self) -> None:
        self.measure(WARM_UP_S)

    def measure(self, seconds: float) -> float:
        whole_seconds = max(1, round(seconds))
        command: list[str | Path] = [
            *(self._program, "--no-vacuum", "--protocol=prepared"),
            *(f"--client={CLIENTS}", f"--jobs={JOBS}", f"--time={whole_seconds}", "--file", self._script),
            self._url,
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=whole_seconds + 60,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        )
        tps = re.search(r"^tps = ([\d.]+) \(without initial connection time\)", done.stdout, re.MULTILINE)
        failed = re.search(r"^number of failed transactions: (\d+)", done.stdout, re.MULTILINE)
        if done.returncode or tps is None or failed is None or int(failed[1]):
            raise RuntimeError(f"pgbench failed:\n{done.stdout}\n{done.stderr}")
        return float(tps[1])
