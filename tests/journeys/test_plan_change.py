"""Plan changes on a whole running Palier when webhooks are late, and when the web process dies over one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.callers import Caller
from tests.stack import Stack

pytestmark = pytest.mark.slow


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
    stack.advance("1s")  # no beat runs here: what was promised for the moment of the switch is done now
    premium = stack.caller("premium")
    assert (plan_of(premium), limit_of(premium)) == ("basic", 50)
    history = data(premium.get("/v1/billing/plan-changes"))
    assert (history[0]["status"], history[0]["effective_at"]) == ("applied", end)


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
        wait_for(lambda: not stack.stripe("faults")["faults"])  # used up: the call has reached Stripe
        assert stack.sql("SELECT 1 FROM billing_planchange WHERE status = 'pending'")
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
