"""Finishing what was left open: intents whose request died or never heard from Stripe, undos, periods that ended.

Each is resolved by asking Stripe, never by guessing. What Stripe does not show is only taken for not done when no
call can be under way any more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from billing.enums import ChangeKind, ChangeStatus
from billing.errors import PaymentProviderUnavailable
from billing.gateways.client import LONGEST_CALL_S
from billing.gateways.stripe import gateway
from billing.models import PlanChange, Subscription
from billing.services.awaiting import change_follow
from billing.services.converge import subscription_refresh
from billing.services.endings import plan_change_take_back
from billing.services.outcomes import change_fail, change_log
from billing.services.patience import Patience
from billing.services.readings import Shown

log = structlog.get_logger(__name__)

# A change consists of at most this many calls, one after the other.
CALLS_PER_CHANGE = 8
SETTLE_AFTER = timedelta(seconds=CALLS_PER_CHANGE * LONGEST_CALL_S)
LOOK_AFTER = timedelta(seconds=5)
LOOK_AT_PAYERS_AFTER = timedelta(minutes=2)
PERIOD_GRACE = timedelta(minutes=2)
BATCH = 100


@dataclass
class SweepReport:
    """Ids of what was looked at, by what came of it."""

    applied: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    still_open: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)


def plan_changes_sweep(*, now: datetime, settle_after: timedelta = SETTLE_AFTER) -> SweepReport:
    """Resolves open intents and undos, and asks for subscriptions whose period is over. Call it as often as you like."""
    report, patience = SweepReport(), Patience()
    for change in patience.rows(_open_changes(now)):
        with _kept_open(change.pk, report, patience):
            _resolve(change, report, now, settle_after)
    undos = PlanChange.objects.filter(
        status=ChangeStatus.SCHEDULED, undo_requested_at__lt=now - LOOK_AFTER
    ).select_related("subscription")
    for change in patience.rows(undos[:BATCH]):
        with _kept_open(change.pk, report, patience):
            plan_change_take_back(change)
            report.undone.append(str(change.pk))
    for subscription in patience.rows(overdue_subscriptions(now)[:BATCH]):
        with _kept_open(subscription.pk, report, patience):
            subscription_refresh(stripe_subscription_id=str(subscription.stripe_subscription_id))
            report.refreshed.append(str(subscription.pk))
    return report


@contextmanager
def _kept_open(row_id: UUID, report: SweepReport, patience: Patience) -> Iterator[None]:
    """While Stripe does not answer the row stays as it is."""
    try:
        yield
    except PaymentProviderUnavailable as error:
        patience.heard(error)
        report.still_open.append(str(row_id))


def _open_changes(now: datetime) -> QuerySet[PlanChange]:
    return (
        PlanChange.objects.filter(
            Q(awaiting_since__isnull=True, last_tried_at__lt=now - LOOK_AFTER)
            | Q(awaiting_since__isnull=False, last_tried_at__lt=now - LOOK_AT_PAYERS_AFTER),
            status=ChangeStatus.PENDING,
        )
        .select_related("account", "subscription", "to_price")
        .order_by("last_tried_at")[:BATCH]
    )


def overdue_subscriptions(now: datetime) -> QuerySet[Subscription]:
    """Subscriptions whose period is over by our clock, and of whose next one Stripe has not told us yet."""
    return Subscription.objects.filter(
        ended_at__isnull=True,
        stripe_subscription_id__isnull=False,
        current_period_end__lt=now - PERIOD_GRACE,
    ).order_by("current_period_end")


def _resolve(change: PlanChange, report: SweepReport, now: datetime, settle_after: timedelta) -> None:
    done, reading = change_follow(change)
    if done.status == ChangeStatus.FAILED:
        report.failed.append(str(change.pk))
    elif done.status != ChangeStatus.PENDING:
        report.applied.append(str(done.pk))
    elif (
        reading.shown is Shown.NOTHING and change.last_tried_at and change.last_tried_at < now - settle_after
    ):
        _give_up(change)
        report.failed.append(str(change.pk))
    else:
        _look_again_later(change, now)
        report.still_open.append(str(change.pk))


def _look_again_later(change: PlanChange, now: datetime) -> None:
    """Payers take their time. Those who wait for them must not keep the sweep from others."""
    waiting = PlanChange.objects.filter(pk=change.pk, awaiting_since__isnull=False)
    waiting.update(last_tried_at=now)


def _give_up(change: PlanChange) -> None:
    """Stripe shows no trace of it and no call can be under way: it did not happen. Half a downgrade is cleared."""
    subscription = change.subscription
    if (
        change.kind in (ChangeKind.DOWNGRADE, ChangeKind.MOVE)
        and subscription is not None
        and subscription.stripe_subscription_id
    ):
        state = gateway.subscription_get(subscription.stripe_subscription_id)
        if state.schedule_id is not None:
            gateway.schedule_release(state.schedule_id)
    error = PaymentProviderUnavailable(
        _("The payment service did not answer. Nothing was changed."),
        details={"resolved": "not_found_at_provider"},
    )
    change_fail(change_id=change.pk, error=error)
    log.warning("plan_change_did_not_happen", **change_log(change))
