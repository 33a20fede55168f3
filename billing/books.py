"""What must be true of billing whenever nothing is under way."""

from collections.abc import Iterable
from datetime import timedelta

from django.db import connection
from django.db.models import F, Q, Sum

from billing.enums import IN_FLIGHT, ChangeStatus, ChargeStatus, PaymentStatus, RefundStatus
from billing.models import InvoicePayment, OverageCharge, PlanChange, Refund, Subscription, Withdrawal
from billing.selectors import scheduled_change
from billing.services.entitlements import entitled_phases
from common import books
from common.clock import database_now
from quotas.enums import Source
from quotas.models import Entitlement, FeatureGrant, UsageRecord

PENDING_AT_MOST = timedelta(hours=1)
REMEDY = "manage.py reconcile --mend --account {account}"


@books.check("billing.one_live_subscription")
def one_live_subscription() -> Iterable[str]:
    """The database refuses a second one; this finds a constraint that was dropped."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT account_id, count(*) FROM billing_subscription WHERE ended_at IS NULL GROUP BY 1 HAVING count(*) > 1"
        )
        for account_id, count in cursor.fetchall():
            yield f"account {account_id} has {count} running subscriptions"


@books.check("billing.entitlements_are_the_plans")
def entitlements_are_the_plans() -> Iterable[str]:
    """What the meter allows now is what the subscription gives now, no more and no less."""
    now = database_now()
    live = {
        one.account_id: one
        for one in Subscription.objects.filter(ended_at__isnull=True).select_related(
            "plan_version__plan", "price"
        )
    }
    holding = _held_limits(now)
    features = _held_features(now)
    for account_id in sorted(live.keys() | holding.keys() | features.keys()):
        subscription = live.get(account_id)
        phases = entitled_phases(
            subscription=subscription,
            scheduled=scheduled_change(account_id) if subscription else None,
            now=now,
        )
        terms = phases[0].terms if phases else None
        limits = (
            {(one.metric, one.window): (one.limit_units, one.mode) for one in terms.all_limits}
            if terms
            else {}
        )
        if holding.get(account_id, {}) != limits:
            yield (
                f"account {account_id}: the meter has {holding.get(account_id, {})}, the plan gives {limits} "
                f"({REMEDY.format(account=account_id)})"
            )
        if features.get(account_id, set()) != set(terms.features if terms else ()):
            yield (
                f"account {account_id}: the features in force are not the plan's "
                f"({REMEDY.format(account=account_id)})"
            )


def _held_limits(now: object) -> dict[int, dict[tuple[str, str], tuple[int | None, str]]]:
    held: dict[int, dict[tuple[str, str], tuple[int | None, str]]] = {}
    rows = Entitlement.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=now), source=Source.PLAN, valid_from__lte=now
    ).values_list("account_id", "metric__code", "window", "limit_units", "mode")
    for account_id, metric, window, limit, mode in rows:
        held.setdefault(account_id, {})[metric, window] = (limit, mode)
    return held


def _held_features(now: object) -> dict[int, set[str]]:
    held: dict[int, set[str]] = {}
    rows = FeatureGrant.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=now), source=Source.PLAN, valid_from__lte=now
    ).values_list("account_id", "feature")
    for account_id, feature in rows:
        held.setdefault(account_id, set()).add(feature)
    return held


@books.check("billing.plan_changes_are_coherent")
def plan_changes_are_coherent() -> Iterable[str]:
    """What is scheduled belongs to the running subscription, and starts from the plan it has."""
    for change in PlanChange.objects.filter(status__in=IN_FLIGHT, subscription__isnull=False).select_related(
        "subscription"
    ):
        assert change.subscription is not None
        if change.subscription.ended_at is not None:
            yield f"plan change {change.pk} is {change.status} on a subscription that has ended"
        elif change.subscription.price_id != change.from_price_id:
            yield f"plan change {change.pk} is {change.status} from a price the subscription does not have"


@books.check("billing.amounts_are_the_quoted")
def amounts_are_the_quoted() -> Iterable[str]:
    """Nobody was charged another sum than the one shown."""
    different = PlanChange.objects.filter(due_minor__isnull=False, charged_minor__isnull=False).exclude(
        charged_minor=F("due_minor")
    )
    for change in different:
        yield f"plan change {change.pk}: {change.due_minor} was quoted, {change.charged_minor} charged"


@books.check("billing.nothing_stays_open")
def nothing_stays_open() -> Iterable[str]:
    """An intent that old was missed by every sweep, or Stripe has been away all the time."""
    since = database_now() - PENDING_AT_MOST
    old = PlanChange.objects.filter(status=ChangeStatus.PENDING).filter(
        Q(awaiting_until__isnull=True, last_tried_at__lt=since) | Q(awaiting_until__lt=since)
    )
    for change in old:
        yield f"plan change {change.pk} has been open since {change.last_tried_at}"
    for payment in InvoicePayment.objects.filter(status=PaymentStatus.PENDING, requested_at__lt=since):
        yield f"payment {payment.pk} has been open since {payment.requested_at}"
    for refund in Refund.objects.filter(
        status=RefundStatus.PENDING, requested_at__lt=database_now() - PENDING_AT_MOST
    ):
        yield f"refund {refund.pk} has been open since {refund.requested_at}"
    for withdrawal in Withdrawal.objects.filter(
        completed_at__isnull=True, requested_at__lt=database_now() - PENDING_AT_MOST
    ):
        yield f"withdrawal {withdrawal.pk} has been open since {withdrawal.requested_at}"


@books.check("billing.withdrawals_are_whole")
def withdrawals_are_whole() -> Iterable[str]:
    """What was given back is what was declared, and the subscription has ended."""
    for withdrawal in Withdrawal.objects.filter(completed_at__isnull=False).select_related("subscription"):
        done = withdrawal.refunds.filter(status=RefundStatus.DONE).aggregate(sum=Sum("amount_minor"))["sum"]
        if (done or 0) != withdrawal.refund_minor:
            yield f"withdrawal {withdrawal.pk}: {withdrawal.refund_minor} was declared, {done or 0} refunded"
        if withdrawal.subscription.ended_at is None:
            yield f"withdrawal {withdrawal.pk}: its subscription still runs"


@books.check("billing.overage_is_matched")
def overage_is_matched() -> Iterable[str]:
    """What was charged past the credits is recorded use; what was taken back is none. Nothing stays open for long."""
    old = database_now() - PENDING_AT_MOST
    for charge in OverageCharge.objects.filter(requested_at__lt=old):
        is_open = charge.status == ChargeStatus.PENDING
        unrecorded = charge.status == ChargeStatus.ACCEPTED and charge.record_id is None
        unreversed = charge.reversal_requested_at is not None and charge.status == ChargeStatus.ACCEPTED
        if is_open or unrecorded or unreversed:
            yield f"overage charge {charge.pk} is {charge.status} and unfinished since {charge.requested_at}"
    recorded = {
        record.pk: record
        for record in UsageRecord.objects.filter(pk__in=OverageCharge.objects.values("record_id"))
    }
    for charge in OverageCharge.objects.filter(status=ChargeStatus.ACCEPTED, record_id__isnull=False):
        record = recorded.get(charge.record_id or 0)
        if record is None or record.overage_units != charge.units:
            yield f"overage charge {charge.pk} is for {charge.units} units, its record says otherwise"
