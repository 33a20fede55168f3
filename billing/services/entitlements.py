"""Pushes what a subscription gives into the meter, in the transaction that changes the subscription."""

from datetime import datetime
from typing import TypeGuard

from billing.enums import Access, ChangeStatus
from billing.models import PlanChange, Subscription
from billing.rules.changes import MONTHS, TermsPhase, timeline
from billing.selectors.overdue import overdue_steps
from billing.selectors.plans import FreeTerms, free_price, terms_of
from billing.services.stored import stored_fit_promise
from quotas.enums import Source
from quotas.services import LimitSpec, Phase, entitlements_replace


def subscription_entitle(
    *, account_id: int, subscription: Subscription | None, scheduled: PlanChange | None, now: datetime
) -> None:
    """From `now` on the account's plan limits are exactly what the subscription gives.

    A scheduled change is written with its moment, so that the meter switches at that instant by its own clock, even
    when nobody tells us in time that it came. What is stored is fitted to the limits at each such moment.
    """
    phases = entitled_phases(subscription=subscription, scheduled=scheduled, now=now)
    periods = _periods(subscription, scheduled, now)
    entitlements_replace(
        account_id=account_id,
        source=Source.PLAN,
        source_ref=f"subscription:{subscription.id}" if subscription else "",
        timeline=[_phase(one, *periods[one.is_after_switch]) for one in phases],
        now=now,
    )
    switches = [one.starts_at for one in phases if one.starts_at > now]
    stored_fit_promise(account_id=account_id, now=now, moments=[now, *switches])


def entitled_phases(
    *,
    subscription: Subscription | None,
    scheduled: PlanChange | None,
    now: datetime,
    free: FreeTerms | None = None,
) -> list[TermsPhase]:
    """What holds from `now` on, by the subscription and what is scheduled for it.

    `free`: shared by who asks this of many subscriptions.
    """
    if subscription is None:
        return []
    without = (free or FreeTerms()).of(subscription.plan_version.plan.audience)
    following = without
    if _is_set(scheduled) and scheduled.to_price:
        following = terms_of(scheduled.to_price.version)
    steps = overdue_steps(subscription, now=now)
    return timeline(
        now=now,
        access=_granted(steps[0].rule.access) if steps else subscription.access,
        later=[(one.at, _granted(one.rule.access)) for one in steps[1:]],
        current=terms_of(subscription.plan_version),
        switch_at=_switch_at(subscription, scheduled),
        following=following,
        without=without,
    )


def _periods(
    subscription: Subscription | None, scheduled: PlanChange | None, now: datetime
) -> tuple[tuple[datetime, int], tuple[datetime, int]]:
    """Anchor and months of the billing periods before and after what is scheduled. As at Stripe, another interval begins
    a period of its own at the switch, and so does what costs nothing, which is no subscription there.
    """
    if subscription is None:
        return (now, 1), (now, 1)
    before = subscription.anchor_at, MONTHS[subscription.price.interval]
    switch_at = _switch_at(subscription, scheduled)
    target = scheduled.to_price if _is_set(scheduled) else free_price(subscription.plan_version.plan.audience)
    if switch_at is None or target is None:
        return before, before
    goes_on = target.amount_minor > 0 and target.interval == subscription.price.interval
    return before, before if goes_on else (switch_at, MONTHS[target.interval])


def _is_set(scheduled: PlanChange | None) -> TypeGuard[PlanChange]:
    return scheduled is not None and scheduled.status == ChangeStatus.SCHEDULED


def _switch_at(subscription: Subscription, scheduled: PlanChange | None) -> datetime | None:
    return scheduled.effective_at if _is_set(scheduled) else subscription.cancel_at


def _granted(access: str) -> str:
    """An end that is due and has not been carried out yet: what is free holds until it is."""
    return Access.DEGRADED if access == Access.ENDED else access


def _phase(phase: TermsPhase, anchor: datetime, months: int) -> Phase:
    return Phase(
        starts_at=phase.starts_at,
        ends_at=phase.ends_at,
        limits=tuple(
            LimitSpec(one.metric, one.window, one.limit_units, one.mode, anchor, months, one.credits_per_unit)
            for one in phase.terms.all_limits
        ),
        features=phase.terms.features,
    )
