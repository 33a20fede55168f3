"""The same change many times at once, and two different ones at once, over HTTP through two web processes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from requests import Response

from tests.callers import Caller
from tests.counting import NO_RATE_LIMITS, account_id
from tests.stack import Stack

pytestmark = [pytest.mark.req("PC-6", "PC-1"), pytest.mark.slow]

CALLERS = 32
CHANGE = "/v1/billing/plan-change"


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Stack:
    return new_stack(workers=2, threads=32, environment=NO_RATE_LIMITS)


def all_at_once(caller: Caller, bodies: list[Any], *, key: Callable[[int], str | None]) -> list[Response]:
    """Every body by a thread of its own, let go together."""
    gate = Barrier(len(bodies))

    def ask(number: int) -> Response:
        gate.wait()
        return caller.post(CHANGE, bodies[number], key=key(number))

    with ThreadPoolExecutor(len(bodies)) as threads:
        return list(threads.map(ask, range(len(bodies))))


def charges(stack: Stack, name: str) -> list[int]:
    """What each paid invoice of this person took, at the stand-in."""
    query = "SELECT stripe_customer_id FROM accounts_account WHERE id = %s"
    customer = stack.sql(query, account_id(stack, name))[0][0]
    invoices = stack.stripe("state")["invoices"].values()
    return [one["amount_paid"] for one in invoices if one["customer"] == customer and one["amount_paid"] > 0]


def told(answer: Response) -> Any:
    """The answer without its request id, which is each request's own."""
    body = answer.json()
    return body["data"] if answer.ok else body["error"]["code"]


@pytest.mark.parametrize("how", ["with one key", "without a key"])
def test_32_identical_upgrades_make_one_transition_and_one_charge(stack: Stack, how: str) -> None:
    basic = stack.caller("basic")
    charged_before = charges(stack, "basic")
    history_before = basic.get("/v1/billing/plan-changes").json()["data"]
    preview = basic.post(f"{CHANGE}/preview", {"target_plan": "premium"}).json()["data"]
    body = {"target_plan": "premium", "quote": preview["quote"]}
    key = "one-upgrade" if how == "with one key" else None
    answers = all_at_once(basic, [body] * CALLERS, key=lambda _: key)
    assert [answer.status_code for answer in answers] == [200] * CALLERS, {a.text for a in answers}
    assert all(told(answer) == told(answers[0]) for answer in answers)
    assert told(answers[0])["subscription"]["plan"]["code"] == "premium"
    charged = charges(stack, "basic")[len(charged_before) :]
    assert charged == [preview["due_now"]["amount_minor"]]
    history = basic.get("/v1/billing/plan-changes").json()["data"]
    new = history[: len(history) - len(history_before)]
    assert [(change["to_plan"], change["status"]) for change in new] == [("premium", "applied")]


def test_of_two_different_changes_at_once_one_wins(stack: Stack) -> None:
    basic = stack.caller("basic")
    history_before = basic.get("/v1/billing/plan-changes").json()["data"]
    bodies = [{"target_plan": "premium"}, {"target_plan": "free"}]
    answers = all_at_once(basic, bodies, key=lambda number: f"change-{number}")
    won = [answer for answer in answers if answer.status_code == 200]
    lost = [answer for answer in answers if answer.status_code != 200]
    assert (len(won), len(lost)) == (1, 1), [answer.text for answer in answers]
    assert lost[0].status_code == 409
    assert told(lost[0]) in {"duplicate_plan_change", "plan_change_not_allowed"}
    history = basic.get("/v1/billing/plan-changes").json()["data"]
    new = history[: len(history) - len(history_before)]
    assert [
        change["status"] for change in new if change["status"] in {"applied", "scheduled", "pending"}
    ] == [told(won[0])["plan_change"]["status"]]
