"""Finishing what was left open of overage: each charge is resolved by asking Stripe, never by guessing."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError
from django.db.models import F, Q, QuerySet

from billing.enums import ChargeStatus
from billing.errors import OverageChargeFailed, PaymentProviderUnavailable
from billing.gateways.client import LONGEST_CALL_S
from billing.models import OverageCharge, OverageCollection
from billing.services.collecting import OPEN, overage_collect, overage_left_by_ends
from billing.services.overage_charges import (
    charge_log,
    overage_charge_accept,
    overage_charge_fail,
    overage_charge_record,
    overage_item_find,
)
from billing.services.overage_reversals import overage_charge_reverse
from billing.services.patience import Patience
from billing.signals import overage_charge_resolved
from quotas.errors import MeteringRefused, MeterUnavailable

log = structlog.get_logger(__name__)

# OverageChargeFailed: somebody has asked to take it back since it was read here.
RESOLVED_LATER = (
    PaymentProviderUnavailable,
    OverageChargeFailed,
    MeterUnavailable,
    MeteringRefused,
    DatabaseError,
)
LOOK_AFTER = timedelta(seconds=5)
# Two calls at most: then no call of the request can be under way any more.
SETTLE_AFTER = timedelta(seconds=2 * LONGEST_CALL_S)
BATCH = 200


@dataclass
class OverageReport:
    """Ids of what was looked at, by what came of it."""

    accepted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    reversed: list[str] = field(default_factory=list)
    collected: list[str] = field(default_factory=list)
    still_open: list[str] = field(default_factory=list)


def overage_charges_sweep(*, now: datetime, settle_after: timedelta = SETTLE_AFTER) -> OverageReport:
    """Resolves open charges, records those that were charged and not recorded, finishes reversals and collections, and
    collects what an end has left waiting.
    """
    report, patience = OverageReport(), Patience()
    for charge in patience.rows(_open_charges(now)):
        try:
            _resolve(charge, report, now, settle_after)
        except RESOLVED_LATER as error:
            patience.heard(error)
            log.warning("overage_still_open", error_type=type(error).__name__, **charge_log(charge))
            report.still_open.append(str(charge.pk))
    waiting = OverageCollection.objects.filter(status__in=OPEN, requested_at__lt=now - LOOK_AFTER)
    known = list(waiting.order_by(F("settled_at").asc(nulls_first=True))[:BATCH])
    left = [one for one in overage_left_by_ends(now=now) if one not in known]
    for collection in patience.rows(known + left):
        try:
            done = overage_collect(collection_id=collection.pk).status not in OPEN
        except PaymentProviderUnavailable as error:
            patience.heard(error)
            done = False
        (report.collected if done else report.still_open).append(str(collection.pk))
    return report


def _open_charges(now: datetime) -> QuerySet[OverageCharge]:
    unresolved = Q(status=ChargeStatus.PENDING, requested_at__lt=now - LOOK_AFTER)
    unrecorded = Q(
        status=ChargeStatus.ACCEPTED,
        record_id__isnull=True,
        settled_at__lt=now - LOOK_AFTER,
        reversal_requested_at__isnull=True,
    )
    to_reverse = Q(reversal_requested_at__lt=now - LOOK_AFTER, status__in=["pending", "accepted"])
    return (
        OverageCharge.objects.filter(unresolved | unrecorded | to_reverse)
        .select_related("account", "subscription")
        .order_by("requested_at")[:BATCH]
    )


def _resolve(charge: OverageCharge, report: OverageReport, now: datetime, settle_after: timedelta) -> None:
    name = str(charge.pk)
    gone = charge.requested_at < now - settle_after
    if charge.reversal_requested_at is not None:
        if overage_charge_reverse(charge_id=name, reason=charge.reversal_reason, now=now):
            report.reversed.append(name)
        elif charge.status == ChargeStatus.PENDING and gone and overage_item_find(charge) is None:
            _failed(charge, report)
        else:
            report.still_open.append(name)
    elif charge.status == ChargeStatus.ACCEPTED:
        overage_charge_record(charge)
        report.recorded.append(name)
    elif (item := overage_item_find(charge)) is not None:
        overage_charge_resolved.send(OverageCharge, charge=overage_charge_accept(charge, item), now=now)
        report.accepted.append(name)
    elif gone:
        _failed(charge, report)
        overage_charge_resolved.send(OverageCharge, charge=charge, now=now)
    else:
        report.still_open.append(name)


def _failed(charge: OverageCharge, report: OverageReport) -> None:
    """Stripe shows no trace of it and no call can be under way: it was not charged."""
    overage_charge_fail(charge, PaymentProviderUnavailable.code)
    report.failed.append(str(charge.pk))
