"""Pushes what a subscription gives into the meter, in the transaction that changes the subscription."""

from datetime import datetime

from billing.enums import Access, ChangeStatus
from billing.models import PlanChange, Subscription
from billing.rules.changes import MONTHS, PlanTerms, TermsPhase, timeline
from billing.selectors.overdue import overdue_steps
from billing.selectors.plans import free_price, terms_of
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
    anchor = subscription.anchor_at if subscription else now
    months = MONTHS[subscription.price.interval] if subscription else 1
    entitlements_replace(
        account_id=account_id,
        source=Source.PLAN,
        source_ref=f"subscription:{subscription.id}" if subscription else "",
        timeline=[_phase(one, anchor, months) for one in phases],
        now=now,
    )
    switches = [one.starts_at for one in phases if one.starts_at > now]
    stored_fit_promise(account_id=account_id, now=now, moments=[now, *switches])


def entitled_phases(
    *, subscription: Subscription | None, scheduled: PlanChange | None, now: datetime
) -> list[TermsPhase]:
    """What holds from `now` on, by the subscription and what is scheduled for it."""
    if subscription is None:
        return []
    without = _free_terms(subscription)
    if scheduled is not None and scheduled.status == ChangeStatus.SCHEDULED:
        switch_at = scheduled.effective_at
        following = terms_of(scheduled.to_price.version) if scheduled.to_price else without
    else:
        switch_at, following = subscription.cancel_at, without
    steps = overdue_steps(subscription, now=now)
    return timeline(
        now=now,
        access=_granted(steps[0].rule.access) if steps else subscription.access,
        later=[(one.at, _granted(one.rule.access)) for one in steps[1:]],
        current=terms_of(subscription.plan_version),
        switch_at=switch_at,
        following=following,
        without=without,
    )


def _granted(access: str) -> str:
    """An end that is due and has not been carried out yet: what is free holds until it is."""
    return Access.DEGRADED if access == Access.ENDED else access


def _free_terms(subscription: Subscription) -> PlanTerms | None:
    price = free_price(subscription.plan_version.plan.audience)
    return terms_of(price.version) if price else None


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
