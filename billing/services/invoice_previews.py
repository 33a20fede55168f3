"""The invoices of a change of plan before it is made: the one it makes now, and the next."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from accounts.models import Account
from billing.enums import ChangeKind, SubscriptionStatus
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceState, Terms
from billing.models import Price, Subscription
from billing.rules.changes import MONTHS, next_period_end
from billing.rules.discounts import Discount, discounted_at
from billing.services.terms import change_terms, trial_ends_by
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
    price_id = stripe_price_of(target)
    if subscription is None or subscription.stripe_subscription_id is None:
        return gateway.preview_start(
            customer_id=account.stripe_customer_id,
            currency=target.currency,
            price_id=price_id,
            trial_end=proration_at + timedelta(days=terms.trial_days) if terms.trial_days else None,
            terms=terms,
        )
    return _nothing_in_trial(
        gateway.preview_upgrade(
            subscription_id=subscription.stripe_subscription_id,
            item_id=str(subscription.stripe_item_id),
            price_id=price_id,
            proration_at=proration_at,
            terms=terms,
        ),
        subscription,
        terms,
    )


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


def running_discounts(subscription: Subscription, invoice: InvoiceState | None) -> tuple[Discount, ...]:
    """What is taken off the invoices after this one; without one, off the next that there will be."""
    if invoice is not None:
        return invoice.discounts
    if subscription.stripe_subscription_id is None:
        return ()
    coming = gateway.preview_next(subscription_id=subscription.stripe_subscription_id, schedule_id=None)
    return tuple(replace(one, taken_minor=0) for one in coming.discounts)


def next_amount(target: Price, discounts: Iterable[Discount], at: datetime | None) -> Money | None:
    """What the invoice after this one asks for, before any credit."""
    if at is None:
        return None
    product = target.version.plan.stripe_product_id or ""
    return Money(discounted_at(target.amount_minor, discounts, product=product, moment=at), target.currency)


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
