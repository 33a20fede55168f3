"""Ways through a subscriber's life of which Stripe has much to tell: what is there before, and what then happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.gateways.client import api
from billing.services import invoice_pay, invoice_refund, subscription_resume, withdrawal_make
from billing.tests.helpers import cancel
from common.clock import database_now
from tests.billing.subscribers import Life
from tests.billing.world import World


@dataclass(frozen=True)
class Happening:
    """`act` answers what somebody was told. `agrees`: the reference follows, and can say how things must be then.

    `mirrors`: whether dj-stripe's copy is looked at too; only where Stripe tells of something that others do not.
    """

    before: Callable[[World], Life]
    act: Callable[[Life], str | None]
    agrees: bool = True
    mirrors: bool = True


def life_with(*offers: str) -> Callable[[World], Life]:
    def before(world: World) -> Life:
        world.begin(datetime.fromisoformat("2027-04-15T10:00:00+00:00"))
        life = Life(world)
        for offer in offers:
            life.change(offer)
        return life

    return before


def period_end(life: Life) -> datetime:
    assert life.model.end is not None
    return life.model.end


def days(life: Life, count: float) -> None:
    life.live_to(life.second + timedelta(days=count))


def hours(life: Life, count: float) -> None:
    life.live_to(life.second + timedelta(hours=count))


def _started(life: Life) -> None:
    life.change("premium/month")


def _renewed(life: Life) -> None:
    life.live_to(period_end(life))


# Money that does not come --------------------------------------------------------------------------------------------


def _renewal_fails(life: Life) -> None:
    life.card_becomes("chargeCustomerFail")
    life.live_to(period_end(life))


def _cured_by_the_retry(life: Life) -> None:
    _renewal_fails(life)
    life.card_becomes("visa")
    days(life, 4)


def _cured_by_the_payer(life: Life) -> None:
    _renewal_fails(life)
    days(life, 1)
    life.card_becomes("visa")
    life.world.tick()
    (invoice,) = (one for one in life.invoices() if one["status"] == "open")
    invoice_pay(
        account=life.account, user=None, invoice_id=invoice["id"], request_id="req-pay", now=database_now()
    )


def _never_cured(life: Life) -> None:
    _renewal_fails(life)
    days(life, 20)


# Ends and beginnings -------------------------------------------------------------------------------------------------


def _ends_and_begins_again(life: Life) -> None:
    """The next subscription is there before anybody has told us that the last one is over."""
    life.cancel()
    life.live_to(period_end(life))
    hours(life, 1)
    life.change("premium/month")


def _ends(life: Life) -> None:
    life.cancel()
    life.live_to(period_end(life))
    hours(life, 30)


def _ends_now_and_begins_again(life: Life) -> None:
    life.world.tick()
    cancel(life.account, "now")
    life.model.ended()
    hours(life, 2)
    life.change("basic/month")


def _ended_at_stripe(life: Life) -> None:
    """In its dashboard: nobody but the event tells us."""
    days(life, 3)
    life.world.tick()
    api().subscriptions.cancel(life.stripe_id)
    life.model.ended()
    days(life, 1)


def _ended_and_resumed(life: Life) -> None:
    life.ends_by_hand()
    days(life, 2)
    life.world.tick()
    subscription_resume(account=life.account, user=None, request_id="req-resume", now=database_now())
    life.model.following = None
    life.live_to(period_end(life))


def _a_change_of_mind(life: Life) -> None:
    life.change("basic/month")
    days(life, 2)
    life.undo()
    days(life, 2)
    life.change("basic/month")
    life.live_to(period_end(life))


def _up_while_the_switch_is_unheard(life: Life) -> None:
    life.change("basic/month")
    life.live_to(period_end(life))
    hours(life, 3)
    life.change("premium/year")


def _changed_at_stripe(life: Life) -> None:
    """In its dashboard: another price, without proration."""
    days(life, 3)
    life.world.tick()
    there = api().subscriptions.retrieve(life.stripe_id)
    (price,) = api().prices.list({"lookup_keys": ["palier_premium_v1_month"]}).data
    items = [{"id": there["items"].data[0].id, "price": price.id}]
    api().subscriptions.update(life.stripe_id, {"items": items, "proration_behavior": "none"})
    life.model.offer = "premium/month"
    life.live_to(period_end(life))


def _customer_deleted(life: Life) -> None:
    days(life, 3)
    life.world.tick()
    api().customers.delete(life.account.stripe_customer_id)
    days(life, 1)


# Money back ----------------------------------------------------------------------------------------------------------


def _withdrawn(life: Life) -> None:
    days(life, 5)
    life.world.tick()
    withdrawal_make(account=life.account, user=None, request_id="req-withdraw", now=database_now())
    life.model.ended()
    days(life, 1)


def _refunded(life: Life) -> None:
    """In part by support, and some more in Stripe's dashboard."""
    days(life, 5)
    life.world.tick()
    invoice = life.invoices()[-1]
    invoice_refund(
        account=life.account,
        invoice_id=invoice["id"],
        amount_minor=700,
        reason="an outage",
        actor=None,
        idempotency_key=None,
        request_id="req-refund",
        now=database_now(),
    )
    days(life, 1)
    life.world.tick()
    (charge,) = life.world.objects("charge", customer=life.account.stripe_customer_id)
    api().refunds.create({"charge": charge["id"], "amount": 100})


HAPPENINGS = {
    "a start": Happening(life_with(), _started),
    "a renewal": Happening(life_with("basic/month"), _renewed),
    "a failed renewal, cured by the retry": Happening(life_with("basic/month"), _cured_by_the_retry),
    "a failed renewal, cured by the payer": Happening(life_with("basic/month"), _cured_by_the_payer),
    "a failed renewal, never cured": Happening(life_with("premium/month"), _never_cured, agrees=False),
    "an end": Happening(life_with("premium/month"), _ends),
    "an end and a new beginning": Happening(life_with("basic/month"), _ends_and_begins_again),
    "an end at once and a new beginning": Happening(life_with("premium/month"), _ends_now_and_begins_again),
    "ended at Stripe": Happening(life_with("premium/month"), _ended_at_stripe),
    "ended at Stripe and resumed": Happening(life_with("basic/month"), _ended_and_resumed),
    "a change of mind": Happening(life_with("premium/month"), _a_change_of_mind),
    "up again after a switch": Happening(life_with("premium/month"), _up_while_the_switch_is_unheard),
    "changed at Stripe": Happening(life_with("basic/month"), _changed_at_stripe),
    "the customer deleted at Stripe": Happening(life_with("basic/month"), _customer_deleted, agrees=False),
    "a withdrawal": Happening(life_with("premium/month"), _withdrawn, agrees=False),
    "refunds": Happening(life_with("premium/month"), _refunded, agrees=False),
}
