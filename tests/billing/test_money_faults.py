"""Every fault that Stripe can have, on each call of everything that moves money beside a change of plan.

As in test_faults: whatever was heard, once the sweeps have been there nothing is unknown, nothing is charged or given
back twice, nothing paid is lost, and who asks again gets what they wanted.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from billing.errors import OverageChargeFailed, PaymentProviderUnavailable
from billing.services.plan_credits import plan_credits_sweep
from billing.services.sweep import SETTLE_AFTER
from common import outbox
from common.errors import DomainError
from quotas.errors import InsufficientCredits
from sandbox.stripe.faults import EFFECTS
from tests.billing.money_flows import MONEY_FLOWS, MoneyFlow, Scene, sweep_all, unknown
from tests.billing.overage_flows import OVERAGE_FLOWS
from tests.billing.trouble import Begun, LastBegun, Trouble, together, troubled
from tests.billing.world import World

FLOWS = MONEY_FLOWS | OVERAGE_FLOWS
LONG = SETTLE_AFTER + timedelta(minutes=1)
HEARD = (PaymentProviderUnavailable, OverageChargeFailed, InsufficientCredits)
"""What somebody may hear: that it is not known; of overage also that it was not done."""


@pytest.fixture(scope="module")
def last() -> LastBegun[Scene]:
    return LastBegun()


@pytest.mark.req("CR-8", "BI-6", "BI-7", "BI-8", "CR-5")
@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("name", together(FLOWS))
def test_a_fault_on_each_call_that_moves_money(
    world: World, request: pytest.FixtureRequest, last: LastBegun[Scene], name: str, effect: str
):
    flow = FLOWS[name]
    begun = last.of(name, partial(_begin, world, flow))
    if effect == "delay":
        request.getfixturevalue("impatient")
    begun.provoke(world, effect, partial(_one, flow))


def _begin(world: World, flow: MoneyFlow) -> Begun[Scene]:
    def act(scene: Scene) -> None:
        assert flow.act(scene), "without a fault it is done"

    return Begun.by(world, flow.prepare(world), act, lambda scene: _is_right(flow, scene, done=True))


def _one(flow: MoneyFlow, scene: Scene, trouble: Trouble) -> None:
    heard, told_done = None, False
    with troubled(scene.world, trouble):
        try:
            told_done = flow.act(scene)
        except DomainError as error:
            heard = error
    assert len(trouble.calls) >= trouble.at, "the call was not reached"
    _swept(scene)
    assert unknown(scene.account) == []
    done = flow.done(scene)
    assert done or not told_done, "told that it was done, and it was not"
    if heard is not None:
        assert isinstance(heard, HEARD), heard
        assert not (done and heard.details.get("status") == "failed"), (
            "told that nothing came of it, and it did"
        )
    _is_right(flow, scene, done=done)
    _again(flow, scene, done=done)


def _swept(scene: Scene) -> None:
    """Twice: once soon, once when no call can be under way any more."""
    for later in (timedelta(seconds=10), LONG):
        now = scene.world.tick() + later
        sweep_all(now)
        plan_credits_sweep(now=now)
        outbox.run_due(now=now)


def _is_right(flow: MoneyFlow, scene: Scene, *, done: bool) -> None:
    scene.account.refresh_from_db()
    flow.is_right(scene, done)


def _again(flow: MoneyFlow, scene: Scene, *, done: bool) -> None:
    try:
        assert flow.act(scene)
    except flow.again:
        assert done
    assert flow.done(scene)
    _is_right(flow, scene, done=True)
