"""Many keys of one organisation at its limit at once, over HTTP, on several processes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.callers import Caller
from tests.stack import Stack

WEEKLY = "/v1/b2b/astrology/weekly-by-sign?sign=leo"
CONSUME = "/v1/b2b/usage/consume"
pytestmark = pytest.mark.slow


def more_keys(stack: Stack, name: str, count: int) -> list[Caller]:
    """The organisation's demo key and others that it makes."""
    first = stack.caller(name)
    made = [
        first.post("/v1/b2b/credentials", {"name": f"k{n}", "scopes": ["product", "usage:read"]})
        for n in range(1, count)
    ]
    secrets = [answer.json()["data"]["secret"] for answer in made]
    return [first, *(Caller(stack.base_url, {"X-Api-Key": secret}) for secret in secrets)]


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    barrier, answers = threading.Barrier(len(calls)), []

    def run(call: Callable[[], Any]) -> None:
        barrier.wait()
        answers.append(call())

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.req("EN-3", "EN-4", "QU-2")
def test_two_of_sixteen_fit(new_stack: Callable[..., Stack]) -> None:
    """acme at 998 of 1,000: 16 parallel calls on 4 keys."""
    stack = new_stack(workers=2)
    callers = more_keys(stack, "acme", 4)
    used = callers[0].post(CONSUME, {"metric": "api_calls", "units": 998})
    assert used.status_code == 200, used.text
    answers = at_once([lambda caller=caller: caller.get(WEEKLY) for caller in callers * 4])
    assert Counter(answer.status_code for answer in answers) == {200: 2, 429: 14}
    codes = {answer.json()["error"]["code"] for answer in answers if answer.status_code == 429}
    assert codes == {"b2b_quota_exceeded"}
    summary = callers[0].get("/v1/b2b/usage/summary").json()["data"]
    day = next(one for one in summary["windows"] if one["window"] == "day")
    assert (day["used"], day["remaining"], day["reserved"]) == (1000, 0, 0)
    assert sum(one["day_units"] for one in summary["by_credential"]) == 1000


@pytest.mark.req("EN-4")
def test_past_a_charged_limit_all_are_served(new_stack: Callable[..., Stack]) -> None:
    """globex past its 100: 16 more are served; 66 units of overage at 2 cents, and the period's invoice says so."""
    stack = new_stack(workers=2)
    callers = more_keys(stack, "globex", 4)
    assert callers[0].post(CONSUME, {"metric": "api_calls", "units": 150}).status_code == 200
    answers = at_once([lambda caller=caller: caller.get(WEEKLY) for caller in callers * 4])
    assert {answer.status_code for answer in answers} == {200}
    summary = callers[0].get("/v1/b2b/usage/summary").json()["data"]
    assert summary["cost_so_far"] == {"amount_minor": 132, "currency": "usd"}
    assert sum(one["day_units"] for one in summary["by_credential"]) == 166
    stack.advance("32d")
    invoices = [
        one
        for one in stack.stripe("state")["invoices"].values()
        if one["collection_method"] == "send_invoice"
    ]
    assert [(one["total"], one["currency"], one["status"]) for one in invoices] == [(132, "usd", "open")]


@pytest.mark.req("EN-2")
def test_a_revoked_key_opens_nothing_on_any_process(new_stack: Callable[..., Stack]) -> None:
    """Every call that begins after the revocation was answered is refused: the bound is zero."""
    stack = new_stack(workers=2)
    first, *others = more_keys(stack, "globex", 6)
    for other in others:
        for _ in range(4):
            assert other.get(WEEKLY).status_code == 200  # both processes have met the key
    listed = first.get("/v1/b2b/credentials").json()["data"]
    for other, one in zip(others, sorted(listed, key=lambda one: one["name"])[1:], strict=True):
        assert first.post(f"/v1/b2b/credentials/{one['id']}/revoke", {}).status_code == 200
        answers = at_once([lambda other=other: other.get(WEEKLY)] * 8)
        assert {(answer.status_code, answer.json()["error"]["code"]) for answer in answers} == {
            (401, "invalid_api_key")
        }
