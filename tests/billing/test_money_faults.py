"""Every fault that Stripe can have, on each call of everything that moves money beside a change of plan.

As in test_faults: whatever was heard, once the sweeps have been there nothing is unknown, nothing is charged or given
back twice, nothing paid is lost, and who asks again gets what they wanted.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing.errors import OverageChargeFailed, PaymentProviderUnavailable
from billing.services.plan_credits import plan_credits_sweep
from billing.services.sweep import SETTLE_AFTER
from common import outbox
from common.errors import DomainError
from quotas.errors import InsufficientCredits
from sandbox.stripe.faults import EFFECTS
from tests.billing.money_flows import MONEY_FLOWS, MoneyFlow, Scene, sweep_all, unknown
from tests.billing.snapshots import Snapshot
from tests.billing.trouble import READS, Trouble, troubled
from tests.billing.world import World

LONG = SETTLE_AFTER + timedelta(minutes=1)
HEARD = (PaymentProviderUnavailable, OverageChargeFailed, InsufficientCredits)
"""What somebody may hear: that it is not known; of overage also that it was not done."""


@pytest.mark.req("CR-8", "BI-6", "BI-7", "BI-8", "CR-5")
@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("name", MONEY_FLOWS)
def test_a_fault_on_each_call_that_moves_money(
    world: World, request: pytest.FixtureRequest, name: str, effect: str
):
    flow = MONEY_FLOWS[name]
    scene = flow.prepare(world)
    begin = Snapshot.keep(world)
    calls = _calls_of(flow, scene)
    if effect == "delay":
        request.getfixturevalue("impatient")
    for number, (method, path) in enumerate(calls, start=1):
        if method == "GET" and effect not in READS:
            continue
        begin.put_back(world)
        scene.account.refresh_from_db()
        try:
            _one(flow, scene, Trouble(effect, number))
        except AssertionError as error:
            raise AssertionError(
                f"{effect} on call {number} of {len(calls)}: {method} {path}: {error}"
            ) from error


def _calls_of(flow: MoneyFlow, scene: Scene) -> list[tuple[str, str]]:
    dry = Trouble()
    with troubled(scene.world, dry):
        assert flow.act(scene), "without a fault it is done"
    assert dry.calls
    _is_right(flow, scene, done=True)
    return dry.calls


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
