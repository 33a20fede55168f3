"""What to say to somebody the meter refused: which limit, until when, and the ways on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from billing.enums import Interval
from billing.pages.meters import Meter, meter_of
from billing.pages.words import metric_names, plan_names
from billing.selectors import live_subscription, price_on_offer
from quotas.remedies import remedies_for
from quotas.values import Decision


@dataclass(frozen=True)
class WayOn:
    """One remedy. `url` empty: nothing to press, as when waiting."""

    action: str
    text: str
    url: str


@dataclass(frozen=True)
class Refusal:
    """`deciding`: the limit that said no; `others`: the limits that applied besides."""

    deciding: Meter | None
    others: tuple[Meter, ...]
    requested: int
    ways_on: tuple[WayOn, ...]


def refusal_of(decision: Decision) -> Refusal:
    names = metric_names()
    deciding = decision.deciding
    others = tuple(meter_of(bound, names) for bound in decision.bounds if bound is not deciding)
    return Refusal(
        deciding=meter_of(deciding, names) if deciding else None,
        others=others,
        requested=decision.units,
        ways_on=tuple(_ways_on(decision)),
    )


def _ways_on(decision: Decision) -> list[WayOn]:
    names, paid = plan_names(), _interval_paid(decision.account_id)
    ways = [_way_on(remedy, names, paid) for remedy in remedies_for(decision)]
    return [way for way in ways if way.action != "wait"]


def _interval_paid(account_id: int) -> str:
    """By the month or by the year: as this account pays now."""
    subscription = live_subscription(account_id)
    return subscription.price.interval if subscription and subscription.price.amount_minor else Interval.MONTH


def _way_on(remedy: Mapping[str, Any], names: Mapping[str, str], paid: str) -> WayOn:
    action, plan = remedy["action"], remedy.get("plan")
    texts = {
        "upgrade": _("Go up to %(plan)s") % {"plan": names.get(plan, plan)}
        if plan
        else _("See larger plans"),
        "buy_credits": _("Buy credits"),
        "raise_cap": _("Raise your spend cap"),
        "contact": _("Ask us for more"),
        "pay": _("Pay what is owed"),
        "undo": _("Take back the planned change first"),
        "resume": _("Take back the cancellation first"),
    }
    url = remedy.get("url") or ""
    if action == "upgrade":
        url = plan_address(plan, paid) if plan else reverse("plans")
    return WayOn(action, str(texts.get(action, action)), url)


def plan_address(plan: str, interval: str = Interval.MONTH) -> str:
    """Where the plan's exact price is shown before anything happens; by the month when it is not sold so."""
    sold = interval if price_on_offer(plan, interval) else Interval.MONTH
    return reverse("plan_preview", kwargs={"plan": plan, "interval": sold})
