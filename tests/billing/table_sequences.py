"""Of the table of plan-change cases those that make Stripe tell something different: one for each sequence of kinds of
events that the change and the period after it lead to. The other cases repeat one of these sequences.
"""

from __future__ import annotations

from datetime import UTC, datetime

from billing.enums import ChangeStatus
from billing.tests.helpers import ask
from common.errors import DomainError
from tests.billing.arrivals import arrived
from tests.billing.cases import Case, cases
from tests.billing.reference import interval_of, plan_of
from tests.billing.sequences import Happening
from tests.billing.subscribers import Life

NAMED = {str(case): case for case in cases()}

SEQUENCES = (
    "basic/month to basic/year",
    "basic/month to premium/month, coupon",
    "basic/month to premium/month, last second",
    "basic/month to premium/month, credit",
    "premium/month to premium/year, from the 31st",
    "basic/year to premium/month, first second",
    "basic/month to premium/month, debt",
    "free to premium/month, first second",
    "free to basic/month, credit",
    "free to basic/month, debt",
    "basic/year to basic/month",
    "basic/month to free",
    "basic/month to basic/year, insufficient",
    "basic/month to basic/year, declined, credit",
    "basic/month to basic/year, scheduled downgrade",
    "basic/year to basic/month, scheduled downgrade",
    "premium/month to premium/year, scheduled downgrade, credit",
    "basic/month to basic/year, after the switch",
    "basic/month to free, after the switch",
    "basic/year to basic/month, after the switch",
    "basic/year to premium/month, after the switch",
    "basic/year to premium/year, after the switch, insufficient",
)


def of_case(case: Case) -> Happening:
    """The change is asked for; and the period lived to its end, unless the change has been made and the renewal is as
    any other.
    """
    return Happening(
        lambda world: arrived(world, case),
        lambda life: _changed(life, case),
        agrees=False,
        mirrors=False,
    )


def _changed(life: Life, case: Case) -> str:
    life.world.tick()
    try:
        answer = ask(life.account, plan_of(case.target), interval_of(case.target)).change.status
    except DomainError as error:
        answer = error.code
    life.card_becomes("visa")
    if answer != ChangeStatus.APPLIED and (end := _period_end(life)) is not None:
        life.world.to(end)
    return str(answer)


def _period_end(life: Life) -> datetime | None:
    """Stripe's, whatever we know of it."""
    live = [
        one
        for one in life.world.objects("subscription", customer=life.account.stripe_customer_id)
        if one["status"] == "active"
    ]
    if not live:
        return None
    (subscription,) = live
    (item,) = subscription["items"]["data"]
    return datetime.fromtimestamp(item["current_period_end"], UTC)
