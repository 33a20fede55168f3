"""A store's upgrade, killed at each of its steps: credits are granted once, money is taken once, and so it is retried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from billing import services
from billing.models import PlanChange
from billing.tests.conftest import _stand_in, stand_in, trading  # noqa: F401 - fixtures
from billing.tests.helpers import state, subscription
from billing.tests.stores import credits_of, moves, store
from common import outbox
from common.clock import database_now
from common.models import IdempotencyRecord
from enterprise.tests.conftest import Holder, _samplers_forget, key_of  # noqa: F401 - fixtures
from quotas.models import Grant
from tests.crash.killing import run_killed

pytestmark = [pytest.mark.req("PC-12", "PC-6", "CR-2"), pytest.mark.slow]

LATER = timedelta(hours=1)
LEAST_STEPS = 12


def upgrade(holder: Holder) -> Any:
    return holder.client.post(
        "/v1/b2b/plan-change", {"target_plan": "growth"}, "json", HTTP_IDEMPOTENCY_KEY="up"
    )


def upgraded(holder: Holder) -> None:
    """What the killed process does."""
    answer = upgrade(holder)
    assert answer.status_code == 200, answer.content


def heal() -> None:
    """Time passes: promises are kept and every sweep runs, twice."""
    for _ in range(2):
        services.plan_changes_sweep(now=database_now() + LATER)
        outbox.run_due(now=database_now() + LATER)
        services.plan_credits_sweep(now=database_now())


def paid_for(holder: Holder, stand_in: Any) -> list[int]:  # noqa: F811
    """What the upgrade's invoices took, in cents."""
    customer = holder.account.stripe_customer_id
    return [
        one["amount_paid"]
        for one in state(stand_in)["invoices"].values()
        if one["customer"] == customer and one["billing_reason"] == "subscription_update"
    ]


def right(holder: Holder, stand_in: Any) -> bool:  # noqa: F811
    """Whether it happened; wholly and once, or not at all."""
    happened = bool(subscription(holder.account).plan.code == "growth")
    assert moves(holder.account) == [("grant", 100, 0), *([("grant", 400, 0)] * happened)]
    assert credits_of(holder.account) == (500 if happened else 100)
    assert Grant.objects.filter(account=holder.account, source="upgrade").count() == happened
    paid = paid_for(holder, stand_in)
    assert len(paid) == happened
    assert all(6990 <= amount <= 7000 for amount in paid), (
        "the difference of a whole period, less some seconds"
    )
    assert (
        PlanChange.objects.filter(account=holder.account, status="applied", kind="upgrade").count()
        == happened
    )
    return happened


def holder_of_a_store() -> Holder:
    account = store("starter")
    return key_of(account, account.members.get())


@pytest.mark.parametrize("is_retried", [False, True], ids=["healed by the sweeps", "and retried"])
def test_killed_at_each_step(trading: Any, stand_in: Any, is_retried: bool) -> None:  # noqa: F811
    whole = holder_of_a_store()
    steps = run_killed(lambda: upgraded(whole), kill_at=None)
    assert right(whole, stand_in)
    assert len(steps) >= LEAST_STEPS, steps
    assert "before POST subscriptions" in " ".join(steps)
    outcomes = []
    for number, step in enumerate(steps):
        holder = holder_of_a_store()
        passed = run_killed(lambda holder=holder: upgraded(holder), kill_at=number)  # type: ignore[misc]
        assert passed == steps[: number + 1], "it is the same way each time"
        heal()
        try:
            happened = right(holder, stand_in)
            if is_retried:
                IdempotencyRecord.objects.update(locked_until=database_now() - timedelta(minutes=1))
                answer = upgrade(holder)
                assert answer.status_code == 200, answer.content
                heal()
                assert right(holder, stand_in), "retried, it is done"
        except AssertionError as error:
            raise AssertionError(f"killed at step {number} of {len(steps)}: {step}: {error}") from error
        outcomes.append(happened)
    assert outcomes == sorted(outcomes), (
        f"from one step on it holds: {list(zip(steps, outcomes, strict=True))}"
    )
    assert set(outcomes) == {False, True}
