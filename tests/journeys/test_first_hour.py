"""The main job from end to end, over HTTP as a new customer meets it: stopped at the limit, upgraded, and on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.callers import Caller
from tests.counting import account_id
from tests.stack import Stack

pytestmark = [
    pytest.mark.req("PC-1", "PC-2", "PC-4", "PC-5", "PC-8", "BI-1", "BI-2", "QU-2", "QU-3", "QU-10"),
    pytest.mark.slow,
]

CHAT = "/v1/chat/messages"
CHANGE = "/v1/billing/plan-change"
FREE_MESSAGES, PREMIUM_MESSAGES = 5, 1_000


def data(answer: Any) -> Any:
    assert answer.ok, f"{answer.status_code} {answer.text}"
    return answer.json()["data"]


def quota(caller: Caller) -> dict[str, Any]:
    """The figures of today's messages."""
    found: dict[str, Any] = data(caller.get("/v1/billing/quota?metric=messages"))
    return {name: found[name] for name in ("window", "limit", "used", "remaining")}


def of_day(limit: int, used: int) -> dict[str, Any]:
    return {"window": "day", "limit": limit, "used": used, "remaining": max(limit - used, 0)}


def plan(caller: Caller) -> tuple[str, str | None]:
    """The plan in force, and the one that is scheduled."""
    subscription = data(caller.get("/v1/billing/subscription"))
    pending = subscription["pending_change"]
    return subscription["plan"]["code"], pending and pending["target_plan"]


def paid_invoices(stack: Stack, name: str) -> list[dict[str, Any]]:
    """This person's paid invoices with an amount, at the stand-in, oldest first."""
    query = "SELECT stripe_customer_id FROM accounts_account WHERE id = %s"
    customer = stack.sql(query, account_id(stack, name))[0][0]
    invoices = [one for one in stack.stripe("state")["invoices"].values() if one["customer"] == customer]
    return sorted((one for one in invoices if one["amount_paid"]), key=lambda one: one["created"])


def use_up_the_free_plan(free: Caller) -> None:
    for used in range(1, FREE_MESSAGES + 1):
        sent = data(free.post(CHAT, {"text": "Where is Venus?"}))
        assert "Venus stands at" in sent["reply"]
        assert sent["quota"]["used"] == used
    assert quota(free) == of_day(FREE_MESSAGES, FREE_MESSAGES)


def assert_refused_with_help(free: Caller) -> None:
    answer = free.post(CHAT, {"text": "Where is Venus?"})
    assert answer.status_code == 429
    error = answer.json()["error"]
    assert error["code"] == "quota_exceeded"
    assert error["request_id"] == answer.headers["X-Request-Id"]
    details = error["details"]
    figures = {"metric": "messages", "limit": 5, "used": 5, "remaining": 0, "requested": 1}
    assert {name: details[name] for name in figures} == figures
    assert details["reset_at"].endswith("T00:00:00Z")
    assert 0 < int(answer.headers["Retry-After"]) <= 86_400
    (bound,) = details["bounds"]
    assert (bound["window"], bound["limit"], bound["used"], bound["allows"]) == ("day", 5, 5, False)
    assert bound["source"] == "plan"
    actions = {remedy["action"]: remedy for remedy in details["remedies"]}
    assert {"upgrade", "wait"} <= set(actions)
    assert actions["upgrade"]["url"].startswith("/account/billing/plans/")
    assert actions["upgrade"]["plan"] in {"basic", "premium"}
    assert quota(free) == of_day(FREE_MESSAGES, FREE_MESSAGES)


def upgrade_for_the_price_shown(stack: Stack, free: Caller) -> None:
    preview = data(free.post(f"{CHANGE}/preview", {"target_plan": "premium"}))
    assert (preview["kind"], preview["due_now"]) == ("upgrade", {"amount_minor": 2_000, "currency": "eur"})
    (change,) = [one for one in preview["quota_changes"] if one["metric"] == "messages"]
    assert (change["from_limit"], change["to_limit"], change["used"]) == (5, 1_000, 5)
    assert paid_invoices(stack, "free") == []

    changed = data(free.post(CHANGE, {"target_plan": "premium", "quote": preview["quote"]}, key="upgrade-1"))
    assert changed["plan_change"]["status"] == "applied"
    assert changed["subscription"]["plan"]["code"] == "premium"
    (invoice,) = paid_invoices(stack, "free")
    assert (invoice["amount_paid"], invoice["currency"]) == (preview["due_now"]["amount_minor"], "eur")
    (listed,) = [one for one in data(free.get("/v1/billing/invoices")) if one["total"]["amount_minor"]]
    assert (listed["status"], listed["total"]) == ("paid", preview["due_now"])


def schedule_undo_and_schedule_again(free: Caller) -> str:
    """Returns when the downgrade takes effect."""
    scheduled = data(free.post(CHANGE, {"target_plan": "basic"}, key="downgrade-1"))
    assert scheduled["plan_change"]["status"] == "scheduled"
    assert plan(free) == ("premium", "basic")
    data(free.delete(CHANGE))
    assert plan(free) == ("premium", None)
    assert free.delete(CHANGE).json()["error"]["code"] == "nothing_to_undo"
    again = data(free.post(CHANGE, {"target_plan": "basic"}, key="downgrade-2"))
    assert plan(free) == ("premium", "basic")
    assert quota(free) == of_day(PREMIUM_MESSAGES, FREE_MESSAGES + 1)
    return str(again["plan_change"]["effective_at"])


def assert_downgraded(stack: Stack, free: Caller) -> None:
    assert plan(free) == ("basic", None)
    assert quota(free) == of_day(50, 0)
    for _ in range(50):
        data(free.post(CHAT, {"text": "Moon"}))
    assert free.post(CHAT, {"text": "Moon"}).json()["error"]["code"] == "quota_exceeded"
    assert [one["amount_paid"] for one in paid_invoices(stack, "free")] == [2_000, 500]
    history = data(free.get("/v1/billing/plan-changes"))
    assert [(one["from_plan"], one["to_plan"], one["status"]) for one in history] == [
        ("premium", "basic", "applied"),
        ("premium", "basic", "undone"),
        ("free", "premium", "applied"),
    ]


def test_from_the_limit_to_premium_and_back_to_basic(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(workers=2, beat=True)
    free = stack.caller("free")
    assert plan(free) == ("free", None)

    use_up_the_free_plan(free)
    assert_refused_with_help(free)

    upgrade_for_the_price_shown(stack, free)
    assert data(free.post(CHAT, {"text": "And now?"}))["quota"]["used"] == FREE_MESSAGES + 1
    assert quota(free) == of_day(PREMIUM_MESSAGES, FREE_MESSAGES + 1)

    effective_at = schedule_undo_and_schedule_again(free)
    stack.advance("32d")
    free = stack.caller("free")  # tokens are short-lived
    assert data(free.get("/v1/billing/plan-changes"))[0]["effective_at"] == effective_at
    assert_downgraded(stack, free)
