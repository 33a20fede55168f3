"""A consumer withdraws from the contract within its period: the subscription ends, unused time is paid back.

The declaration itself is what counts: it is written down, with the amounts, in one transaction that also promises the
receipt. What follows from it (ending the subscription, the refunds) is carried out afterwards, as often as it takes.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Account, User
from billing.enums import Audience, ChangeStatus, RefundKind, RefundStatus
from billing.errors import (
    NothingToUndo,
    PaymentProviderUnavailable,
    PlanChangeNotAllowed,
    WithdrawalNotAllowed,
)
from billing.gateways.client import PAGE
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceState
from billing.locks import lock_account, lock_live_subscription
from billing.models import Refund, Subscription, Withdrawal
from billing.rules.withdrawal import Spell, spread, unused_of_invoice
from billing.selectors import audience_of, change_in_flight, live_subscription, scheduled_change
from billing.services.converge import subscription_catch_up
from billing.services.endings import plan_change_undo, subscription_cancel
from billing.services.patience import Patience
from billing.services.refunds import refund_resolve, refund_run, refundable
from billing.services.waiving import unpaid_waive
from billing.services.withdrawal_period import withdrawal_end, withdrawal_unheard
from common import audit, outbox
from common.clock import database_now
from quotas.serialize import instant

log = structlog.get_logger(__name__)

RECEIPT = "billing.tasks.withdrawal_receipt"
REASON = "withdrawal from the contract"
LOOK_AFTER = timedelta(seconds=5)
BATCH = 100


@dataclass(frozen=True, slots=True)
class WithdrawalOffer:
    """What withdrawing at `at` would give back: `parts` of paid invoices, by Stripe id, newest first."""

    subscription: Subscription
    at: datetime
    deadline: datetime
    paid_minor: int
    refund_minor: int
    currency: str
    parts: tuple[tuple[str, int], ...]


def withdrawal_offer(*, account: Account, now: datetime) -> WithdrawalOffer:
    """Whether the account may withdraw, and what it would get. WithdrawalNotAllowed with why not."""
    subscription_catch_up(account_id=account.pk, now=now)
    subscription = live_subscription(account.pk)
    _check(account, subscription, now)
    assert subscription is not None, "checked"
    invoices = _paid_invoices(account, subscription)
    rest = sum(_unused(one, now) for one in invoices)
    room = [refundable(one) for one in invoices]
    parts = spread(rest, room)
    return WithdrawalOffer(
        subscription=subscription,
        at=now,
        deadline=withdrawal_end(subscription, now=now),
        paid_minor=sum(room),
        refund_minor=sum(parts),
        currency=subscription.price.currency,
        parts=tuple((one.id, part) for one, part in zip(invoices, parts, strict=True) if part),
    )


def withdrawal_until(
    subscription: Subscription | None, *, account: Account, now: datetime
) -> datetime | None:
    """Until when the account may withdraw; None when it may not. Asks nobody."""
    try:
        _check(account, subscription, now)
    except WithdrawalNotAllowed:
        return None
    return withdrawal_end(subscription, now=now) if subscription else None


def _check(account: Account, subscription: Subscription | None, now: datetime) -> None:
    if audience_of(account) != Audience.CONSUMER:
        raise WithdrawalNotAllowed(
            _("The right of withdrawal is for consumers; this account is an organisation’s."),
            details={"reason": "business"},
        )
    if subscription is None or subscription.stripe_subscription_id is None:
        raise _nothing(account)
    end = withdrawal_end(subscription, now=now)
    if now >= end:
        raise WithdrawalNotAllowed(
            _("The 14 days to withdraw are over. You can still cancel the subscription."),
            details={"reason": "too_late", "deadline": instant(end)},
        )


def _nothing(account: Account) -> WithdrawalNotAllowed:
    if Withdrawal.objects.filter(account=account).exists():
        return WithdrawalNotAllowed(
            _("You have withdrawn from your contract already. Nothing more is needed."),
            details={"reason": "already_withdrawn"},
        )
    return WithdrawalNotAllowed(details={"reason": "free_plan"})


def _paid_invoices(account: Account, subscription: Subscription) -> list[InvoiceState]:
    found, _more = gateway.invoices(
        customer_id=str(account.stripe_customer_id),
        limit=PAGE,
        status="paid",
        subscription_id=subscription.stripe_subscription_id,
    )
    return list(found)


def _unused(invoice: InvoiceState, at: datetime) -> int:
    spells = [
        Spell(line.amount_minor, line.period_start, line.period_end)
        for line in invoice.lines
        if line.period_start is not None and line.period_end is not None
    ]
    return unused_of_invoice(spells, total_minor=invoice.total_minor, at=at)


# Withdrawing --------------------------------------------------------------------------------------------------------


def withdrawal_make(*, account: Account, user: User | None, request_id: str, now: datetime) -> Withdrawal:
    """Withdraws: declared at once, then carried out. What Stripe does not answer in time is carried out later.

    Raises WithdrawalNotAllowed, after which nothing has changed. Asked for again while the first is being carried
    out, it is the same one. PaymentProviderUnavailable where it cannot be declared, because Stripe does not say what was
    paid: it is on record then that it was asked for, and nothing else is changed.
    """
    open_one = Withdrawal.objects.filter(account=account, completed_at__isnull=True).first()
    if open_one is None:
        offer = _heard_offer(account, user, now)
        open_one = _open(account, user, request_id, offer)
    return _carry_on(open_one)


def _heard_offer(account: Account, user: User | None, now: datetime) -> WithdrawalOffer:
    try:
        return withdrawal_offer(account=account, now=now)
    except PaymentProviderUnavailable as error:
        subscription = live_subscription(account.pk)
        if subscription is None or withdrawal_until(subscription, account=account, now=now) is None:
            raise
        raise withdrawal_unheard(subscription, user=user, now=now) from error


@transaction.atomic
def _open(account: Account, user: User | None, request_id: str, offer: WithdrawalOffer) -> Withdrawal:
    lock_account(account.pk)
    subscription = lock_live_subscription(account.pk)
    _check(account, subscription, offer.at)
    assert subscription is not None, "checked"
    known = Withdrawal.objects.filter(subscription=subscription).first()
    if known is not None:
        return known
    _check_nothing_moves(account, subscription, offer)
    withdrawal = Withdrawal.objects.create(
        account=account,
        subscription=subscription,
        user=user,
        request_id=request_id,
        paid_minor=offer.paid_minor,
        refund_minor=offer.refund_minor,
        currency=offer.currency,
        requested_at=offer.at,
        last_tried_at=offer.at,
    )
    for invoice_id, amount in offer.parts:
        Refund.objects.create(
            account=account,
            withdrawal=withdrawal,
            kind=RefundKind.WITHDRAWAL,
            user=user,
            reason=REASON,
            request_id=request_id,
            stripe_invoice_id=invoice_id,
            amount_minor=amount,
            currency=offer.currency,
            requested_at=offer.at,
            last_tried_at=offer.at,
        )
    outbox.promise(
        RECEIPT, {"withdrawal_id": str(withdrawal.pk)}, now=offer.at, dedupe_key=f"{RECEIPT}:{withdrawal.pk}"
    )
    _record(withdrawal, "declared", offer.at)
    return withdrawal


def _check_nothing_moves(account: Account, subscription: Subscription, offer: WithdrawalOffer) -> None:
    """The amounts were read before the lock: they hold only while nothing they follow from has changed."""
    change = change_in_flight(account.pk)
    moving = change is not None and change.status == ChangeStatus.PENDING
    other = subscription.pk != offer.subscription.pk or subscription.revision != offer.subscription.revision
    ids = [invoice_id for invoice_id, _amount in offer.parts]
    refunding = Refund.objects.filter(stripe_invoice_id__in=ids, status=RefundStatus.PENDING).exists()
    if moving or other or refunding:
        raise WithdrawalNotAllowed(
            _(
                "Something else is being changed at this moment. Nothing was withdrawn; try again in a minute."
            ),
            details={"reason": "change_in_progress"},
        )


def _carry_on(withdrawal: Withdrawal) -> Withdrawal:
    """As far as it goes now; the sweep does the rest."""
    try:
        return withdrawal_run(withdrawal)
    except (PaymentProviderUnavailable, PlanChangeNotAllowed) as error:
        log.error("withdrawal_not_finished", withdrawal=str(withdrawal.pk), code=error.code)
        return Withdrawal.objects.get(pk=withdrawal.pk)


def withdrawal_run(withdrawal: Withdrawal, *, sweeping_at: datetime | None = None) -> Withdrawal:
    """Does what is still to be done: the end, what is unpaid, then each refund. Call it outside of transactions.

    `sweeping_at`: Stripe may have been asked for the refunds before, so they are looked for first.
    """
    _end(withdrawal)
    _waive_unpaid(withdrawal)
    for refund in withdrawal.refunds.filter(status=RefundStatus.PENDING):
        if sweeping_at is not None:
            refund_resolve(refund, now=sweeping_at)
        else:
            refund_run(refund)
    if not withdrawal.refunds.filter(status=RefundStatus.PENDING).exists():
        _complete(withdrawal)
    return Withdrawal.objects.get(pk=withdrawal.pk)


def _end(withdrawal: Withdrawal) -> None:
    """Ends the subscription now; ended before: nothing. What was scheduled for it is taken back first."""
    if Subscription.objects.filter(pk=withdrawal.subscription_id, ended_at__isnull=False).exists():
        return
    common: dict[str, Any] = {
        "account": withdrawal.account,
        "user": withdrawal.user,
        "request_id": withdrawal.request_id,
        "now": database_now(),
    }
    if scheduled_change(withdrawal.account_id) is not None:
        try:
            plan_change_undo(**common)
        except NothingToUndo:
            log.info("withdrawal_found_nothing_scheduled", withdrawal=str(withdrawal.pk))
    subscription_cancel(at="now", idempotency_key=f"withdrawal-{withdrawal.pk}", **common)


def _waive_unpaid(withdrawal: Withdrawal) -> None:
    """Who has withdrawn is not asked for more, whatever was used."""
    unpaid_waive(stripe_subscription_id=str(withdrawal.subscription.stripe_subscription_id), used_too=True)


@transaction.atomic
def _complete(withdrawal: Withdrawal) -> None:
    lock_account(withdrawal.account_id)
    moment = database_now()
    if Withdrawal.objects.filter(pk=withdrawal.pk, completed_at__isnull=True).update(completed_at=moment):
        _record(withdrawal, "completed", moment)


def _record(withdrawal: Withdrawal, what: str, moment: datetime) -> None:
    data = {
        "subscription": str(withdrawal.subscription_id),
        "paid_minor": withdrawal.paid_minor,
        "refund_minor": withdrawal.refund_minor,
        "currency": withdrawal.currency,
    }
    audit.record(
        actor=withdrawal.user,
        account_id=withdrawal.account_id,
        action=f"withdrawal.{what}",
        subject=str(withdrawal.pk),
        data=data,
        now=moment,
    )
    log.info("withdrawal_recorded", what=what, withdrawal=str(withdrawal.pk), **data)


@dataclass
class WithdrawalSweep:
    """Ids of what was open, by what came of it."""

    completed: list[str] = field(default_factory=list)
    still_open: list[str] = field(default_factory=list)


def withdrawals_sweep(*, now: datetime) -> WithdrawalSweep:
    """Carries on what a crash or a silent Stripe left open. Call it as often as you like."""
    report, patience = WithdrawalSweep(), Patience()
    waiting = Withdrawal.objects.filter(
        completed_at__isnull=True, last_tried_at__lt=now - LOOK_AFTER
    ).select_related("account", "user")
    for withdrawal in patience.rows(waiting.order_by("last_tried_at")[:BATCH]):
        Withdrawal.objects.filter(pk=withdrawal.pk).update(last_tried_at=now)
        try:
            done = withdrawal_run(withdrawal, sweeping_at=now)
        except (PaymentProviderUnavailable, PlanChangeNotAllowed) as error:
            patience.heard(error)
            log.warning("withdrawal_still_open", withdrawal=str(withdrawal.pk), code=error.code)
            done = withdrawal
        (report.completed if done.completed_at else report.still_open).append(str(withdrawal.pk))
    return report
