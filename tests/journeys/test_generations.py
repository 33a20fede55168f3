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


@pytest.mark.req("CR-6", "CR-8")
@pytest.mark.parametrize("lost", [1, 4], ids=["one answer", "the answers of every try"])
def test_a_lost_answer_of_stripe_is_one_charge(stack: Stack, lost: int) -> None:
    """The item is made and its answer lost. With one lost, the same key is asked again; with all, the sweep finds it."""
    dry = stack.caller("dry")
    before, (_, units) = charged(stack), ledger(dry)
    fault = {"path": "/v1/invoiceitems", "method": "POST", "effect": "drop_after", "times": lost}
    stack.stripe("faults", fault)
    answer = dry.post(PATH, {"prompt": "The sky on 2 May 1990"}, key="lost")
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["data"]["id"]
    if answer.json()["data"]["overage_charge"]["status"] == "pending":
        stack.advance("1m")  # beat's work: what is open is looked up at Stripe, and the work queued
    assert ended(dry, job_id)["status"] == "done"
    assert charged(stack) == [*before, 14], "exactly one charge"
    (charge,) = dry.get(f"{CREDITS}/overage").json()["data"]
    assert (charge["status"], charge["work"]) == ("accepted", f"generation:{job_id}")
    assert ledger(dry)[1] == units + 1, "and it is recorded"
    again = dry.post(PATH, {"prompt": "The sky on 2 May 1990"}, key="lost")
    assert again.json()["data"]["id"] == job_id
    assert charged(stack) == [*before, 14]
