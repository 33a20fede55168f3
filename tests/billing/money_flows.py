"""What moves money beside a change of plan, as a table: how to get there, what is done, what must be true of it then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounts.models import Account
from billing.errors import WithdrawalNotAllowed
from billing.gateways.client import api
from billing.models import (
    InvoicePayment,
    OverageCharge,
    OverageCollection,
    PlanChange,
    Refund,
    Withdrawal,
)
from billing.services import (
    invoice_pay,
    invoice_payments_sweep,
    invoice_refund,
    overage_charges_sweep,
    plan_changes_sweep,
    refunds_sweep,
    withdrawal_make,
    withdrawals_sweep,
)
from billing.services.reconcile import reconcile
from common.clock import database_now
from quotas.models import Reservation
from tests.billing.subscribers import Life
from tests.billing.world import World


@dataclass
class Scene:
    """`before`: the figures that are compared with what they are afterwards."""

    world: World
    account: Account
    life: Life | None = None
    before: dict[str, Any] = field(default_factory=dict)

    def anew(self) -> Scene:
        """The same before the act, when the world has been put back to there. What is done to it changes only itself."""
        if self.life is None:
            account = Account.objects.get(pk=self.account.pk)
            return Scene(self.world, account, before=dict(self.before))
        life = self.life.anew()
        return Scene(self.world, life.account, life, dict(self.before))

    def there(self, kind: str) -> list[dict[str, Any]]:
        return self.world.objects(kind, customer=self.account.stripe_customer_id)

    def taken(self) -> int:
        """From the card, in minor units."""
        return sum(one["amount"] for one in self.there("charge") if one["paid"])

    def given_back(self) -> int:
        return sum(one["amount_refunded"] for one in self.there("charge"))


@dataclass(frozen=True)
class MoneyFlow:
    """`act` answers whether it is told to be done; `done`, whether it is. `is_right` is asked in both cases."""

    prepare: Callable[[World], Scene]
    act: Callable[[Scene], bool]
    done: Callable[[Scene], bool]
    is_right: Callable[[Scene, bool], None]
    again: tuple[type[Exception], ...] = ()


def sweep_all(now: datetime) -> None:
    """Everything that beat does about money, but for the comparison with Stripe, which would hide what is missing."""
    plan_changes_sweep(now=now)
    invoice_payments_sweep(now=now)
    refunds_sweep(now=now)
    withdrawals_sweep(now=now)
    overage_charges_sweep(now=now)


def unknown(account: Account) -> list[str]:
    """What is still open of all that was begun."""
    pending = {"status": "pending"}
    found = [PlanChange, InvoicePayment, Refund, OverageCharge, OverageCollection]
    rows = [
        f"{model.__name__} is pending" for model in found if model.objects.filter(account=account, **pending)
    ]
    if Withdrawal.objects.filter(account=account, completed_at=None).exists():
        rows.append("a withdrawal is not completed")
    if Reservation.objects.filter(account_id=account.pk, status="open").exists():
        rows.append("units are still held")
    return rows


# Paying now ----------------------------------------------------------------------------------------------------------


def _overdue(world: World) -> Scene:
    life = Life(world)
    life.change("basic/month")
    life.card_becomes("chargeCustomerFail")
    assert life.model.end is not None
    life.live_to(life.model.end)
    life.refresh()
    assert life.row().status == "past_due"
    life.card_becomes("visa")
    (invoice,) = (one for one in life.invoices() if one["status"] == "open")
    return Scene(world, life.account, life, {"invoice": invoice["id"]})


def _pay(scene: Scene) -> bool:
    scene.world.tick()
    invoice = invoice_pay(
        account=scene.account,
        user=None,
        invoice_id=scene.before["invoice"],
        request_id="req-pay",
        now=database_now(),
    )
    return invoice.status == "paid"


def _is_paid(scene: Scene) -> bool:
    (invoice,) = (one for one in scene.there("invoice") if one["id"] == scene.before["invoice"])
    return bool(invoice["status"] == "paid")


def _one_renewal_is_paid(scene: Scene, done: bool) -> None:
    assert scene.taken() == (1000 if done else 500)
    paid = InvoicePayment.objects.filter(account=scene.account, status="paid").count()
    assert paid <= 1
    life = scene.life
    assert life is not None
    life.refresh()  # Stripe's event, should the request itself not have come so far
    assert life.row().status == ("active" if done else "past_due")
    if done:
        life.agree()


# Withdrawing ---------------------------------------------------------------------------------------------------------


REST = 1677  # of 2000, for 26 of 31 days


def _five_days_old(world: World) -> Scene:
    life = Life(world)
    life.change("premium/month")
    life.live_to(life.second + timedelta(days=5))
    return Scene(world, life.account, life)


def _withdraw(scene: Scene) -> bool:
    scene.world.tick()
    made = withdrawal_make(account=scene.account, user=None, request_id="req-withdraw", now=database_now())
    return made.completed_at is not None


def _has_withdrawn(scene: Scene) -> bool:
    return Withdrawal.objects.filter(account=scene.account).exists()


def _is_given_back_once(scene: Scene, done: bool) -> None:
    life = scene.life
    assert life is not None
    assert scene.taken() == 2000
    assert scene.given_back() == (REST if done else 0)
    assert len(scene.there("credit_note")) == (1 if done else 0)
    (there,) = scene.there("subscription")
    assert there["status"] == ("canceled" if done else "active")
    if done:
        assert Withdrawal.objects.get(account=scene.account).refund_minor == scene.given_back()
        assert (life.row().plan.code, life.limit()) == ("free", 5)
    else:
        life.agree()


# Refunds -------------------------------------------------------------------------------------------------------------

PART = 700


def _paid(world: World) -> Scene:
    scene = _five_days_old(world)
    (invoice,) = scene.there("invoice")
    scene.before["invoice"] = invoice["id"]
    return scene


def _refund(scene: Scene) -> bool:
    scene.world.tick()
    refund = invoice_refund(
        account=scene.account,
        invoice_id=scene.before["invoice"],
        amount_minor=PART,
        reason="an outage",
        actor=None,
        idempotency_key="refund-1",
        request_id="req-refund",
        now=database_now(),
    )
    return refund.status == "done"


def _is_refunded(scene: Scene) -> bool:
    return Refund.objects.filter(account=scene.account, status="done").exists()


def _is_refunded_once(scene: Scene, done: bool) -> None:
    assert scene.given_back() == (PART if done else 0)
    assert (
        len(scene.there("credit_note")) == Refund.objects.filter(account=scene.account).count() == int(done)
    )


# Comparing with Stripe -----------------------------------------------------------------------------------------------


def _drifted(world: World) -> Scene:
    """Another plan and an end, both set at Stripe."""
    scene = _five_days_old(world)
    life = scene.life
    assert life is not None
    (price,) = api().prices.list({"lookup_keys": ["palier_basic_v1_month"]}).data
    (item,) = api().subscriptions.retrieve(life.stripe_id)["items"].data
    params: dict[str, Any] = {"items": [{"id": item.id, "price": price.id}], "proration_behavior": "none"}
    api().subscriptions.update(life.stripe_id, params)
    api().subscriptions.update(life.stripe_id, {"cancel_at_period_end": True})
    life.model.offer, life.model.following = "basic/month", "free"
    return scene


def _reconcile(scene: Scene) -> bool:
    scene.world.tick()
    report = reconcile(now=database_now(), mend=True)
    return not report.left and not report.unanswered


def _agrees_with_stripe(scene: Scene) -> bool:
    life = scene.life
    assert life is not None
    return life.row().plan.code == "basic" and life.row().cancel_at is not None


def _is_mended_and_nothing_charged(scene: Scene, done: bool) -> None:
    assert scene.taken() == 2000
    assert scene.life is not None
    if done:
        scene.life.agree()


MONEY_FLOWS = {
    "pay now": MoneyFlow(_overdue, _pay, _is_paid, _one_renewal_is_paid),
    "withdraw": MoneyFlow(
        _five_days_old, _withdraw, _has_withdrawn, _is_given_back_once, (WithdrawalNotAllowed,)
    ),
    "refund": MoneyFlow(_paid, _refund, _is_refunded, _is_refunded_once),
    "compare with Stripe": MoneyFlow(
        _drifted, _reconcile, _agrees_with_stripe, _is_mended_and_nothing_charged
    ),
}
