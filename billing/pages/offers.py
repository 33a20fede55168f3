"""Plans as they stand on a page: one price for the chosen interval, limits and features in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.enums import Interval
from billing.models import Plan
from billing.pages.words import Names, feature_names, limit_line, metric_names, per_window
from billing.selectors import plans_public
from common.formats import money_text
from quotas.enums import Window

MONTHS_A_YEAR = 12


@dataclass(frozen=True)
class Offer:
    """One plan at one interval. `price` is that of `interval`; monthly where the plan has no yearly one."""

    code: str
    name: str
    description: str
    audience: str
    rank: int
    interval: str
    price: Mapping[str, Any]
    saving: Mapping[str, Any] | None
    no_interval: bool
    limits: tuple[Mapping[str, Any], ...]
    limit_lines: tuple[tuple[str, str], ...]
    features: tuple[str, ...]
    feature_names: tuple[str, ...]
    credits: int
    overage: Mapping[str, Any] | None
    has_both: bool
    choose_url: str
    trial_text: str = ""
    """For whoever has not had a trial yet."""

    @property
    def credit_lines(self) -> tuple[tuple[str, str], ...]:
        """What is paid with credits, in words as the limits are: how many come with it, and what more of them cost."""
        lines = []
        if self.credits:
            lines.append((_("Credits included"), per_window(self.credits, Window.PERIOD)))
        if self.overage:
            cost = money_text(self.overage["amount_minor"], self.overage["currency"])
            lines.append((_("Each credit beyond"), cost))
        return tuple(lines)

    @property
    def is_free(self) -> bool:
        return self.price["amount_minor"] == 0

    def limit_of(self, metric: str, window: str) -> Mapping[str, Any] | None:
        found = (x for x in self.limits if (x["metric"], x["window"]) == (metric, window))
        return next(found, None)


def chosen_interval(request: HttpRequest) -> str:
    """`?interval=`; a month when it says nothing known."""
    given = request.GET.get("interval", "")
    return given if given in Interval.values else Interval.MONTH


def offers(interval: str) -> list[Offer]:
    """Every plan on offer, in the catalogue's order."""
    metrics, features, trials = metric_names(), feature_names(), _trials()
    return [
        replace(_offer(plan, interval, metrics, features), trial_text=trials.get(plan["code"], ""))
        for plan in plans_public()
    ]


def _trials() -> dict[str, str]:
    """What is said of a plan that can be tried, by its code."""
    return {plan.code: _trial_text(plan) for plan in Plan.objects.filter(trial_days__gt=0)}


def _trial_text(plan: Plan) -> str:
    days = plan.trial_days
    if plan.trial_needs_card:
        text = ngettext("The first day is free.", "The first %(days)d days are free.", days)
    else:
        text = ngettext(
            "The first day is free, without a card.",
            "The first %(days)d days are free, without a card.",
            days,
        )
    return text % {"days": days}


def limit_rows(plans: Iterable[Offer]) -> list[tuple[str, str]]:
    """Every (metric, window) that any of the plans limits, in the order they name them."""
    return list(dict.fromkeys((x["metric"], x["window"]) for plan in plans for x in plan.limits))


def _offer(plan: Mapping[str, Any], interval: str, metrics: Names, features: Names) -> Offer:
    prices = {price["interval"]: price for price in plan["prices"]}
    price = prices.get(interval) or prices[Interval.MONTH]
    rate = plan.get("overage_minor_per_credit")
    address = reverse("plan_preview", kwargs={"plan": plan["code"], "interval": price["interval"]})
    return Offer(
        code=plan["code"],
        name=plan["name"],
        description=plan.get("description", ""),
        audience=plan["audience"],
        rank=plan["rank"],
        interval=price["interval"],
        price=price,
        saving=_saving(prices) if price["interval"] == Interval.YEAR else None,
        no_interval=interval not in prices and price["amount_minor"] > 0,
        limits=tuple(plan["limits"]),
        limit_lines=tuple(limit_line(limit, metrics) for limit in plan["limits"]),
        features=tuple(plan["features"]),
        feature_names=tuple(features.get(code, code) for code in plan["features"]),
        credits=plan.get("credits_per_period") or 0,
        overage={"amount_minor": rate, "currency": price["currency"]} if rate else None,
        has_both=len(prices) > 1,
        choose_url=address,
    )


def _saving(prices: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What a year costs less than twelve months; None when it does not."""
    month, year = prices.get(Interval.MONTH), prices.get(Interval.YEAR)
    if not month or not year:
        return None
    saved = month["amount_minor"] * MONTHS_A_YEAR - year["amount_minor"]
    return {"amount_minor": saved, "currency": year["currency"]} if saved > 0 else None
