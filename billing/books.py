"""What must be true of billing whenever nothing is under way."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import F, Q, Sum
from django.db.models.functions import Coalesce

from accounts.models import Account
from billing.enums import IN_FLIGHT, ChangeStatus, ChargeStatus, PaymentStatus, RefundStatus
from billing.models import InvoicePayment, OverageCharge, PlanChange, Refund, Subscription, Withdrawal
from billing.rules.changes import PlanTerms
from billing.selectors import scheduled_changes
from billing.selectors.plans import FreeTerms
from billing.services.entitlements import entitled_phases
from common import books
from common.clock import database_now
from quotas.enums import Source
from quotas.models import Entitlement, FeatureGrant

PENDING_AT_MOST = timedelta(hours=1)
ACCOUNTS_AT_ONCE = 2000
REMEDY = "manage.py reconcile --mend --account {account}"
ASKS = "for a person; what Stripe has of it: manage.py reconcile --account {account}"

UNMATCHED = """
SELECT c.id, c.units FROM billing_overagecharge c LEFT JOIN quotas_usagerecord u ON u.id = c.record_id
WHERE c.status = %(accepted)s AND c.record_id IS NOT NULL AND u.overage_units IS DISTINCT FROM c.units
  AND c.requested_at >= (SELECT quotas_records_since())
"""

# Use past the credits that nobody is charged for, of somebody who can be.
UNCHARGED = """
SELECT e.account_id, e.record_id, e.overage_units FROM quotas_ledgerentry e
JOIN accounts_account a ON a.id = e.account_id AND a.stripe_customer_id IS NOT NULL
WHERE e.kind = 'overage' AND e.overage_units > 0 AND e.reservation_id IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM billing_overagecharge c WHERE c.reservation_id = e.reservation_id AND c.status <> %(failed)s)
"""

LIMIT = ("limit_units", "mode", "credits_per_unit")
Values = dict[tuple[Any, ...], tuple[Any, ...]]
Held = tuple[datetime, datetime | None, tuple[Any, ...], tuple[Any, ...]]
"""From when, until when, what, and how much."""


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
    """What the meter allows, now and at each moment to come, is what the subscription gives, no more and no less."""
    now, free = database_now(), FreeTerms()
    everybody = iter(Account.objects.order_by("pk").values_list("pk", flat=True).iterator())
    while account_ids := list(islice(everybody, ACCOUNTS_AT_ONCE)):
        yield from _wrongly_entitled(account_ids, free, now)


def _wrongly_entitled(account_ids: Sequence[int], free: FreeTerms, now: datetime) -> Iterable[str]:
    live = {
        one.account_id: one
        for one in Subscription.objects.filter(ended_at__isnull=True, account__in=account_ids).select_related(
            "plan_version__plan", "price"
        )
    }
    scheduled = scheduled_changes(account_ids)
    limits = _held(Entitlement, account_ids, now, ("metric__code", "window"), LIMIT)
    features = _held(FeatureGrant, account_ids, now, ("feature",), ())
    for account_id in sorted(live.keys() | limits.keys() | features.keys()):
        phases = entitled_phases(
            subscription=live.get(account_id), scheduled=scheduled.get(account_id), now=now, free=free
        )
        sides: list[tuple[datetime, PlanTerms | None]] = [
            (max(one.starts_at, now), one.terms) for one in phases
        ]
        for at, given in sides or [(now, None)]:
            when = "" if at == now else f"from {at:%Y-%m-%dT%H:%MZ} on "
            held, allowed = _at(limits[account_id], at), _allowed(given)
            if held != allowed:
                yield (
                    f"account {account_id}: {when}the meter has {held}, the plan gives {allowed} "
                    f"({REMEDY.format(account=account_id)})"
                )
            if {name for (name,) in _at(features[account_id], at)} != set(given.features if given else ()):
                yield (
                    f"account {account_id}: {when}the features are not the plan's "
                    f"({REMEDY.format(account=account_id)})"
                )


def _allowed(given: PlanTerms | None) -> Values:
    limits = given.all_limits if given else ()
    return {(one.metric, one.window): (one.limit_units, one.mode, one.credits_per_unit) for one in limits}


def _held(
    model: type[Entitlement] | type[FeatureGrant],
    account_ids: Sequence[int],
    now: datetime,
    key: Sequence[str],
    value: Sequence[str],
) -> dict[int, list[Held]]:
    """By account what the meter has from plans, now and to come."""
    held: dict[int, list[Held]] = defaultdict(list)
    rows = model.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=now), account__in=account_ids, source=Source.PLAN
    )
    for account_id, since, until, *words in rows.values_list(
        "account_id", "valid_from", "valid_until", *key, *value
    ):
        held[account_id].append((since, until, tuple(words[: len(key)]), tuple(words[len(key) :])))
    return held


def _at(held: Sequence[Held], at: datetime) -> Values:
    return {key: value for since, until, key, value in held if since <= at and (until is None or until > at)}


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
    carried_out = Withdrawal.objects.filter(completed_at__isnull=False).select_related("subscription")
    done = Sum("refunds__amount_minor", filter=Q(refunds__status=RefundStatus.DONE))
    for withdrawal in carried_out.annotate(done=Coalesce(done, 0)):
        if withdrawal.done != withdrawal.refund_minor:
            yield (
                f"withdrawal {withdrawal.pk}: {withdrawal.refund_minor} was declared, {withdrawal.done} refunded"
            )
        if withdrawal.subscription.ended_at is None:
            yield f"withdrawal {withdrawal.pk}: its subscription still runs"


@books.check("billing.overage_is_matched")
def overage_is_matched() -> Iterable[str]:
    """What was charged past the credits is recorded use; what was taken back is none. Nothing stays open for long."""
    unfinished = OverageCharge.objects.filter(
        Q(status=ChargeStatus.PENDING)
        | Q(status=ChargeStatus.ACCEPTED, record_id__isnull=True)
        | Q(status=ChargeStatus.ACCEPTED, reversal_requested_at__isnull=False),
        requested_at__lt=database_now() - PENDING_AT_MOST,
    )
    for charge in unfinished:
        yield f"overage charge {charge.pk} is {charge.status} and unfinished since {charge.requested_at}"
    with connection.cursor() as cursor:
        cursor.execute(UNMATCHED, {"accepted": ChargeStatus.ACCEPTED})
        for pk, units in cursor.fetchall():
            yield f"overage charge {pk} is for {units} units, its record says otherwise"
        cursor.execute(UNCHARGED, {"failed": ChargeStatus.FAILED})
        for account_id, record_id, units in cursor.fetchall():
            yield (
                f"account {account_id}: {units} units past the credits of record {record_id} have no charge "
                f"({ASKS.format(account=account_id)})"
            )
