"""The invoices of a change of plan before it is made: the one it makes now, and the next."""

from dataclasses import replace
from datetime import datetime, timedelta

from accounts.models import Account
from billing.enums import ChangeKind, SubscriptionStatus
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceState, Terms, no_invoice
from billing.models import Price, Subscription
from billing.rules.changes import MONTHS, next_period_end
from billing.rules.next_invoice import Charged, asked_for, total_at
from billing.services.terms import change_terms, code_answered, trial_ends_by
from billing.services.transitions import Transition, stripe_price_of
from common.money import Money
from common.periods import add_months


def invoice_preview(
    *,
    account: Account,
    transition: Transition,
    proration_at: datetime,
    trial_days: int | None = None,
    promotion_id: str | None = None,
) -> InvoiceState | None:
    """The invoice this change makes now, as Stripe computes it. None when it makes none."""
    if transition.kind != ChangeKind.UPGRADE:
        return None
    subscription, target = transition.subscription, transition.target
    terms = change_terms(
        subscription=subscription, target=target, trial_days=trial_days, promotion_id=promotion_id
    )
    return invoice_now(
        account=account, subscription=subscription, target=target, proration_at=proration_at, terms=terms
    )


def invoice_now(
    *,
    account: Account,
    subscription: Subscription | None,
    target: Price,
    proration_at: datetime,
    terms: Terms,
) -> InvoiceState:
    """The invoice that a start or an upgrade on these terms makes at that instant, as Stripe computes it."""
    with code_answered(terms.promotion_id):
        return _invoice_now(account, subscription, target, proration_at, terms)


def _invoice_now(
    account: Account, subscription: Subscription | None, target: Price, proration_at: datetime, terms: Terms
) -> InvoiceState:
    price_id = stripe_price_of(target)
    if subscription is None or subscription.stripe_subscription_id is None:
        return gateway.preview_start(
            customer_id=account.stripe_customer_id,
            currency=target.currency,
            price_id=price_id,
            trial_end=proration_at + timedelta(days=terms.trial_days) if terms.trial_days else None,
            terms=terms,
        )
    invoice = gateway.preview_upgrade(
        subscription_id=subscription.stripe_subscription_id,
        item_id=str(subscription.stripe_item_id),
        price_id=price_id,
        proration_at=proration_at,
        terms=terms,
    )
    if invoice is None:
        return no_invoice(currency=target.currency, at=proration_at)
    return _nothing_in_trial(invoice, subscription, terms)


def _nothing_in_trial(invoice: InvoiceState, subscription: Subscription, terms: Terms) -> InvoiceState:
    """A change within a trial that goes on makes no invoice: Stripe's preview is then that of the trial's end."""
    if subscription.status != SubscriptionStatus.TRIALING or terms.ends_trial:
        return invoice
    return replace(
        invoice,
        total_minor=0,
        amount_due_minor=0,
        lines=(),
        discount_minor=0,
        discounts=tuple(replace(one, taken_minor=0) for one in invoice.discounts),
    )


def next_after(invoice: InvoiceState, *, target: Price, at: datetime) -> Money:
    """What the invoice of `at` asks for, which charges the target's price and is the next after this one."""
    return _asked_for(target, invoice, [], invoice.balance_after_minor, at)


def next_with(subscription: Subscription, *, target: Price, at: datetime) -> Money | None:
    """What the subscription's next invoice asks for, when it charges the target's price: with what waits for it and what
    is taken off it. None when there will be none. Asks Stripe.
    """
    coming = gateway.preview_next(subscription_id=str(subscription.stripe_subscription_id), schedule_id=None)
    if coming is None:
        return None
    untouched = replace(coming, discounts=tuple(replace(one, taken_minor=0) for one in coming.discounts))
    waiting = [Charged(line.amount_minor) for line in coming.lines if line.waited]
    return _asked_for(target, untouched, waiting, coming.starting_balance_minor, at)


def _asked_for(
    target: Price, known: InvoiceState, waiting: list[Charged], balance_minor: int, at: datetime
) -> Money:
    """By the discounts and taxes that an invoice shows."""
    period = Charged(target.amount_minor, target.version.plan.stripe_product_id or "")
    total_minor = total_at([*waiting, period], discounts=known.discounts, rates=known.tax_rates, moment=at)
    asked_minor = asked_for(total_minor, balance_minor=balance_minor, currency=target.currency)
    return Money(asked_minor, target.currency)


def next_invoice_at(transition: Transition, effective_at: datetime) -> datetime | None:
    """When the target's price is charged next; None for a free target."""
    subscription, target = transition.subscription, transition.target
    if target.amount_minor == 0:
        return None
    if transition.kind == ChangeKind.DOWNGRADE:
        return subscription.current_period_end
    starts_anew = subscription.price.interval != target.interval or trial_ends_by(subscription, target)
    if subscription.stripe_subscription_id is None or starts_anew:
        return add_months(effective_at, MONTHS[target.interval])  # a new period begins at once
    return next_period_end(
        anchor=subscription.anchor_at, interval=target.interval, start=subscription.current_period_start
    )
