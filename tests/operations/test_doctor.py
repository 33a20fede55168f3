"""An installation that runs is fit, and what is taken from it is named with what mends it."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from common import doctor
from tests.stack import Stack

pytestmark = [pytest.mark.req("OP-4"), pytest.mark.slow]

START_TIMEOUT_S = 60


def _symptoms(told: str) -> dict[str, list[str]]:
    return {
        one["check"]: [s["text"] for s in one["symptoms"]]
        for one in json.loads(told)["checks"]
        if one["symptoms"]
    }


def test_fit_then_without_worker_redis_and_web(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    _wait_for_the_worker(stack)
    # Tests leave out fsync, and this is no place to put it back; everything else is as it must be.
    volatile = {"database": ["fsync is off.", "full_page_writes is off."]}
    assert _examined(stack) == volatile

    stack.kill("worker")
    stack.kill("web")
    found = _examined(stack)
    assert found.pop("tasks") == ["No worker answers: mails, webhooks and sweeps wait."]
    assert found.pop("deliveries") == [f"{stack.base_url} cannot be reached from here: URLError."]
    assert found == volatile


def test_a_check_that_falls_ill_is_told_and_the_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def ill() -> Iterator[doctor.Symptom]:
        yield doctor.warning("Found before.", mend="…")
        raise RuntimeError("no tongue")

    doctor.names()  # all are known by now: none is met in the middle, and lost with what is put in their place
    monkeypatch.setattr(doctor, "_checks", {"ill": ill, "well": lambda: ()})
    first, second = doctor.examine()
    assert [one.text for one in first.symptoms] == [
        "Found before.", "The check itself failed: RuntimeError: no tongue",
    ]  # fmt: skip
    assert (first.level, second.level) == (doctor.FAILING, "ok")


def _wait_for_the_worker(stack: Stack) -> None:
    """A stack is ready when its pages are; its worker may still be starting, and the doctor is not patient."""
    log, deadline = stack.directory / "logs" / "worker.log", time.monotonic() + START_TIMEOUT_S
    while " ready." not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.05)


def _examined(stack: Stack) -> dict[str, Any]:
    return _symptoms(stack.manage("doctor", "--json", check=False))
