"""As days pass without payment: what the declared rules say is done when its moment has come."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction

from billing import metrics
from billing.enums import PaymentStatus
from billing.errors import PaymentProviderUnavailable, ProviderRefused
from billing.gateways.client import MISSING_OBJECT
from billing.gateways.stripe import gateway
from billing.locks import lock_account, lock_live_subscription
from billing.models import InvoicePayment, Subscription
from billing.rules.overdue import OWING
from billing.selectors.overdue import access_at, overdue_rule
from billing.services.converge import subscription_refresh
from billing.services.overdue import overdue_tell
from billing.services.patience import Patience
from common import audit
from common.clock import database_now

log = structlog.get_logger(__name__)
BATCH = 500


@dataclass
class OverdueReport:
    """Ids of subscriptions by what was done."""

    graded: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    still_open: list[str] = field(default_factory=list)


def overdue_apply(*, now: datetime) -> OverdueReport:
    """Does what is due by the rules: writes access down, promises reminders, ends. Call it as often as you like.

    Limits need none of this: they were written with their moments.
    """
    report = OverdueReport()
    for rows in _overdue():
        for subscription in rows:
            if _grade(subscription.account_id, subscription.pk, now):
                report.graded.append(str(subscription.pk))
    due = [one for rows in _overdue() for one in rows if _ends(one, now)]
    patience = Patience()
    for subscription in patience.rows(due):
        try:
            _end(subscription, now, report)
        except PaymentProviderUnavailable as error:
            patience.heard(error)
            report.still_open.append(str(subscription.pk))
    return report


def _ends(subscription: Subscription, now: datetime) -> bool:
    rule = overdue_rule(subscription, now=now)
    return rule is not None and rule.ends


def _overdue() -> Iterator[list[Subscription]]:
    """All of them, a batch at a time: who owes stays here for weeks, so that the first ones would keep the rest out."""
    last = None
    rows = Subscription.objects.filter(ended_at__isnull=True, status__in=OWING).select_related("account")
    while found := list((rows.filter(pk__gt=last) if last else rows).order_by("pk")[:BATCH]):
        yield found
        last = found[-1].pk


@transaction.atomic
def _grade(account_id: int, subscription_id: UUID, now: datetime) -> bool:
    """Whether access has become another one since it was last written down."""
    lock_account(account_id)
    subscription = lock_live_subscription(account_id)
    if subscription is None or subscription.pk != subscription_id:
        return False
    overdue_tell(subscription, now)
    access = access_at(subscription, now=now)
    if subscription.access == access:
        return False
    before, subscription.access = subscription.access, access
    subscription.save(update_fields=["access"])
    audit.record(
        actor=None,
        account_id=account_id,
        action="subscription.access_changed",
        subject=str(subscription.pk),
        reason="payment_overdue",
        data={"from": before, "to": access.value},
        now=now,
    )
    log.info(
        "access_graded", account=account_id, subscription=str(subscription.pk), was=before, access=access
    )
    return True


def _end(subscription: Subscription, now: datetime, report: OverdueReport) -> None:
    """Asks Stripe once more before it ends anything: payment may have come at this very moment."""
    stripe_id = str(subscription.stripe_subscription_id)
    if InvoicePayment.objects.filter(
        account_id=subscription.account_id, status=PaymentStatus.PENDING
    ).exists():
        report.still_open.append(str(subscription.pk))
        return
    subscription_refresh(stripe_subscription_id=stripe_id)
    subscription.refresh_from_db()
    if not subscription.is_live or not _ends(subscription, now):
        return
    _end_at_provider(subscription, stripe_id)
    audit.record(
        actor=None,
        account_id=subscription.account_id,
        action="subscription.ended",
        subject=str(subscription.pk),
        reason="payment_overdue",
        now=database_now(),
    )
    report.ended.append(str(subscription.pk))


def _end_at_provider(subscription: Subscription, stripe_id: str) -> None:
    try:
        state = gateway.subscription_cancel_now(
            subscription_id=stripe_id, key=f"subscription:{subscription.pk}:overdue_end", unpaid=True
        )
    except ProviderRefused as error:
        if error.provider_code != MISSING_OBJECT:  # ended there already
            raise
    else:
        if state.latest_invoice is not None and state.latest_invoice.status == "paid":
            metrics.coherence_errors_total.labels("ended_though_paid").inc()
            log.error("ended_though_paid", subscription=str(subscription.pk), stripe_subscription=stripe_id)
    subscription_refresh(stripe_subscription_id=stripe_id)
