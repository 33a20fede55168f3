"""One process of a WorkerPool: `python -m bench.worker ORDER`, then a command a line on the standard input."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import django

Call = Callable[[], bool]


@dataclass(frozen=True)
class Outcome:
    """What one thread did in one measurement."""

    calls: int
    allowed: int
    ended_at: float
    failure: str


class Crew:
    """Threads that stay, as a web server's do: what they hold open (connections) is opened once."""

    def __init__(self, calls: list[Call]) -> None:
        self._orders: list[queue.SimpleQueue[tuple[float, float] | None]] = []
        self._done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        for call in calls:
            orders: queue.SimpleQueue[tuple[float, float] | None] = queue.SimpleQueue()
            self._orders.append(orders)
            self._threads.append(threading.Thread(target=self._work, args=(call, orders)))
            self._threads[-1].start()

    def run(self, *, seconds: float, start_at: float) -> dict[str, Any]:
        """Let every thread call until the time is up; the counts of all. Raises what the first failure said."""
        for orders in self._orders:
            orders.put((start_at, start_at + seconds))
        outcomes = [self._done.get() for _ in self._threads]
        failures = [outcome.failure for outcome in outcomes if outcome.failure]
        if failures:
            raise RuntimeError(f"{len(failures)} threads failed, the first so:\n{failures[0]}")
        return {
            "calls": sum(outcome.calls for outcome in outcomes),
            "allowed": sum(outcome.allowed for outcome in outcomes),
            "seconds": max(outcome.ended_at for outcome in outcomes) - start_at,
        }

    def end(self) -> None:
        for orders in self._orders:
            orders.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, call: Call, orders: queue.SimpleQueue[tuple[float, float] | None]) -> None:
        while (order := orders.get()) is not None:
            self._done.put(_call_until(call, *order))


def _call_until(call: Call, start_at: float, stop_at: float) -> Outcome:
    calls = allowed = 0
    failure = ""
    time.sleep(max(0.0, start_at - time.monotonic()))
    try:
        while time.monotonic() < stop_at:
            allowed += call()
            calls += 1
    except Exception:  # noqa: BLE001 - whatever it is, the measurement fails with it
        failure = traceback.format_exc()
    return Outcome(calls, allowed, time.monotonic(), failure)


def main(order: dict[str, Any]) -> None:
    django.setup()
    from bench.operations import OPERATIONS

    operation = OPERATIONS[order["operation"]](**order["arguments"])
    crew = Crew([operation.call(worker=order["worker"], thread=n) for n in range(order["threads"])])
    _say({"ready": True})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            _say(crew.run(seconds=command["seconds"], start_at=command["start_at"]))
        except Exception:  # noqa: BLE001 - told to the process that asked, which raises it
            _say({"error": traceback.format_exc()})
    crew.end()


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
