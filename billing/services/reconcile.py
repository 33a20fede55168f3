"""Comparing what we have with what Stripe has, both ways, and mending what differs.

Stripe decides what an account is on and what was paid, so mending makes ours the same. What only a person can decide
(a second running subscription, a price nobody knows, another sum than recorded) is reported and left alone. What is
found is looked at twice: what was merely on its way is gone the second time.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

import structlog
from django.db import transaction

from accounts.models import Account
from billing import metrics
from billing.enums import ChangeStatus, PaymentStatus, SubscriptionStatus
from billing.errors import PaymentProviderUnavailable, ProviderRefused
from billing.gateways.client import MISSING_OBJECT
from billing.gateways.stripe import gateway
from billing.gateways.values import SubscriptionState
from billing.locks import lock_account, lock_live_subscription, lock_subscription_by_stripe_id
from billing.models import Drift, InvoicePayment, PlanChange, Subscription
from billing.rules.overdue import OWING
from billing.selectors import live_subscription, price_by_stripe_id, scheduled_change
from billing.selectors.entitled import entitled_as
from billing.services.converge import subscription_refresh
from billing.services.entitlements import entitled_phases, subscription_entitle
from billing.services.outcomes import after_the_end, change_record, subscription_close, subscription_mirror
from billing.services.overdue import dues_known, dues_shown
from billing.services.payments import invoice_payments_sweep
from billing.services.sweep import plan_changes_sweep
from common import audit
from common.clock import database_now

log = structlog.get_logger(__name__)

OPEN_AFTER = timedelta(minutes=15)
"""An intent that is open for longer was missed by every sweep."""
INVOICES = 100


class Kind(StrEnum):
    """The stable names of what can differ."""

    CUSTOMER_MISSING = "customer_missing"
    CUSTOMER_UNKNOWN = "customer_unknown"
    SUBSCRIPTION_MISSING = "subscription_missing"
    SUBSCRIPTION_UNKNOWN = "subscription_unknown"
    SUBSCRIPTION_SECOND = "subscription_second"
    STATUS = "status_differs"
    PLAN = "plan_differs"
    PRICE_UNKNOWN = "price_unknown"
    PERIOD = "period_differs"
    CANCELLATION = "cancellation_differs"
    SCHEDULE = "schedule_differs"
    UNPAID = "unpaid_invoices_differ"
    CHANGE_OPEN = "change_open"
    PAYMENT_OPEN = "payment_open"
    INVOICE = "invoice_differs"
    ENTITLEMENTS = "entitlements_differ"


@dataclass(frozen=True, slots=True)
class Difference:
    """`ours` and `theirs` in short. `mend` makes ours what Stripe's is; None where a person has to decide."""

    account_id: int | None
    kind: Kind
    subject: str
    ours: str
    theirs: str
    mend: Callable[[], object] | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        return self.account_id, self.kind, self.subject, self.ours, self.theirs

    def as_json(self) -> dict[str, Any]:
        return {
            "account": self.account_id,
            "kind": self.kind.value,
            "subject": self.subject,
            "ours": self.ours,
            "theirs": self.theirs,
            "mendable": self.mend is not None,
        }


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

    Raises PaymentProviderUnavailable when Stripe cannot even be asked what runs there.
    """
    report = ReconcileReport()
    accounts = Account.objects.order_by("pk")
    if account_id is not None:
        accounts = accounts.filter(pk=account_id)
    else:
        report.found += _strangers()
    for account in accounts.iterator():
        report.accounts += 1
        try:
            found = _twice(account, now)
            report.found += found
            if mend:
                report.mended += _mended(account, found, now)
        except PaymentProviderUnavailable:
            report.unanswered.append(account.pk)
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
    done = [one for one in wanted if one.identity not in left]
    for one in done:
        audit.record(
            actor="reconciler",
            account_id=account.pk,
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


# One account ---------------------------------------------------------------------------------------------------------


def differences_of(account: Account, now: datetime) -> list[Difference]:
    """What differs for one account; nothing is changed."""
    found: list[Difference] = []
    live = live_subscription(account.pk)
    running: dict[str, SubscriptionState] = {}
    if account.stripe_customer_id is not None:
        customer = gateway.customer_find_by_id(account.stripe_customer_id)
        if customer is None or customer.deleted:
            theirs = "missing" if customer is None else "deleted"
            forget = partial(_customer_forget, account)
            found.append(
                Difference(
                    account.pk, Kind.CUSTOMER_MISSING, account.stripe_customer_id, "named", theirs, forget
                )
            )
        else:
            running = {one.id: one for one in gateway.subscriptions_running(account.stripe_customer_id)}
    if live is not None and live.stripe_subscription_id is not None:
        found += _of_subscription(account, live)
    found += _unknown(account, live, running)
    found += _open(account, now)
    found += _invoices(account)
    found += _entitlements(account, now)
    return found


def _of_subscription(account: Account, ours: Subscription) -> list[Difference]:
    stripe_id = str(ours.stripe_subscription_id)
    try:
        state = gateway.subscription_get(stripe_id)
    except ProviderRefused as error:
        if error.provider_code != MISSING_OBJECT:
            raise
        end = partial(_subscription_end, account.pk, stripe_id)
        return [Difference(account.pk, Kind.SUBSCRIPTION_MISSING, stripe_id, ours.status, "missing", end)]
    refresh = partial(subscription_refresh, stripe_subscription_id=stripe_id)
    price = price_by_stripe_id(state.price_id)
    if price is None:
        known = ours.price.stripe_price_id or ""
        return [Difference(account.pk, Kind.PRICE_UNKNOWN, stripe_id, known, state.price_id)]
    pairs = [
        (Kind.STATUS, ours.status, state.status),
        (Kind.PLAN, ours.price.lookup_key, price.lookup_key),
        (
            Kind.PERIOD,
            f"{ours.current_period_start} – {ours.current_period_end}",
            f"{state.period_start} – {state.period_end}",
        ),
        (Kind.CANCELLATION, str(ours.cancel_at), str(state.cancel_at)),
        (Kind.SCHEDULE, str(ours.stripe_schedule_id), str(state.schedule_id)),
        (Kind.UNPAID, *_debts(ours, state)),
    ]
    return [
        Difference(account.pk, kind, stripe_id, mine, theirs, partial(_refresh, refresh, account.pk))
        for kind, mine, theirs in pairs
        if mine != theirs
    ]


def _debts(ours: Subscription, state: SubscriptionState) -> tuple[str, str]:
    unpaid = gateway.invoices_open(subscription_id=state.id) if state.status in OWING else ()
    there = dues_shown(ours, state, unpaid)
    return tuple(
        ", ".join(f"{one.stripe_invoice_id}: {one.amount_minor} {one.currency}" for one in dues)
        for dues in (dues_known(ours), there)
    )  # type: ignore[return-value]


def _refresh(refresh: Callable[[], object], account_id: int) -> None:
    """Reads it anew, and writes the limits anew even where the terms had not changed."""
    refresh()
    _entitle(account_id)


def _unknown(
    account: Account, live: Subscription | None, running: dict[str, SubscriptionState]
) -> list[Difference]:
    if PlanChange.objects.filter(account=account, status=ChangeStatus.PENDING).exists():
        return []  # being bought at this moment, or an open intent: whose finishing takes it over
    found = []
    for state in running.values():
        if live is not None and live.stripe_subscription_id == state.id:
            continue
        if live is not None and live.stripe_subscription_id in running:
            mine = str(live.stripe_subscription_id)
            found.append(Difference(account.pk, Kind.SUBSCRIPTION_SECOND, state.id, mine, state.status))
        elif price_by_stripe_id(state.price_id) is None:
            found.append(Difference(account.pk, Kind.PRICE_UNKNOWN, state.id, "none", state.price_id))
        elif state.status != SubscriptionStatus.INCOMPLETE:
            mend = None if len(running) > 1 else partial(_subscription_adopt, account.pk, state.id)
            mine = "none" if live is None else live.plan.code
            found.append(
                Difference(account.pk, Kind.SUBSCRIPTION_UNKNOWN, state.id, mine, state.status, mend)
            )
    return found


def _open(account: Account, now: datetime) -> list[Difference]:
    since = now - OPEN_AFTER
    changes = PlanChange.objects.filter(
        account=account, status=ChangeStatus.PENDING, last_tried_at__lt=since
    ).order_by("pk")
    payments = InvoicePayment.objects.filter(
        account=account, status=PaymentStatus.PENDING, requested_at__lt=since
    ).order_by("pk")
    sweep = partial(plan_changes_sweep, now=now)
    pay = partial(invoice_payments_sweep, now=now)
    return [
        Difference(account.pk, Kind.CHANGE_OPEN, str(one.pk), "pending", "unknown", sweep) for one in changes
    ] + [
        Difference(account.pk, Kind.PAYMENT_OPEN, str(one.pk), "pending", "unknown", pay) for one in payments
    ]


def _invoices(account: Account) -> list[Difference]:
    """What the history says was charged, against the newest invoices; money that differs is for a person."""
    charged = dict(
        PlanChange.objects.filter(account=account, charged_minor__isnull=False)
        .exclude(stripe_invoice_id="")
        .values_list("stripe_invoice_id", "charged_minor")
    )
    if not charged or account.stripe_customer_id is None:
        return []
    try:
        invoices, _ = gateway.invoices(customer_id=account.stripe_customer_id, limit=INVOICES)
    except ProviderRefused as error:
        if error.provider_code != MISSING_OBJECT:
            raise
        return []
    return [
        Difference(account.pk, Kind.INVOICE, one.id, str(charged[one.id]), str(one.amount_due_minor))
        for one in invoices
        if one.id in charged and charged[one.id] != one.amount_due_minor
    ]


def _entitlements(account: Account, now: datetime) -> list[Difference]:
    live = live_subscription(account.pk)
    phases = entitled_phases(
        subscription=live, scheduled=scheduled_change(account.pk) if live else None, now=now
    )
    held, given = entitled_as(account.pk, phases[0].terms if phases else None, now)
    if held == given:
        return []
    subject = str(live.pk) if live else "none"
    return [Difference(account.pk, Kind.ENTITLEMENTS, subject, held, given, partial(_entitle, account.pk))]


# Mending ------------------------------------------------------------------------------------------------------------


@transaction.atomic
def _entitle(account_id: int) -> None:
    lock_account(account_id)
    live = lock_live_subscription(account_id)
    subscription_entitle(
        account_id=account_id,
        subscription=live,
        scheduled=scheduled_change(account_id) if live else None,
        now=database_now(),
    )


def _customer_forget(account: Account) -> None:
    """The next payment makes a new customer; a subscription of the old one is over."""
    live = live_subscription(account.pk)
    if live is not None and live.stripe_subscription_id is not None:
        try:
            subscription_refresh(stripe_subscription_id=live.stripe_subscription_id)
        except ProviderRefused as error:
            if error.provider_code != MISSING_OBJECT:
                raise
            _subscription_end(account.pk, live.stripe_subscription_id)
    Account.objects.filter(pk=account.pk, stripe_customer_id=account.stripe_customer_id).update(
        stripe_customer_id=None
    )


@transaction.atomic
def _subscription_end(account_id: int, stripe_id: str) -> None:
    """Stripe has no such subscription: ours is over, and what is free begins."""
    lock_account(account_id)
    lock_live_subscription(account_id)
    subscription = lock_subscription_by_stripe_id(stripe_id)
    if subscription is None or not subscription.is_live:
        return
    moment = database_now()
    change = scheduled_change(account_id)
    if change is not None and change.subscription_id == subscription.pk:
        change.status, change.settled_at = ChangeStatus.UNDONE, moment
        change.save()
        change_record(change, moment)
    subscription_close(subscription, status=SubscriptionStatus.CANCELED, moment=moment)
    after_the_end(subscription, moment)


def _subscription_adopt(account_id: int, stripe_id: str) -> None:
    """Stripe's running subscription becomes the account's; a free one, or one that Stripe has ended, gives way."""
    read_at = database_now()
    state = gateway.subscription_get(stripe_id)
    unpaid = gateway.invoices_open(subscription_id=stripe_id) if state.status in OWING else ()
    price = price_by_stripe_id(state.price_id)
    with transaction.atomic():
        lock_account(account_id)
        live = lock_live_subscription(account_id)
        subscription = lock_subscription_by_stripe_id(stripe_id)
        if price is None or (subscription is not None and subscription.is_live):
            return
        moment = database_now()
        if live is not None:
            subscription_close(live, status=SubscriptionStatus.CANCELED, moment=moment)
        if subscription is None:
            subscription = Subscription(
                account_id=account_id, stripe_subscription_id=stripe_id, started_at=moment, revision=0
            )
        subscription.price, subscription.plan_version = price, price.version
        subscription.ended_at = None
        subscription_mirror(subscription, state, read_at, unpaid)
        subscription_entitle(account_id=account_id, subscription=subscription, scheduled=None, now=moment)
