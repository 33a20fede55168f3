"""What a subscriber does at Stripe through us, as a table: how to get there, what is done, what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from billing.errors import DuplicatePlanChange, NothingToUndo, PlanChangeNotAllowed
from billing.gateways.client import api
from billing.services import (
    payment_method_add,
    payment_method_make_default,
    payment_method_remove,
    payment_methods_list,
    subscription_resume,
)
from billing.tests.helpers import ask, cancel, undo
from common.clock import database_now
from common.errors import NotFound
from tests.billing.reference import FREE, Subscriber, interval_of, is_upgrade, plan_of
from tests.billing.subscribers import Life
from tests.billing.world import World


@dataclass
class Scene:
    """A life before the act. `after`: the reference when the act was done; `cards`: what is then on file."""

    life: Life
    after: Subscriber
    extra: dict[str, Any] = field(default_factory=dict)

    def anew(self) -> Scene:
        """The same before the act, when the world has been put back to there. What is done to it changes only itself."""
        return Scene(self.life.anew(), deepcopy(self.after), dict(self.extra))


@dataclass(frozen=True)
class Flow:
    """`again` says by which errors somebody who repeats the act hears that it is done already."""

    prepare: Callable[[World], Scene]
    act: Callable[[Scene], Any]
    done: Callable[[Scene], bool]
    again: tuple[type[Exception], ...] = ()


def _life(world: World, *offers: str, card: bool = True) -> Life:
    life = Life(world, card=card)
    for offer in offers:
        life.change(offer)
    return life


def _changing(source: tuple[str, ...], target: str) -> Flow:
    """With a quote, as the page does it."""

    def prepare(world: World) -> Scene:
        life = _life(world, *source)
        scene = Scene(life, deepcopy(life.model), {"quote": life.preview(target).quote})
        if is_upgrade(scene.after.offer, target):
            scene.after.upgraded(target, life.second)
        else:
            scene.after.following = target
        return scene

    def act(scene: Scene) -> Any:
        scene.life.world.tick()
        quote = scene.extra.pop("quote", None)
        return ask(scene.life.account, plan_of(target), interval_of(target), quote=quote)

    return Flow(prepare, act, _is_after, (DuplicatePlanChange,))


def _is_after(scene: Scene) -> bool:
    """What our own rows say; whether Stripe agrees is looked at by all."""
    row = scene.life.row()
    waits = scene.life.waiting() is not None or (row.cancel_at is not None)
    offer = FREE if row.stripe_subscription_id is None else f"{row.plan.code}/{row.price.interval}"
    return (offer, waits) == (scene.after.offer, scene.after.following is not None)


def _undoing(target: str) -> Flow:
    def prepare(world: World) -> Scene:
        life = _life(world, "premium/month", target)
        scene = Scene(life, deepcopy(life.model))
        scene.after.following = None
        return scene

    def act(scene: Scene) -> Any:
        scene.life.world.tick()
        return undo(scene.life.account)

    return Flow(prepare, act, _is_after, (NothingToUndo,))


def _ending_now(world: World) -> Scene:
    life = _life(world, "premium/month")
    scene = Scene(life, deepcopy(life.model))
    scene.after.ended()
    return scene


def _end_now(scene: Scene) -> Any:
    scene.life.world.tick()
    return cancel(scene.life.account, "now")


def _ending_by_hand(world: World) -> Scene:
    life = _life(world, "premium/month")
    life.ends_by_hand()
    scene = Scene(life, deepcopy(life.model))
    scene.after.following = None
    return scene


def _resume(scene: Scene) -> Any:
    scene.life.world.tick()
    account = scene.life.account
    return subscription_resume(account=account, user=None, request_id="", now=database_now())


# Cards ---------------------------------------------------------------------------------------------------------------


def _card_entered(kind: str = "tok_visa") -> str:
    """A card as the browser leaves it at Stripe: nobody's yet."""
    return str(api().payment_methods.create({"type": "card", "card": {"token": kind}}).id)


def _entering(*, first: bool) -> Callable[[World], Scene]:
    def prepare(world: World) -> Scene:
        life = _life(world, card=not first)
        held = [] if first else [one.id for one in payment_methods_list(account=life.account)[0]]
        card = _card_entered()
        return Scene(life, deepcopy(life.model), {"card": card, "cards": [*held, card]})

    return prepare


def _add(scene: Scene) -> Any:
    return payment_method_add(account=scene.life.account, payment_method_id=scene.extra["card"])


def _with_two_cards(world: World) -> Scene:
    scene = _entering(first=False)(world)
    _add(scene)
    return scene


def _make_default(scene: Scene) -> Any:
    return payment_method_make_default(account=scene.life.account, payment_method_id=scene.extra["card"])


def _remove(scene: Scene) -> Any:
    return payment_method_remove(account=scene.life.account, payment_method_id=scene.extra["card"])


def _held(scene: Scene) -> tuple[set[str], str | None]:
    scene.life.account.refresh_from_db()
    cards, default = payment_methods_list(account=scene.life.account)
    return {one.id for one in cards}, default


def _has_all_cards(scene: Scene) -> bool:
    cards, default = _held(scene)
    return cards == set(scene.extra["cards"]) and default == scene.extra["cards"][0]


def _is_default(scene: Scene) -> bool:
    return _held(scene)[1] == scene.extra["card"]


def _is_removed(scene: Scene) -> bool:
    return scene.extra["card"] not in _held(scene)[0]


def _flows() -> dict[str, Flow]:
    return {
        "start": _changing((), "premium/month"),
        "upgrade": _changing(("basic/month",), "premium/month"),
        "upgrade after a switch": _after_a_switch(),
        "downgrade": _changing(("premium/month",), "basic/month"),
        "end at the period's end": _changing(("premium/month",), FREE),
        "undo a downgrade": _undoing("basic/month"),
        "undo the end": _undoing(FREE),
        "end now": Flow(_ending_now, _end_now, _is_after, (PlanChangeNotAllowed,)),
        "resume": Flow(_ending_by_hand, _resume, _is_after, (NothingToUndo,)),
        "first card": Flow(_entering(first=True), _add, _has_all_cards),
        "another card": Flow(_entering(first=False), _add, _has_all_cards),
        "default card": Flow(_with_two_cards, _make_default, _is_default),
        "remove a card": Flow(_with_two_cards, _remove, _is_removed, (NotFound,)),
    }


def _after_a_switch() -> Flow:
    """The period is over, nobody has told us, and the schedule is still there."""
    plain = _changing((), "premium/month")

    def prepare(world: World) -> Scene:
        life = _life(world, "premium/month", "basic/month")
        assert life.model.end is not None
        life.live_to(life.model.end)
        after = deepcopy(life.model)
        after.upgraded("premium/month", life.second)
        return Scene(life, after)

    return Flow(prepare, plain.act, plain.done, plain.again)


FLOWS = _flows()
