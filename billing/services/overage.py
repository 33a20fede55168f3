"""Using what credits pay for, and charging what they do not cover. No transaction is open while Stripe is called.

    reserve (the meter decides the split) → charge (an intent, an item at Stripe) → record (the meter settles)

A crash between any two leaves a reservation that gives way by itself, or an intent that the sweep resolves by asking
Stripe. Recording may fail after an accepted charge: the request goes on, and the sweep records.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from accounts.models import Account
from billing.enums import ChargeStatus, CollectionStatus, SubscriptionStatus
from billing.errors import OverageCapReached, OverageChargeFailed, PaymentProviderUnavailable
from billing.locks import lock_account
from billing.models import OverageCharge, OverageCollection, SpendCap, Subscription
from billing.selectors import live_subscription
from billing.selectors.credits import SPENT, spent_minor
from billing.services.converge import subscription_refresh
from billing.services.overage_charges import overage_charge_run, reservation_release
from billing.services.plan_credits import plan_credits_ensure
from common.errors import DomainError, IdempotencyKeyReused
from common.money import Money
from quotas.errors import InsufficientCredits
from quotas.models import Reservation
from quotas.refusals import raise_for_refusal
from quotas.serialize import instant
from quotas.services import (
    reservations_found,
    usage_reserve,
    usage_settle,
)
from quotas.values import Decision, Refusal, Split
from quotas.wallet_selectors import credit_price

log = structlog.get_logger(__name__)

CHARGEABLE = (SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING)
# What we know of a subscription counts as certain for this long; then Stripe is asked.
CERTAIN_FOR = timedelta(hours=1)
HOLD_S = 3600
# Stripe's amounts have at most eight digits: an invoice over more could never be issued.
LARGEST_INVOICE_MINOR = 99_999_999


@dataclass(frozen=True, slots=True)
class OverageTerms:
    """Under which subscription overage can be charged, and what a credit past the balance costs."""

    subscription: Subscription
    minor_per_credit: int
    currency: str


@dataclass(frozen=True, slots=True)
class Spend:
    """What was used, and how it was paid. `charge`: what was past the credits; pending while Stripe's answer is open."""

    units: int
    split: Split
    reservation_id: str
    record_id: int | None
    charge: OverageCharge | None

    @property
    def is_pending(self) -> bool:
        return self.charge is not None and self.charge.status == ChargeStatus.PENDING


def overage_terms(*, account: Account, now: datetime) -> OverageTerms | None:
    """None unless the subscription is certainly active or in trial, on a plan that sells overage.

    What we know is certain when it was read within the hour and its period is not over; else Stripe is asked, and
    while Stripe does not answer nothing is certain.
    """
    subscription = live_subscription(account.pk)
    if subscription is None or subscription.stripe_subscription_id is None:
        return None
    if subscription.plan_version.overage_minor_per_credit is None:
        return None
    if not _is_fresh(subscription, now):
        try:
            subscription_refresh(stripe_subscription_id=subscription.stripe_subscription_id)
        except PaymentProviderUnavailable:
            log.warning("overage_uncertain", account=account.pk)
            return None
        subscription = live_subscription(account.pk)
    return _terms_of(subscription)


def _is_fresh(subscription: Subscription, now: datetime) -> bool:
    read_at, ends_at = subscription.stripe_read_at, subscription.current_period_end
    return read_at is not None and now - read_at < CERTAIN_FOR and (ends_at is None or now < ends_at)


def _terms_of(subscription: Subscription | None) -> OverageTerms | None:
    if subscription is None or subscription.status not in CHARGEABLE:
        return None
    rate = subscription.plan_version.overage_minor_per_credit
    if rate is None or subscription.stripe_subscription_id is None:
        return None
    return OverageTerms(subscription, rate, subscription.price.currency)


def usage_spend(
    *,
    account: Account,
    metric: str,
    units: int,
    key: str,
    credential_id: int | None = None,
    subject: str = "",
    request_id: str = "",
    now: datetime,
) -> Spend:
    """Use `units` of a metric that credits pay for, once for its `key`; what they do not cover is charged first.

    Raises the meter's refusals (InsufficientCredits among them), OverageCapReached, OverageChargeFailed: then nothing
    was used or charged; IdempotencyKeyReused when the key was another spend's. A charge whose outcome is not known comes back pending: nothing may be delivered for it yet.
    """
    known = OverageCharge.objects.filter(account=account, work_ref=key).first()
    if known is not None:
        if (known.metric, known.total_units) != (metric, units):
            raise IdempotencyKeyReused
        return _resumed(known)
    work = _Work(account, metric, units, key, credential_id, subject, request_id, now)
    held, terms = _hold(work, hold_keys(key)[0]), None
    if held.refusal == Refusal.INSUFFICIENT_CREDITS and (terms := overage_terms(account=account, now=now)):
        held = _hold_past_credits(work, held)
    raise_for_refusal(held)
    if not held.split.overage:
        return _recorded(held, key)
    assert terms is not None, "the meter lets nothing be past the credits that nobody vouches for"
    try:
        charge = _open(work, terms, held)
    except DomainError:
        reservation_release(held.account_id, held.reservation_id, metric)
        raise
    return spend_of(overage_charge_run(charge))


def hold_keys(key: str) -> tuple[str, str]:
    """The meter's keys under which a spend sets units aside: within the credits, and past them."""
    return f"spend:{key}", f"spend:{key}:overage"


def spends_begun(*, account_id: int, keys: Iterable[str]) -> set[str]:
    """Which of these keys usage_spend has set anything aside under, whatever became of it."""
    by_hold = {hold: key for key in keys for hold in hold_keys(key)}
    return {by_hold[hold] for hold in reservations_found(account_id=account_id, keys=by_hold)}


def overage_affordable(
    *, account: Account, metric: str, units: int, terms: OverageTerms, now: datetime
) -> bool:
    """Whether so many units past the credits would be charged now: the cap allows it and nothing is left unpaid."""
    price = credit_price(account_id=account.pk, metric=metric, at=now)
    if price is None:  # credits do not pay for it, so nothing is past them
        return False
    unit_minor = price * terms.minor_per_credit
    try:
        _check_paid(account)
        _check_size(terms.subscription, units * unit_minor, terms.currency)
        _check_cap(terms.subscription, units * unit_minor, terms.currency)
    except (OverageCapReached, OverageChargeFailed):
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Work:
    """What somebody wants to use."""

    account: Account
    metric: str
    units: int
    key: str
    credential_id: int | None
    subject: str
    request_id: str
    now: datetime


def _hold_past_credits(work: _Work, refused: Decision) -> Decision:
    """Nothing is charged that credits would have paid for: those that the period has brought and nobody has given yet come
    first. While Stripe does not say whether it is paid, nothing is charged either.
    """
    within_credits, past_credits = hold_keys(work.key)
    try:
        given = plan_credits_ensure(account_id=work.account.pk, now=work.now)
    except PaymentProviderUnavailable:
        log.warning("overage_uncertain", account=work.account.pk)
        return refused
    held = _hold(work, within_credits) if given else refused
    if held.refusal != Refusal.INSUFFICIENT_CREDITS:
        return held
    return _hold(work, past_credits, overage_units=work.units)


def _hold(work: _Work, key: str, *, overage_units: int = 0) -> Decision:
    return usage_reserve(
        account_id=work.account.pk,
        metric=work.metric,
        units=work.units,
        ttl_s=HOLD_S,
        key=key,
        credential_id=work.credential_id,
        subject=work.subject,
        request_id=work.request_id,
        overage_units=overage_units,
    )


def _recorded(held: Decision, key: str) -> Spend:
    settled = raise_for_refusal(
        usage_settle(
            account_id=held.account_id,
            reservation_id=held.reservation_id,  # type: ignore[arg-type]
            metric=held.metric,
            key=f"spend:{key}",
        )
    )
    return Spend(settled.units, settled.split, str(held.reservation_id), settled.record_id, None)


def _resumed(charge: OverageCharge) -> Spend:
    """The same work asked for again: what became of its charge."""
    if charge.status in (ChargeStatus.FAILED, ChargeStatus.REVERSED) or charge.reversal_requested_at:
        raise OverageChargeFailed(details={"overage_charge": str(charge.pk), "status": charge.status})
    return spend_of(overage_charge_run(charge) if charge.status == ChargeStatus.PENDING else charge)


def spend_of(charge: OverageCharge) -> Spend:
    """What the charge's work has used."""
    held = Reservation.objects.get(pk=charge.reservation_id)
    split = Split(held.units - held.credit_units - held.overage_units, held.credit_units, held.overage_units)
    return Spend(held.units, split, str(held.pk), charge.record_id, charge)


# The intent ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def _open(work: _Work, terms: OverageTerms, held: Decision) -> OverageCharge:
    """The intent's row, if the cap and what is still owed allow it. One at a time for an account."""
    lock_account(work.account.pk)
    subscription = live_subscription(work.account.pk)
    if subscription is None or subscription.pk != terms.subscription.pk or _terms_of(subscription) is None:
        raise InsufficientCredits(decision=held)
    units = held.split.overage
    unit_minor = _price_held(held) * terms.minor_per_credit
    _check_paid(work.account)
    _check_size(subscription, units * unit_minor, terms.currency)
    _check_cap(subscription, units * unit_minor, terms.currency)
    assert held.reservation_id is not None, "what is held has a reservation"
    return OverageCharge.objects.create(
        account=work.account,
        subscription=subscription,
        reservation_id=held.reservation_id,
        work_ref=work.key,
        metric=work.metric,
        credential_id=work.credential_id,
        units=units,
        total_units=held.units,
        unit_minor=unit_minor,
        amount_minor=units * unit_minor,
        currency=terms.currency,
        period_start=subscription.current_period_start,
        request_id=work.request_id[:64],
        requested_at=work.now,
    )


def _price_held(held: Decision) -> int:
    """Credits for a unit, as the meter decided it; the right may have changed since."""
    assert held.reservation_id is not None, "what is held has a reservation"
    price = Reservation.objects.values_list("credits_per_unit", flat=True).get(pk=held.reservation_id)
    assert price is not None, "what goes past credits is held at a price"
    return price


def _check_paid(account: Account) -> None:
    if OverageCollection.objects.filter(account=account, status=CollectionStatus.UNPAID).exists():
        raise OverageChargeFailed(
            _("The last overage invoice is not paid yet. Pay it, then go on."), details={"reason": "unpaid"}
        )


def _check_size(subscription: Subscription, amount_minor: int, currency: str) -> None:
    """What waits for the period's invoice has to fit on one, whether a cap is set or not."""
    waiting = OverageCharge.objects.filter(
        account_id=subscription.account_id,
        period_start=subscription.current_period_start,
        status__in=SPENT,
        stripe_invoice_id="",
    )
    open_minor = waiting.aggregate(sum=Sum("amount_minor"))["sum"] or 0
    if open_minor + amount_minor > LARGEST_INVOICE_MINOR:
        most = Money(LARGEST_INVOICE_MINOR - open_minor, currency)
        raise OverageChargeFailed(
            _("This is more than an invoice can ask for. Use less at once, or write to us for a contract."),
            details={
                "reason": "amount_too_large",
                "amount": Money(amount_minor, currency).as_json(),
                "most": most.as_json(),
            },
        )


def _check_cap(subscription: Subscription, amount_minor: int, currency: str) -> None:
    cap = SpendCap.objects.filter(account_id=subscription.account_id).first()
    if cap is None:
        return
    spent = spent_minor(subscription)
    if spent + amount_minor > cap.cap_minor:
        raise OverageCapReached(
            details={
                "cap": Money(cap.cap_minor, currency).as_json(),
                "spent": Money(spent, currency).as_json(),
                "amount": Money(amount_minor, currency).as_json(),
                "period_end": instant(subscription.current_period_end),
            }
        )
