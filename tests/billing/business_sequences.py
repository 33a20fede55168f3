"""Ways through an organisation's life of which Stripe has much to tell: credits, and what is used past them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from billing.models import OverageCharge
from billing.services import invoice_pay, overage_charge_reverse, overage_charges_sweep, plan_credits_sweep
from billing.tests.helpers import ask, start
from billing.tests.stores import spend, store
from common import outbox
from common.clock import database_now
from tests.billing.reference import Subscriber
from tests.billing.sequences import Happening, days, hours
from tests.billing.subscribers import Life
from tests.billing.world import World

LITTLE, MUCH = 20, 400
"""Units past the credits: what waits for the next invoice, and what is invoiced at once."""


class Organisation(Life):
    """Its own reckoning is in test_fourteen_business_months; here only the ways to one end are compared."""

    def __init__(self, world: World, plan: str | None, credits_left: int | None) -> None:
        world.tick()
        self.world = world
        self.account = store(plan, credits_left=credits_left)
        self.model = Subscriber()
        self.unpaid = []

    @property
    def period_end(self) -> datetime:
        """As Stripe has it, whatever has been heard of it."""
        (there,) = self.world.objects("subscription", customer=self.account.stripe_customer_id)
        return datetime.fromtimestamp(there["items"]["data"][0]["current_period_end"], self.world.now.tzinfo)

    def uses(self, units: int, key: str) -> None:
        """Then a worker does what that promised, and what beat does regularly."""
        self.world.tick()
        spend(self.account, units, key=key)
        outbox.run_due(now=self.world.tick())

    def swept(self) -> None:
        overage_charges_sweep(now=self.world.tick() + timedelta(minutes=1))
        plan_credits_sweep(now=self.world.tick())


def _on(plan: str | None, credits_left: int | None = None) -> Callable[[World], Life]:
    def before(world: World) -> Life:
        world.begin(datetime.fromisoformat("2027-04-15T10:00:00+00:00"))
        return Organisation(world, plan, credits_left)

    return before


def _started(life: Organisation) -> str:
    life.world.tick()
    done = start(life.account, "growth").change.status
    hours(life, 1)
    life.uses(MUCH, "work")
    return str(done)


def _renewed_with_overage(life: Organisation) -> None:
    """Used again in the next period's first second, of whose credits nobody has told us: they pay for it, nothing is
    charged.
    """
    days(life, 10)
    life.uses(LITTLE, "work")
    life.live_to(life.period_end)
    life.uses(LITTLE, "work of the next period")


def _collected(life: Organisation) -> None:
    for number in range(2):
        life.uses(MUCH, f"work {number}")
    hours(life, 1)


def _refused_then_collected(life: Organisation) -> None:
    """The card refuses what is collected; a day later it does not."""
    life.card_becomes("chargeCustomerFail")
    life.uses(MUCH, "work")
    days(life, 1)
    life.card_becomes("visa")
    life.swept()


def _up_with_overage(life: Organisation) -> str:
    """What waits is on the upgrade's invoice, and the difference of the credits is there at once."""
    life.uses(LITTLE, "work")
    days(life, 3)
    life.world.tick()
    done = ask(life.account, "growth").change.status
    life.uses(LITTLE, "more work")
    return str(done)


def _taken_back(life: Organisation) -> None:
    """One charge that waits, and one that was collected."""
    _collected(life)
    life.uses(LITTLE, "small work")
    for charge in OverageCharge.objects.filter(account=life.account).order_by("requested_at")[1:]:
        life.world.tick()
        overage_charge_reverse(charge_id=str(charge.pk), reason="no result", now=database_now())


def _renewal_fails(life: Organisation) -> None:
    """Credits come with the payment, not with the period."""
    life.card_becomes("chargeCustomerFail")
    life.live_to(life.period_end)
    days(life, 1)
    life.card_becomes("visa")
    life.world.tick()
    (invoice,) = (one for one in life.invoices() if one["status"] == "open")
    invoice_pay(account=life.account, user=None, invoice_id=invoice["id"], request_id="", now=database_now())
    hours(life, 1)


def _down(life: Organisation) -> None:
    days(life, 2)
    life.world.tick()
    ask(life.account, "starter")
    life.uses(LITTLE, "work")
    life.live_to(life.period_end)
    hours(life, 2)


MIRRORED = ("overage refused, then collected", "overage taken back")
BUSINESS_HAPPENINGS = {
    name: Happening(before, act, agrees=False, mirrors=name in MIRRORED)  # type: ignore[arg-type]
    for name, (before, act) in {
        "an organisation's start": (_on(None), _started),
        "a renewal with overage": (_on("growth", 0), _renewed_with_overage),
        "overage refused, then collected": (_on("growth", 0), _refused_then_collected),
        "an upgrade with overage": (_on("starter", 0), _up_with_overage),
        "overage taken back": (_on("growth", 0), _taken_back),
        "an organisation's failed renewal": (_on("growth"), _renewal_fails),
        "an organisation's downgrade": (_on("growth", 0), _down),
    }.items()
}
