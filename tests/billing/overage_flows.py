"""What organisations use past their credits, and the credits that they pay for: further rows of the table of money flows."""

from __future__ import annotations

from django.db.models import Sum

from billing.errors import AlreadySubscribed, DuplicatePlanChange, NoLiveSubscription
from billing.models import OverageCharge, OverageCollection, PlanChange, Subscription
from billing.services import overage_charge_reverse, payment_method_make_default, payment_methods_list
from billing.services.collecting import COLLECT, overage_collect
from billing.tests.helpers import ask, cancel, start
from billing.tests.stores import credits_of, moves, spend, store
from common.clock import database_now
from common.models import OutboxMessage
from quotas.models import Bucket, UsageRecord
from tests.billing.money_flows import MoneyFlow, Scene
from tests.billing.subscribers import card_becomes
from tests.billing.world import World

UNITS = 20  # 2.80 USD on growth


def _without_credits(world: World) -> Scene:
    world.tick()
    account = store("growth", credits_left=0)
    world.tick()
    return Scene(world, account)


def _spend(scene: Scene) -> bool:
    scene.world.tick()
    failed = OverageCharge.objects.filter(account=scene.account, status="failed").count()
    return not spend(scene.account, UNITS, key=f"work-{failed}").is_pending  # what has failed stays so


def _waiting_items(scene: Scene) -> list[int]:
    return [one["amount"] for one in scene.there("invoiceitem") if one["invoice"] is None]


def _is_spent(scene: Scene) -> bool:
    return OverageCharge.objects.filter(account=scene.account, status="accepted").exists()


def _is_charged_and_counted_once(scene: Scene, done: bool) -> None:
    assert _waiting_items(scene) == ([14 * UNITS] if done else [])
    used = UsageRecord.objects.filter(account_id=scene.account.pk).aggregate(sum=Sum("units"))["sum"] or 0
    assert used == (UNITS if done else 0)
    _holds_nothing(scene)
    assert moves(scene.account).count(("overage", 0, UNITS)) == int(done)


def _holds_nothing(scene: Scene) -> None:
    held = Bucket.objects.filter(account=scene.account).aggregate(sum=Sum("reserved_units"))["sum"] or 0
    assert held == 0


def _to_be_collected(world: World) -> Scene:
    """More waits than is let wait, and the invoice is promised."""
    scene = _without_credits(world)
    for number in range(2):
        world.tick()
        spend(scene.account, 400, key=f"work-{number}")
    collection = OverageCollection.objects.get(account=scene.account)
    OutboxMessage.objects.filter(task=COLLECT).update(done_at=database_now())  # the flow does it
    scene.before = {"collection": collection.pk, "taken": scene.taken()}
    return scene


def _collect(scene: Scene) -> bool:
    scene.world.tick()
    return overage_collect(collection_id=scene.before["collection"]).status == "paid"


def _is_collected(scene: Scene) -> bool:
    return OverageCollection.objects.get(pk=scene.before["collection"]).status == "paid"


def _is_collected_once(scene: Scene, done: bool) -> None:
    amount = 14 * 800
    assert scene.taken() - scene.before["taken"] == (amount if done else 0)
    invoices = [one for one in scene.there("invoice") if one["total"] == amount]
    assert [one["status"] for one in invoices] == (["paid"] if done else [])
    assert _waiting_items(scene) == ([] if done else [14 * 400] * 2)
    if done:
        on = OverageCharge.objects.filter(account=scene.account).values_list("stripe_invoice_id", flat=True)
        assert list(on) == [invoices[0]["id"]] * 2


def _refused(world: World) -> Scene:
    """The card refused what was collected; the payer has chosen one that would not, so it is tried at once."""
    scene = _to_be_collected(world)
    card_becomes(world, scene.account, "chargeCustomerFail")
    assert not _collect(scene)
    card_becomes(world, scene.account, "visa")
    _methods, default = payment_methods_list(account=scene.account)
    payment_method_make_default(account=scene.account, payment_method_id=str(default))
    return scene


def _is_paid_once(scene: Scene, done: bool) -> None:
    """The invoice is the one that was refused."""
    assert done, "it is owed, so the sweep does it"
    assert scene.taken() - scene.before["taken"] == 14 * 800
    assert [one["status"] for one in scene.there("invoice") if one["total"] == 14 * 800] == ["paid"]


def _spent(world: World) -> Scene:
    scene = _without_credits(world)
    _spend(scene)
    scene.before = {"charge": str(OverageCharge.objects.get(account=scene.account).pk)}
    return scene


def _spent_and_collected(world: World) -> Scene:
    scene = _to_be_collected(world)
    _collect(scene)
    charge = OverageCharge.objects.filter(account=scene.account).order_by("requested_at").first()
    assert charge is not None
    scene.before["charge"] = str(charge.pk)
    return scene


def _reverse(scene: Scene) -> bool:
    scene.world.tick()
    return overage_charge_reverse(charge_id=scene.before["charge"], reason="no result", now=database_now())


def _is_reversed(scene: Scene) -> bool:
    return OverageCharge.objects.get(pk=scene.before["charge"]).status == "reversed"


def _is_taken_back_once(scene: Scene, done: bool) -> None:
    assert done, "it is owed, so the sweep does it"
    assert _waiting_items(scene) == []
    assert _net_use(scene) == 0


def _net_use(scene: Scene) -> int:
    used = Bucket.objects.filter(account=scene.account, metric__code="generations")
    return int(used.aggregate(sum=Sum("used_units"))["sum"] or 0)


def _is_credited_once(scene: Scene, done: bool) -> None:
    assert done, "it is owed, so the sweep does it"
    notes = scene.there("credit_note")
    assert [one["total"] for one in notes] == [14 * 400]
    assert scene.given_back() == 14 * 400
    assert _net_use(scene) == 400


def _store_to_start(world: World) -> Scene:
    world.tick()
    return Scene(world, store(None))


def _start(scene: Scene) -> bool:
    scene.world.tick()
    change = start(scene.account, "growth").change
    return change.status == "applied"


def _has_started(scene: Scene) -> bool:
    return PlanChange.objects.filter(account=scene.account, status="applied").exists()


def _is_paid_and_credited_once(scene: Scene, done: bool) -> None:
    assert scene.taken() == (9900 if done else 0)
    assert len(scene.there("subscription")) == int(done)
    assert credits_of(scene.account) == (500 if done else 0)


def _starter_past_its_credits(world: World) -> Scene:
    world.tick()
    scene = Scene(world, store("starter", credits_left=0))
    _spend(scene)
    return scene


def _go_up(scene: Scene) -> bool:
    scene.world.tick()
    return ask(scene.account, "growth").change.status == "applied"


def _has_gone_up(scene: Scene) -> bool:
    return PlanChange.objects.filter(account=scene.account, kind="upgrade", status="applied").exists()


def _is_upgraded_once(scene: Scene, done: bool) -> None:
    """What waited is on the upgrade's invoice; the credits are the difference."""
    up = 9900 - 2900 + 16 * UNITS
    assert scene.taken() == 2900 + (up if done else 0)
    assert _waiting_items(scene) == ([] if done else [16 * UNITS])
    assert credits_of(scene.account) == (400 if done else 0)


def _spent_before_the_end(world: World) -> Scene:
    scene = _spent(world)
    scene.before["taken"] = scene.taken()
    return scene


def _end(scene: Scene) -> bool:
    scene.world.tick()
    return cancel(scene.account, "now").change.status == "applied"


def _has_ended(scene: Scene) -> bool:
    return not Subscription.objects.filter(account=scene.account, ended_at=None).exists()


def _is_ended_and_collected_once(scene: Scene, done: bool) -> None:
    """Of an end that did not come the use may have been asked for all the same: it is due."""
    taken, used = scene.taken() - scene.before["taken"], 14 * UNITS
    assert taken == used if done else taken in (0, used)
    assert _waiting_items(scene) == ([] if taken else [used])
    statuses = [one["status"] for one in scene.there("subscription")]
    assert statuses == ["canceled" if done else "active"]


OVERAGE_FLOWS = {
    "charge overage": MoneyFlow(_without_credits, _spend, _is_spent, _is_charged_and_counted_once),
    "collect overage": MoneyFlow(_to_be_collected, _collect, _is_collected, _is_collected_once),
    "collect refused overage": MoneyFlow(_refused, _collect, _is_collected, _is_paid_once),
    "take overage back": MoneyFlow(_spent, _reverse, _is_reversed, _is_taken_back_once),
    "take collected overage back": MoneyFlow(_spent_and_collected, _reverse, _is_reversed, _is_credited_once),
    "end with overage": MoneyFlow(
        _spent_before_the_end, _end, _has_ended, _is_ended_and_collected_once, (NoLiveSubscription,)
    ),
    "start of an organisation": MoneyFlow(
        _store_to_start, _start, _has_started, _is_paid_and_credited_once, (AlreadySubscribed,)
    ),
    "upgrade of an organisation": MoneyFlow(
        _starter_past_its_credits, _go_up, _has_gone_up, _is_upgraded_once, (DuplicatePlanChange,)
    ),
}
