"""Every fault that Stripe can have, on each of the calls that each thing a subscriber does consists of.

The calls are numbered by a run without faults. Whatever was heard, once the sweep has been there nothing is unknown,
nothing is charged twice, what was charged is had, and who asks again gets what they wanted.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from billing.errors import PaymentProviderUnavailable
from billing.models import PlanChange
from billing.services import plan_changes_sweep
from billing.services.sweep import SETTLE_AFTER
from common import outbox
from common.errors import DomainError
from sandbox.stripe.faults import EFFECTS
from tests.billing.flows import FLOWS, Flow, Scene
from tests.billing.trouble import Begun, LastBegun, Trouble, together, troubled
from tests.billing.world import World

LONG = SETTLE_AFTER + timedelta(minutes=1)


@pytest.fixture(scope="module")
def last() -> LastBegun[Scene]:
    return LastBegun()


@pytest.mark.req("CR-8", "PC-1", "PC-6", "BI-1", "BI-4")
@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("name", together(FLOWS))
def test_a_fault_on_each_call(
    world: World, request: pytest.FixtureRequest, last: LastBegun[Scene], name: str, effect: str
):
    flow = FLOWS[name]
    begun = last.of(name, partial(_begin, world, flow))
    if effect == "delay":
        request.getfixturevalue("impatient")
    begun.provoke(world, effect, partial(_one, flow))


def _begin(world: World, flow: Flow) -> Begun[Scene]:
    def is_done(scene: Scene) -> None:
        assert flow.done(scene)

    return Begun.by(world, flow.prepare(world), flow.act, is_done)


def _one(flow: Flow, scene: Scene, trouble: Trouble) -> None:
    world = scene.life.world
    heard: DomainError | None = None
    with troubled(world, trouble):
        try:
            flow.act(scene)
        except DomainError as error:
            heard = error
    assert len(trouble.calls) >= trouble.at, "the call was not reached"
    _swept(world)
    _nothing_is_unknown(scene)
    done = flow.done(scene)
    if heard is None:
        assert done, "told that it was done, and it was not"
    else:
        assert isinstance(heard, PaymentProviderUnavailable), heard
        assert not (done and heard.details.get("status") == "failed"), (
            "told that nothing came of it, and it did"
        )
    _agrees(scene, done=done)
    _again(flow, scene, done=done)


def _swept(world: World) -> None:
    """Twice: once soon, once when no call can be under way any more."""
    for later in (timedelta(seconds=10), LONG):
        plan_changes_sweep(now=world.tick() + later)
        outbox.run_due(now=world.tick() + later)


def _nothing_is_unknown(scene: Scene) -> None:
    mine = PlanChange.objects.filter(account=scene.life.account)
    assert not mine.filter(status="pending").exists(), "an intent is open"
    assert not mine.filter(status="scheduled", undo_requested_at__isnull=False).exists(), "an undo is open"


def _agrees(scene: Scene, *, done: bool) -> None:
    scene.life.account.refresh_from_db()
    if done:
        scene.life.model = scene.after
    scene.life.agree()


def _again(flow: Flow, scene: Scene, *, done: bool) -> None:
    """Who asks again gets what they wanted, or hears that they have it; and pays once."""
    try:
        flow.act(scene)
    except flow.again:
        assert done
    assert flow.done(scene)
    _agrees(scene, done=True)
