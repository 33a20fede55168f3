"""A store without credits, on the running product: charged, drawn, shown; and with the broker gone, nothing of it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.callers import Caller
from tests.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.req("EN-7", "CR-3", "CR-7", "CR-10")]

PATH, CREDITS = "/v1/b2b/generations", "/v1/b2b/credits"
PATIENCE_S = 60
ENDS = ("done", "failed", "reversed")


def ended(caller: Caller, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        job: dict[str, Any] = caller.get(f"{PATH}/{job_id}").json()["data"]
        if job["status"] in ENDS:
            return job
        assert time.monotonic() < deadline, f"still {job['status']} after {PATIENCE_S} s"
        time.sleep(0.1)


def charged(stack: Stack) -> list[int]:
    """What waits at the stand-in to be invoiced."""
    waiting = stack.stripe("state")["invoiceitems"].values()
    return [item["amount"] for item in waiting if item["invoice"] is None]


def ledger(caller: Caller) -> tuple[int, int]:
    """Credits, and what was used past them, summed over every movement."""
    rows = caller.get(f"{CREDITS}/transactions?limit=100").json()["data"]
    return sum(row["units"] for row in rows), sum(row["overage_units"] for row in rows)


def test_dry_is_charged_and_served_or_neither(stack: Stack) -> None:
    dry = stack.caller("dry")
    before = charged(stack)

    answer = dry.post(PATH, {"prompt": "The sky on 2 May 1990"}, key="first")
    assert answer.status_code == 202, answer.text
    ordered = answer.json()["data"]
    assert ordered["split"] == {"allowance": 0, "credits": 0, "overage": 1}
    assert ordered["overage_charge"]["amount_minor"] == 14
    job = ended(dry, ordered["id"])
    assert job["status"] == "done"
    drawing = dry.get(job["results"][0]["url"])
    assert (drawing.status_code, drawing.headers["Content-Type"]) == (200, "image/svg+xml; charset=utf-8")
    assert "1990-05-02 12:00 UTC" in drawing.text
    assert charged(stack) == [*before, 14]
    (charge,) = dry.get(f"{CREDITS}/overage").json()["data"]
    assert (charge["status"], charge["work"]) == ("accepted", f"generation:{job['id']}")

    before, units = charged(stack), ledger(dry)
    stack.kill("redis")
    refused = dry.post(PATH, {"prompt": "The sky on 3 May 1990"}, key="second")
    assert refused.status_code == 503, refused.text
    error = refused.json()["error"]
    assert (error["code"], error["details"]["reversed"]) == ("queue_unavailable", True)
    assert (charged(stack), ledger(dry)) == (before, units)
    assert dry.get(f"{PATH}/{error['details']['generation']}").json()["data"]["status"] == "reversed"
    stack.restart("redis")
