"""Plans side by side, the present one marked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import Account
from accounts.selectors import account_of
from billing.enums import Interval
from billing.models import Plan, PlanTransition, Subscription
from billing.pages.access import signed_in
from billing.pages.forms import new_key
from billing.pages.offers import Offer, limit_rows, offers
from billing.pages.plan_now import plan_now_of, waiting_of
from billing.pages.words import feature_names, metric_names, per_window
from billing.rules.changes import change_kind
from billing.selectors import audience_of, change_in_flight, live_subscription, price_on_offer
from billing.services.terms import trial_offered


@dataclass(frozen=True)
class Choice:
    """An offer as it looks to one account. `move`: up, down, or empty when there is nothing to move from.

    `is_wanted`: whoever was refused something was sent here for this plan.
    """

    offer: Offer
    is_current: bool
    is_next: bool
    move: str
    blocked: str
    trial_text: str = ""
    is_wanted: bool = False

    def __getattr__(self, name: str) -> Any:
        """Templates read an offer's fields from it."""
        return getattr(self.offer, name)


@require_safe
@signed_in
def plans(request: HttpRequest) -> HttpResponse:
    account = account_of(request)
    subscription = live_subscription(account.pk)
    interval = _interval(request, subscription)
    on_offer = [offer for offer in offers(interval) if offer.audience == audience_of(account)]
    wanted = request.GET.get("plan", "")
    choices = [
        replace(one, is_wanted=one.offer.code == wanted and not (one.is_current or one.is_next))
        for one in _choices(account, subscription, on_offer)
    ]
    context = {
        "offers": choices,
        "interval": interval,
        "has_yearly": any(offer.has_both for offer in on_offer),
        "comparison": comparison(choices),
        "plan_now": plan_now_of(account),
        "waiting": waiting_of(account),
        "crumbs": [(_("Plans"), "")],
        "form_key": new_key(),
    }
    return render(request, "pages/plans.html", context)


def _interval(request: HttpRequest, subscription: Subscription | None) -> str:
    """What was asked for, else what is paid now."""
    given = request.GET.get("interval", "")
    if given in Interval.values:
        return given
    return subscription.price.interval if subscription else Interval.MONTH


def _choices(account: Account, subscription: Subscription | None, on_offer: Sequence[Offer]) -> list[Choice]:
    if subscription is None:
        return [
            Choice(
                offer,
                is_current=False,
                is_next=False,
                move="",
                blocked="",
                trial_text=_trial_text(account, None, offer),
            )
            for offer in on_offer
        ]
    change = change_in_flight(account.pk)
    change = None if change and change.awaits_payer else change  # what waits to be paid gives way
    following = change.to_price if change else None
    declared = _declared(subscription.plan)
    return [
        Choice(
            offer,
            is_current=_is(offer, subscription.plan.code, subscription.price.interval),
            is_next=following is not None and _is(offer, following.version.plan.code, following.interval),
            move=_move(offer, subscription, declared.get(offer.code)),
            blocked=_("Undo the scheduled change to choose this one.") if change else "",
            trial_text=_trial_text(account, subscription, offer),
        )
        for offer in on_offer
    ]


def _trial_text(account: Account, subscription: Subscription | None, offer: Offer) -> str:
    """What is free at the beginning, for this account; empty where nothing is."""
    price = price_on_offer(offer.code, offer.interval) if offer.trial_text else None
    if price is None or not trial_offered(account=account, subscription=subscription, target=price):
        return ""
    return offer.trial_text


def _declared(plan: Plan) -> dict[str, str]:
    """What moving from this plan to each other one is, by code."""
    return dict(PlanTransition.objects.filter(from_plan=plan).values_list("to_plan__code", "kind"))


def _is(offer: Offer, code: str, interval: str) -> bool:
    return offer.code == code and offer.interval == interval


def _move(offer: Offer, subscription: Subscription, declared: str | None) -> str:
    kind = change_kind(
        same_plan=offer.code == subscription.plan.code,
        declared=declared,
        from_interval=subscription.price.interval,
        to_interval=offer.interval,
    )
    return {"upgrade": "up", "downgrade": "down"}.get(kind or "", "")


def comparison(choices: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of the table: limits first, then credits and features; one cell for each plan."""
    metrics, features = metric_names(), feature_names()
    rows = [
        {
            "title": metrics.get(metric, metric),
            "cells": [_cell(plan, _limit_text(plan, metric, window)) for plan in choices],
        }
        for metric, window in limit_rows(choices)
    ]
    titles = dict.fromkeys(title for plan in choices for title, _value in plan.credit_lines)
    rows += [
        {
            "title": title,
            "cells": [_cell(plan, dict(plan.credit_lines).get(title, "")) for plan in choices],
        }
        for title in titles
    ]
    named = dict.fromkeys(code for plan in choices for code in plan.features)
    rows += [
        {
            "title": features.get(code, code),
            "cells": [_cell(plan, code in plan.features) for plan in choices],
        }
        for code in named
    ]
    return rows


def _limit_text(plan: Any, metric: str, window: str) -> str:
    limit = plan.limit_of(metric, window)
    return per_window(limit["limit"], window) if limit else ""


def _cell(plan: Any, value: str | bool) -> dict[str, Any]:
    return {"value": value, "is_current": plan.is_current}
