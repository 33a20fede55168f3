"""Somebody who lives in a world, and beside them what the reference says they must be by now."""

from __future__ import annotations

from copy import copy, deepcopy
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Self

from accounts.models import Account
from billing.gateways.client import api
from billing.models import PlanChange, Subscription
from billing.selectors import live_subscription
from billing.services import plan_changes_sweep
from billing.services.converge import subscription_refresh
from billing.tests.conftest import person
from billing.tests.helpers import ask, cancel, preview, undo
from common import outbox
from quotas.selectors import quota_status
from tests.billing.reference import FREE, MESSAGES_A_DAY, Coupon, Subscriber, interval_of, is_upgrade, plan_of
from tests.billing.world import World


class Life:
    """`account` acts through the services; `model` is told the same. `agree` compares all there is.

    `unpaid`: the statuses of invoices at Stripe that nobody has paid, oldest first.
    """

    def __init__(self, world: World, *, card: bool = True) -> None:
        world.tick()
        self.world = world
        self.account: Account = person("pm_card_visa" if card else None)
        self.model = Subscriber(has_card=card)
        self.unpaid: list[str] = []

    def anew(self) -> Self:
        """The same life in a world that was put back to this moment: what is done to it leaves this one as it is."""
        again = copy(self)
        again.account = Account.objects.get(pk=self.account.pk)
        again.model, again.unpaid = deepcopy(self.model), list(self.unpaid)
        return again

    # Acting ------------------------------------------------------------------------------------------------------

    @property
    def second(self) -> datetime:
        return self.world.now.replace(microsecond=0)

    def change(self, offer: str, **more: Any) -> PlanChange:
        """Asks for the offer and expects to get it."""
        self.world.tick()
        done = ask(self.account, plan_of(offer), interval_of(offer), **more).change
        if is_upgrade(self.model.offer, offer):
            self.model.upgraded(offer, self.second)
        else:
            self.model.following = offer
        return done

    def cancel(self) -> None:
        self.world.tick()
        cancel(self.account)
        self.model.following = FREE

    def undo(self) -> None:
        self.world.tick()
        undo(self.account)
        self.model.following = None

    def preview(self, offer: str, **more: Any) -> Any:
        self.world.tick()
        return preview(self.account, plan_of(offer), interval_of(offer), **more)

    def live_to(self, moment: datetime, *, told: bool = False) -> None:
        """Time passes. Unless `told`, what happens at Stripe is not heard of here."""
        self.world.to(moment)
        self.model.lived_to(moment)
        if told:
            self.hear()

    def hear(self) -> None:
        """The sweep, later, asks Stripe about everything that is open or over; what was promised is done."""
        self.world.tick()
        plan_changes_sweep(now=self.world.now + timedelta(minutes=10))
        outbox.run_due(now=self.world.tick())

    # By hand, at Stripe ------------------------------------------------------------------------------------------

    @property
    def stripe_id(self) -> str:
        return str(Subscription.objects.get(account=self.account, ended_at=None).stripe_subscription_id)

    def has_coupon(self, percent: int) -> None:
        coupon = api().coupons.create({"percent_off": percent, "duration": "forever"})
        api().subscriptions.update(self.stripe_id, {"discounts": [{"coupon": coupon.id}]})
        self.model.coupons.append(Coupon(Fraction(percent)))

    def is_taxed(self, percent: str, *, inclusive: bool = False) -> None:
        rate = api().tax_rates.create({"display_name": "VAT", "percentage": percent, "inclusive": inclusive})
        api().subscriptions.update(self.stripe_id, {"default_tax_rates": [rate.id]})
        self.model.tax_on_top = Fraction(0) if inclusive else Fraction(percent)

    def has_balance(self, minor: int) -> None:
        api().customers.update(self.account.stripe_customer_id, {"balance": minor})
        self.model.balance = minor

    def ends_by_hand(self) -> None:
        api().subscriptions.update(self.stripe_id, {"cancel_at_period_end": True})
        self.model.following = FREE
        self.refresh()

    def refresh(self) -> None:
        self.world.tick()
        subscription_refresh(stripe_subscription_id=self.stripe_id)

    def card_becomes(self, kind: str) -> None:
        card_becomes(self.world, self.account, kind)

    # Comparing ---------------------------------------------------------------------------------------------------

    def invoices(self) -> list[dict[str, Any]]:
        """The customer's at Stripe, oldest first; those that only say that a trial began left out."""
        mine = self.world.objects("invoice", customer=self.account.stripe_customer_id)
        return [one for one in mine if not all(self._is_of_trial(line) for line in self.lines(one))]

    def lines(self, invoice: dict[str, Any]) -> list[dict[str, Any]]:
        return self.world.objects("line_item", invoice=invoice["id"])

    def _is_of_trial(self, line: dict[str, Any]) -> bool:
        return str(line["description"]).startswith("Trial period")

    def agree(self) -> None:
        """Stripe, our rows and the meter say what the reference says."""
        self._agree_on_money()
        self._agree_on_subscription()
        assert self.limit() == MESSAGES_A_DAY[plan_of(self.model.offer)]

    def _agree_on_money(self) -> None:
        invoices = self.invoices()
        told = [(one["total"], one["amount_due"]) for one in invoices if one["status"] == "paid"]
        assert told == [(bill.total, bill.due) for bill in self.model.bills]
        assert [one["status"] for one in invoices if one["status"] != "paid"] == self.unpaid
        if not self.account.stripe_customer_id:
            return
        charges = self.world.objects("charge", customer=self.account.stripe_customer_id)
        assert sum(one["amount"] for one in charges if one["paid"]) == sum(
            bill.due for bill in self.model.bills
        )
        (customer,) = (
            one for one in self.world.objects("customer") if one["id"] == self.account.stripe_customer_id
        )
        assert customer["balance"] == self.model.balance

    def _agree_on_subscription(self) -> None:
        ours = self.row()
        theirs = [
            one
            for one in self.world.objects("subscription", customer=self.account.stripe_customer_id)
            if one["status"] not in ("canceled", "incomplete", "incomplete_expired")
        ]
        model = self.model
        assert (ours.plan.code, ours.price.interval) == (plan_of(model.offer), interval_of(model.offer))
        if model.offer == FREE:
            assert (theirs, ours.stripe_subscription_id, ours.cancel_at) == ([], None, None)
            return
        (there,) = theirs
        (item,) = there["items"]["data"]
        assert (ours.current_period_start, ours.current_period_end) == (model.start, model.end)
        assert (item["current_period_start"], item["current_period_end"]) == (_s(model.start), _s(model.end))
        assert (there["id"], item["price"]) == (ours.stripe_subscription_id, ours.price.stripe_price_id)
        assert ours.status == there["status"] == ("trialing" if model.trial_end else "active")
        assert ours.anchor_at == model.anchor
        assert (ours.cancel_at is not None) == there["cancel_at_period_end"] == (model.following == FREE)
        assert (there["schedule"] is not None) == (model.following not in (None, FREE))

    def row(self) -> Subscription:
        """Ours, as it is now."""
        found = live_subscription(self.account.pk)
        assert found is not None
        return found

    def waiting(self) -> PlanChange | None:
        return PlanChange.objects.filter(account=self.account, status="scheduled").first()

    def limit(self) -> int | None:
        return self._messages().limit

    def used(self) -> int:
        return self._messages().used

    def _messages(self) -> Any:
        (bound,) = quota_status(account_id=self.account.pk, metric="messages")
        assert bound.remaining == max((bound.limit or 0) - bound.used, 0)
        return bound


def _s(moment: datetime | None) -> int:
    assert moment is not None
    return int(moment.timestamp())


def card_becomes(world: World, account: Account, kind: str) -> None:
    """The card on file is from now on one of Stripe's test cards: good ones go bad."""
    core = world.stand_in.core
    with core.lock:
        tx = core.begin()
        for method in tx.find("payment_method", customer=account.stripe_customer_id):
            method["_card"] = kind
        core.commit(tx)
