"""What differs for one account, each with how to mend it. Looking changes nothing."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from accounts.models import Account
from billing.enums import ChangeStatus, PaymentStatus, SubscriptionStatus
from billing.errors import ProviderRefused
from billing.gateways.client import MISSING_OBJECT
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceState, SubscriptionState
from billing.models import InvoicePayment, PlanChange, Subscription
from billing.rules.overdue import OWING
from billing.selectors import live_subscription, price_by_stripe_id, scheduled_change
from billing.selectors.entitled import entitled_as
from billing.services.converge import subscription_refresh
from billing.services.drift import Difference, Kind
from billing.services.drift_mending import (
    customer_forget,
    entitlements_rewrite,
    subscription_adopt,
    subscription_end,
)
from billing.services.entitlements import entitled_phases
from billing.services.overage_drift import overage_differences
from billing.services.overdue import dues_known, dues_shown
from billing.services.payments import invoice_payments_sweep
from billing.services.sweep import plan_changes_sweep
from billing.services.waiving import invoice_is_waived, unpaid_waive

OPEN_AFTER = timedelta(minutes=15)
"""An intent that is open for longer was missed by every sweep."""
INVOICES = 100


def differences_of(account: Account, now: datetime) -> list[Difference]:
    """What differs for one account; nothing is changed."""
    found: list[Difference] = []
    live = live_subscription(account.pk)
    running: dict[str, SubscriptionState] = {}
    if account.stripe_customer_id is not None:
        customer = gateway.customer_find_by_id(account.stripe_customer_id)
        if customer is None or customer.deleted:
            theirs = "missing" if customer is None else "deleted"
            forget = partial(customer_forget, account)
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
    found += _left_open(account)
    found += overage_differences(account, live)
    found += _entitlements(account, now)
    return found


def _of_subscription(account: Account, ours: Subscription) -> list[Difference]:
    stripe_id = str(ours.stripe_subscription_id)
    try:
        state = gateway.subscription_get(stripe_id)
    except ProviderRefused as error:
        if error.provider_code != MISSING_OBJECT:
            raise
        end = partial(subscription_end, account.pk, stripe_id)
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
    entitlements_rewrite(account_id)


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
            mend = None if len(running) > 1 else partial(subscription_adopt, account.pk, state.id)
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
    return [
        Difference(account.pk, Kind.INVOICE, one.id, str(charged[one.id]), str(one.amount_due_minor))
        for one in (_newest(account) if charged else ())
        if one.id in charged and charged[one.id] != one.amount_due_minor
    ]


def _newest(account: Account, *, status: str | None = None) -> Sequence[InvoiceState]:
    """The customer's newest invoices; none of a customer that Stripe does not have."""
    if account.stripe_customer_id is None:
        return ()
    try:
        found, _ = gateway.invoices(customer_id=account.stripe_customer_id, limit=INVOICES, status=status)
    except ProviderRefused as error:
        if error.provider_code != MISSING_OBJECT:
            raise
        return ()
    return found


def _left_open(account: Account) -> list[Difference]:
    """Invoices that ended subscriptions have left to be paid, though nobody is to pay them."""
    ended = Subscription.objects.filter(
        account=account, ended_at__isnull=False, stripe_subscription_id__isnull=False
    )
    ids = set(ended.values_list("stripe_subscription_id", flat=True))
    return [
        Difference(
            account.pk,
            Kind.INVOICE_OPEN,
            one.id,
            "ended",
            "open",
            partial(unpaid_waive, stripe_subscription_id=str(one.subscription_id)),
        )
        for one in (_newest(account, status="open") if ids else ())
        if one.subscription_id in ids and invoice_is_waived(one)
    ]


def _entitlements(account: Account, now: datetime) -> list[Difference]:
    live = live_subscription(account.pk)
    phases = entitled_phases(
        subscription=live, scheduled=scheduled_change(account.pk) if live else None, now=now
    )
    sides = [entitled_as(account.pk, one.terms, max(one.starts_at, now)) for one in phases]
    sides = sides or [entitled_as(account.pk, None, now)]
    different = [(held, given) for held, given in sides if held != given]
    if not different:
        return []
    held, given = different[0]
    subject = str(live.pk) if live else "none"
    return [
        Difference(
            account.pk, Kind.ENTITLEMENTS, subject, held, given, partial(entitlements_rewrite, account.pk)
        )
    ]
