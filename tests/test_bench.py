"""The bench itself: that its arithmetic is right, that it fails when it should, and that it runs."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import http_load
from bench.document import BEGIN, END, write_results
from bench.drawing import draw
from bench.sides import Samples, Target, compare, interleave
from sandbox.environment import ROOT

TEN_TIMES = Target("SP-1", "title", "ours", "theirs", 10)
FACTS = {
    "processor": "P",
    "cores": 2,
    "memory_gib": 8.0,
    "system": "S",
    "python": "3.11",
    "postgresql": "18",
    "fsync_us": 100.0,
    "load": 0.1,
}


class Counting:
    """A side whose n-th measurement is n times its speed."""

    def __init__(self, name: str, speed: float, log: list[str]) -> None:
        self.name, self._speed, self._log, self._measured = name, speed, log, 0

    def warm_up(self) -> None:
        self._log.append(f"warm {self.name}")

    def measure(self, seconds: float) -> float:
        self._measured += 1
        self._log.append(f"{self.name} {seconds:g}")
        return self._speed * self._measured


def test_sides_take_turns_and_the_first_ends() -> None:
    log: list[str] = []
    samples = interleave([Counting("a", 10, log), Counting("b", 1, log)], rounds=2, seconds=3)
    assert log == ["warm a", "warm b", "a 3", "b 3", "a 3", "b 3", "a 3"]
    assert samples.by_side == {"a": [10, 20, 30], "b": [1, 2]}


def test_the_ratio_is_of_medians_and_the_spread_of_neighbours() -> None:
    result = compare(Samples({"ours": [100, 120, 80], "theirs": [10, 8]}), TEN_TIMES)
    assert (result.a, result.b, result.ratio) == (100, 9, pytest.approx(100 / 9))
    assert (result.low, result.high) == (110 / 10, 100 / 8)
    assert result.met
    line = json.loads(json.dumps(result.as_json()))
    assert {name: line[name] for name in ("id", "ratio", "target", "a", "b")} == {
        "id": "SP-1",
        "ratio": 11.111,
        "target": 10,
        "a": 100,
        "b": 9,
    }


def test_a_cost_has_to_stay_below_its_target() -> None:
    cost = Target("SP-6", "title", "ours", "theirs", 1.35, at_most=True)
    assert (cost.met(1.35), cost.met(1.36), TEN_TIMES.met(10), TEN_TIMES.met(9.99)) == (
        True,
        False,
        True,
        False,
    )


def test_results_are_drawn_and_written(tmp_path: Path) -> None:
    result = compare(Samples({"ours": [90, 90], "theirs": [10]}), TEN_TIMES)
    draw([result], FACTS, tmp_path / "p.svg")
    text = "".join(ET.parse(tmp_path / "p.svg").getroot().itertext())
    assert all(figure in text for figure in ("SP-1", "9.00 ×", "90", "≥ 10"))
    page = tmp_path / "p.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_results([result], FACTS, page)
    written = page.read_text()
    assert "**9.00** (not reached)" in written
    assert "old" not in written
    assert (written.startswith("before\n"), written.endswith("after\n")) == (True, True)


class OneAnswer(socketserver.StreamRequestHandler):
    """Answers every request of a connection with `server.answer`."""

    def handle(self) -> None:
        while self.rfile.readline():
            while self.rfile.readline().strip():
                pass
            self.wfile.write(self.server.answer)  # type: ignore[attr-defined]


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A load that fails hangs up on the others; that is no error of the server's."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), OneAnswer) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def load(server: Server) -> dict[str, float]:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    return http_load.run(
        port=server.server_address[1], requests=[request] * 4, seconds=0.2, start_at=time.monotonic()
    )


def test_the_load_counts_whole_answers(server: Server) -> None:
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"  # type: ignore[attr-defined]
    counted = load(server)
    assert counted["answered"] >= 4
    assert counted["seconds"] >= 0.2


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["refused", "without a length"],
)
def test_the_load_fails_on_any_other_answer(server: Server, answer: bytes) -> None:
    server.answer = answer  # type: ignore[attr-defined]
    with pytest.raises(http_load.LoadError):
        load(server)


@pytest.mark.slow
@pytest.mark.req("SP-1", "SP-2", "SP-4")
def test_it_runs_and_its_books_add_up() -> None:
    """The ratios of so short a run mean nothing; that every allowed call was counted does."""
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--rounds", "1", "--seconds", "0.5", "--only", "SP-1,SP-4"],
        cwd=ROOT,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [line["id"] for line in lines] == ["SP-1", "SP-2", "SP-4"]
    assert all(line["a"] > 0 and line["b"] > 0 and line["ratio"] > 0 for line in lines)
