"""Comparing what we have with what Stripe has, both ways, and mending what differs.

Stripe decides what an account is on and what was paid, so mending makes ours the same. What only a person can decide
(a second running subscription, a price nobody knows, another sum than recorded) is reported and left alone. What is
found is looked at twice: what was merely on its way is gone the second time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db import transaction

from accounts.models import Account
from billing import metrics
from billing.errors import PaymentProviderUnavailable
from billing.gateways.stripe import gateway
from billing.models import Drift
from billing.services.differences import differences_of
from billing.services.dispute_drift import dispute_differences
from billing.services.drift import Difference, Kind
from common import audit
from common.clock import database_now

log = structlog.get_logger(__name__)

MOST_SILENCES = 3
"""So many accounts in a row of which Stripe said nothing: the rest would hear nothing either."""


@dataclass
class ReconcileReport:
    """`unanswered`: accounts about which Stripe could not be asked."""

    accounts: int = 0
    found: list[Difference] = field(default_factory=list)
    mended: list[Difference] = field(default_factory=list)
    unanswered: list[int] = field(default_factory=list)

    @property
    def left(self) -> list[Difference]:
        done = {one.identity for one in self.mended}
        return [one for one in self.found if one.identity not in done]


def reconcile(*, now: datetime, account_id: int | None = None, mend: bool = False) -> ReconcileReport:
    """Compares one account or all; mends what can be mended when told to. Changes nothing otherwise.

    Raises PaymentProviderUnavailable when Stripe cannot even be asked what runs there, or falls silent on the way.
    """
    report = ReconcileReport()
    disputed = _disputes(now, account_id)
    accounts = Account.objects.order_by("pk")
    if account_id is not None:
        accounts = accounts.filter(pk=account_id)
    else:
        report.found += _strangers()
    silences = 0
    for account in accounts.iterator():
        report.accounts += 1
        try:
            found = _twice(account, now)
            report.found += found
            if mend:
                report.mended += _mended(account, found, now)
            silences = 0
        except PaymentProviderUnavailable as error:
            report.unanswered.append(account.pk)
            silences += not error.outcome_known
            if silences == MOST_SILENCES:
                raise
    report.found += disputed
    if mend:
        report.mended += _disputes_mended(disputed, now, account_id)
    for one in report.found:
        metrics.drift_found_total.labels(one.kind.value).inc()
        log.warning("drift_found", **one.as_json())
    if account_id is None:
        _remember(report, now)
    return report


def _strangers() -> list[Difference]:
    """Running subscriptions at Stripe whose customer no account of ours names."""
    known = set(
        Account.objects.filter(stripe_customer_id__isnull=False).values_list("stripe_customer_id", flat=True)
    )
    return [
        Difference(None, Kind.CUSTOMER_UNKNOWN, state.id, "no account", state.customer_id)
        for state in gateway.subscriptions_running()
        if state.customer_id not in known
    ]


def _disputes(now: datetime, account_id: int | None) -> list[Difference]:
    """As _twice: what is only on its way is gone the second time."""
    first = dispute_differences(now=now, account_id=account_id)
    still = {one.identity for one in first}
    return [
        one
        for one in (dispute_differences(now=now, account_id=account_id) if first else ())
        if one.identity in still
    ]


def _disputes_mended(found: Sequence[Difference], now: datetime, account_id: int | None) -> list[Difference]:
    """They are no account's state: each is written down by itself, and nothing follows from it."""
    for one in found:
        assert one.mend is not None
        one.mend()
    left = {one.identity for one in dispute_differences(now=now, account_id=account_id)} if found else set()
    return _recorded([one for one in found if one.identity not in left], now)


def _twice(account: Account, now: datetime) -> list[Difference]:
    first = differences_of(account, now)
    if not first:
        return []
    still = {one.identity for one in first}
    account.refresh_from_db()
    return [one for one in differences_of(account, now) if one.identity in still]


def _mended(account: Account, found: Iterable[Difference], now: datetime) -> list[Difference]:
    """What of it is gone after mending."""
    wanted = [one for one in found if one.mend is not None]
    for one in wanted:
        assert one.mend is not None
        one.mend()
    account.refresh_from_db()
    left = {one.identity for one in differences_of(account, database_now())} if wanted else set()
    return _recorded([one for one in wanted if one.identity not in left], now)


def _recorded(done: list[Difference], now: datetime) -> list[Difference]:
    for one in done:
        audit.record(
            actor="reconciler",
            account_id=one.account_id,
            action="drift.mended",
            subject=one.subject,
            reason=one.kind.value,
            data={"ours": one.ours, "theirs": one.theirs},
            now=now,
        )
    return done


@transaction.atomic
def _remember(report: ReconcileReport, now: datetime) -> None:
    """For the operators' figures: what was left by the last look at all accounts."""
    counts = dict.fromkeys(Kind, 0)
    for one in report.left:
        counts[one.kind] += 1
    for kind, count in counts.items():
        Drift.objects.update_or_create(kind=kind.value, defaults={"count": count, "checked_at": now})
