"""The credits that plans give: once for each paid period, and the difference at once with an upgrade.

What has been given stands in the wallet under a request id made from the period or the change; so this is called as
often as one likes, by whoever comes first, and again after a crash at any step. Plan credits end with their period.
"""

from datetime import datetime, timedelta

import structlog
from django.db.models import Q, QuerySet

from billing.enums import ChangeKind, ChangeStatus, SubscriptionStatus
from billing.errors import PaymentProviderUnavailable
from billing.gateways.stripe import gateway
from billing.models import PlanChange, Subscription
from billing.rules.changes import credits_granted
from billing.selectors import terms_of
from billing.services.patience import Patience
from common.clock import database_now
from quotas.enums import GrantSource
from quotas.models import Grant
from quotas.services import wallet_grant

log = structlog.get_logger(__name__)

BATCH = 200
# What is older was given by an event or an earlier sweep, or is not paid: its payment makes an event.
LOOK_BACK = timedelta(days=7)


def plan_credits_ensure(*, account_id: int, now: datetime) -> int:
    """Give what the account's running period still owes it; how many credits were given. Call it outside transactions.

    Raises PaymentProviderUnavailable when Stripe has to be asked whether the period is paid and does not answer.
    """
    subscription = _entitled(account_id)
    if subscription is None or subscription.current_period_end is None:
        return 0
    if subscription.current_period_end <= now:
        return 0
    given = sum(
        _give(subscription, source, units, request_id, now)
        for source, units, request_id in _owed(subscription)
        if units > 0 and not Grant.objects.filter(request_id=request_id).exists()
    )
    if given:
        log.info("plan_credits_granted", account=account_id, units=given, subscription=str(subscription.pk))
    return given


def _entitled(account_id: int) -> Subscription | None:
    return (
        _with_credits().filter(account_id=account_id).select_related("plan_version__plan", "account").first()
    )


def _with_credits() -> QuerySet[Subscription]:
    """Running subscriptions whose plan gives credits and whose payments are in order. A trial is not a paid period."""
    return Subscription.objects.filter(
        ended_at__isnull=True,
        status=SubscriptionStatus.ACTIVE,
        stripe_subscription_id__isnull=False,
        plan_version__credits_per_period__gt=0,
    )


def _owed(subscription: Subscription) -> list[tuple[str, int, str]]:
    """(source, credits, request id) of all that this period gives: the plan it began with, then each upgrade's."""
    upgrades = list(
        PlanChange.objects.filter(
            subscription=subscription,
            kind=ChangeKind.UPGRADE,
            status=ChangeStatus.APPLIED,
            effective_at__gte=subscription.current_period_start,
        )
        .select_related("from_price__version__plan", "to_price__version__plan")
        .order_by("effective_at")
    )
    first = upgrades[0].from_price if upgrades else None
    began_with = first.version if first else subscription.plan_version
    period = f"plan:{subscription.pk}:{subscription.current_period_start.isoformat()}"
    owed = [(GrantSource.PLAN.value, began_with.credits_per_period, period)]
    for change in upgrades:
        assert change.from_price is not None
        assert change.to_price is not None
        units = credits_granted(
            change.kind, terms_of(change.from_price.version), terms_of(change.to_price.version)
        )
        owed.append((GrantSource.UPGRADE.value, units, f"upgrade:{change.pk}"))
    return owed


def _give(subscription: Subscription, source: str, units: int, request_id: str, now: datetime) -> int:
    """An upgrade was paid before it was recorded; of a period Stripe is asked."""
    if source == GrantSource.PLAN and not gateway.period_opening_paid(
        subscription_id=str(subscription.stripe_subscription_id),
        period_start=subscription.current_period_start,
    ):
        return 0
    wallet_grant(
        account_id=subscription.account_id,
        source=source,
        units=units,
        request_id=request_id,
        expires_at=subscription.current_period_end,
        reason=subscription.plan_version.plan.code,
        now=now,
    )
    return units


def plan_credits_promptly(*, account_id: int) -> None:
    """Right after a change: whoever asked for it sees its credits. What cannot be given now, the sweep gives."""
    try:
        plan_credits_ensure(account_id=account_id, now=database_now())
    except PaymentProviderUnavailable:
        log.warning("plan_credits_wait", account=account_id)


def plan_credits_after(*, stripe_subscription_id: str, now: datetime) -> int:
    """As plan_credits_ensure, for the account of a subscription at Stripe; nothing for one that is not ours."""
    account_id = (
        Subscription.objects.filter(stripe_subscription_id=stripe_subscription_id)
        .values_list("account_id", flat=True)
        .first()
    )
    return 0 if account_id is None else plan_credits_ensure(account_id=account_id, now=now)


def plan_credits_sweep(*, now: datetime) -> int:
    """Give what a crash, or an event that never came, has left owing; how many credits were given."""
    upgraded = PlanChange.objects.filter(kind=ChangeKind.UPGRADE, settled_at__gte=now - LOOK_BACK)
    due = (
        _with_credits()
        .filter(
            Q(current_period_start__gte=now - LOOK_BACK) | Q(pk__in=upgraded.values("subscription")),
            current_period_end__gt=now,
        )
        .select_related("plan_version__plan")
    )
    accounts = {
        one.account_id
        for one in due.order_by("-current_period_start").iterator(chunk_size=BATCH)
        if _owes(one)
    }
    given, patience = 0, Patience()
    for account_id in patience.rows(accounts):
        try:
            given += plan_credits_ensure(account_id=account_id, now=now)
        except PaymentProviderUnavailable as error:
            patience.heard(error)
            log.warning("plan_credits_wait", account=account_id)
    return given


def _owes(subscription: Subscription) -> bool:
    return any(
        units > 0 and not Grant.objects.filter(request_id=request_id).exists()
        for _source, units, request_id in _owed(subscription)
    )
