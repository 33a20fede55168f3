"""From the limit to the next plan and back, on a whole running Palier: web processes, worker, webhooks, the clock."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.callers import Caller
from tests.stack import Stack

pytestmark = pytest.mark.slow

CALLERS = 32


def data(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


def plan_of(caller: Caller) -> str:
    return str(data(caller.get("/v1/billing/subscription"))["plan"]["code"])


def limit_of(caller: Caller) -> int:
    return int(data(caller.get("/v1/billing/quota?metric=messages"))["limit"])


def paid(stack: Stack, caller: Caller) -> list[int]:
    """What the stand-in took of this person, oldest first."""
    ids = {one["id"] for one in data(caller.get("/v1/billing/invoices?limit=100"))}
    made = [one for key, one in stack.stripe("state")["invoices"].items() if key in ids]
    return [one["amount_paid"] for one in sorted(made, key=lambda one: one["created"])]


@pytest.mark.req("PC-1", "PC-2", "PC-4", "PC-8", "BI-1", "BI-2")
def test_stopped_at_the_limit_upgraded_went_on_and_came_down(new_stack: Any) -> None:
    stack: Stack = new_stack()
    free = stack.caller("free")
    for _ in range(5):
        data(free.post("/v1/chat/messages", {"text": "Where is the Moon?"}))
    refused = free.post("/v1/chat/messages", {"text": "And now?"})
    assert refused.status_code == 429
    remedies = {(one["action"], one.get("plan")) for one in refused.json()["error"]["details"]["remedies"]}
    assert {("upgrade", "basic"), ("upgrade", "premium")} <= remedies

    seen = data(free.post("/v1/billing/plan-change/preview", {"target_plan": "premium"}))
    change = {"target_plan": "premium", "quote": seen["quote"]}
    done = data(free.post("/v1/billing/plan-change", change, key="up"))
    invoice = data(free.get(f"/v1/billing/invoices/{done['plan_change']['invoice']}"))
    assert invoice["amount_due"] == seen["due_now"] == done["plan_change"]["amount"]
    answer = data(free.post("/v1/chat/messages", {"text": "And now?"}))
    assert (answer["quota"]["used"], answer["quota"]["limit"]) == (6, 1000)

    assert (
        data(free.post("/v1/billing/plan-change", {"target_plan": "basic"}))["plan_change"]["status"]
        == "scheduled"
    )
    assert data(free.delete("/v1/billing/plan-change"))["plan_change"]["status"] == "undone"
    data(free.post("/v1/billing/plan-change", {"target_plan": "basic"}))
    assert limit_of(free) == 1000
    stack.advance("32d")
    free = stack.caller("free")  # tokens expire too
    assert (plan_of(free), limit_of(free)) == ("basic", 50)
    assert paid(stack, free) == [2000, 500]
    stack.wait_quiet()
    assert stack.manage("verify_books").strip().endswith("right.")


@pytest.mark.req("PC-2", "PC-4", "BI-2")
def test_the_switch_does_not_wait_for_webhooks(new_stack: Any) -> None:
    stack: Stack = new_stack()
    premium = stack.caller("premium")
    end = data(premium.post("/v1/billing/plan-change", {"target_plan": "basic"}))["plan_change"][
        "effective_at"
    ]
    stack.stripe("webhooks", {"mode": "hold"})
    stack.stripe("clock", {"to": end})
    premium = stack.caller("premium")
    assert limit_of(premium) == 50
    stack.stripe("webhooks", {"mode": "reverse"})
    stack.wait_quiet()
    premium = stack.caller("premium")
    assert (plan_of(premium), limit_of(premium)) == ("basic", 50)
    history = data(premium.get("/v1/billing/plan-changes"))
    assert (history[0]["status"], history[0]["effective_at"]) == ("applied", end)


@pytest.mark.req("PC-6")
def test_32_identical_over_two_processes(new_stack: Any) -> None:
    stack: Stack = new_stack(workers=2, threads=32)
    basic = stack.caller("basic")
    before = paid(stack, basic)
    quote = data(basic.post("/v1/billing/plan-change/preview", {"target_plan": "premium"}))["quote"]
    body = {"target_plan": "premium", "quote": quote}
    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(
            pool.map(lambda _: basic.post("/v1/billing/plan-change", body, key="same"), range(CALLERS))
        )
    assert Counter(one.status_code for one in answers) == {200: CALLERS}
    assert len({one.content for one in answers}) == 1
    assert len(paid(stack, basic)) == len(before) + 1
    assert plan_of(basic) == "premium"


@pytest.mark.req("PC-6", "CR-8")
def test_a_web_process_killed_while_stripe_works(new_stack: Any) -> None:
    """The answer to the caller is lost with the process; the sweep and the webhook find what happened."""
    import os
    import signal

    stack: Stack = new_stack(workers=1, beat=True)
    basic = stack.caller("basic")
    before = paid(stack, basic)
    stack.stripe(
        "faults", {"path": "/v1/subscriptions", "method": "POST", "effect": "delay", "times": 1, "delay_s": 3}
    )
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(basic.post, "/v1/billing/plan-change", {"target_plan": "premium"})
        wait_for(lambda: stack.sql("SELECT 1 FROM billing_planchange WHERE status = 'pending'"))
        for pid in stack.web_pids():
            os.kill(pid, signal.SIGKILL)
        assert asked.exception(timeout=60) is not None
    wait_for(lambda: not stack.sql("SELECT 1 FROM billing_planchange WHERE status = 'pending'"))
    stack.wait_quiet()
    assert plan_of(basic) == "premium"
    assert len(paid(stack, basic)) == len(before) + 1


def wait_for(condition: Any, timeout_s: float = 90) -> None:
    import time

    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.02)
