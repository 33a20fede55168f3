"""Subscribing on Stripe's own payment page, which works without JavaScript and takes whatever Stripe takes."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import transaction

from accounts.models import Account, User
from billing.enums import ChangeKind
from billing.errors import PaymentProviderUnavailable, PlanChangeNotAllowed
from billing.gateways.stripe import gateway
from billing.locks import lock_account, lock_live_subscription
from billing.models import PlanChange, Price
from billing.selectors import change_in_flight, live_subscription
from billing.services.attempts import Asked, change_open, observed, unknown_outcome
from billing.services.awaiting import WaitsInTheWay, change_await_payer, way_made
from billing.services.carry_out import check_shown, step_key
from billing.services.customers import customer_ensure
from billing.services.outcomes import change_fail
from billing.services.starts import audience_check
from billing.services.terms import promotion_check, terms_of_change, trial_offered
from billing.services.transitions import (
    change_under_way,
    interval_or_default,
    stripe_price_of,
    subscribed,
    target_price,
    transition_check,
)
from common.clock import database_now
from common.errors import DomainError


@dataclass(frozen=True, slots=True)
class Visit:
    """Where the payer is sent, and the change that their payment carries out."""

    change: PlanChange
    url: str


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where Stripe sends the payer back to: paid, or not. `{change}` stands for the plan change's id."""

    paid: str
    left: str


def checkout_begin(
    *,
    account: Account,
    user: User | None,
    plan: str,
    interval: str | None,
    promotion_code: str | None,
    shown_minor: int | None,
    addresses: Addresses,
    locale: str,
    idempotency_key: str | None,
    request_id: str,
    now: datetime,
) -> Visit:
    """Opens Stripe's page for an account that pays for nothing yet; the plan begins when they have paid there.

    Another attempt of the account that waits for its payer is given up for this one. Raises AlreadySubscribed for who
    has a paid plan, and what subscription_start raises.
    """
    asked = Asked(
        account,
        user,
        plan,
        interval,
        None,
        idempotency_key,
        request_id,
        now,
        "checkout",
        collects=True,
        promotion=None,
        shown_minor=shown_minor,
    )
    with observed(asked):
        subscription = live_subscription(account.pk)
        target = target_price(
            plan=plan,
            interval=interval_or_default(plan, interval, subscription),
            account=account,
            subscription=subscription,
        )
        audience_check(account, target)
        promotion = promotion_check(code=promotion_code, currency=target.currency)
        asked = asked.having(promotion)
        change = way_made(partial(_open, asked, target))
        return _send(change, addresses, locale)


@transaction.atomic
def _open(asked: Asked, target: Price) -> PlanChange:
    lock_account(asked.account.pk)
    subscription = lock_live_subscription(asked.account.pk)
    pending = change_in_flight(asked.account.pk)
    waiting = pending if pending is not None and pending.awaits_payer else None
    if subscription is None:
        kind = ChangeKind.START
        if target.amount_minor == 0:
            raise PlanChangeNotAllowed(details={"reason": "free_plan"})
        if pending is not None and waiting is None:
            raise change_under_way(pending)
    elif subscription.stripe_subscription_id is not None:
        raise subscribed(subscription)
    else:
        kind = transition_check(
            subscription=subscription,
            target=target,
            in_flight=None if waiting else pending,
            now=asked.arrived_at,
        ).kind
    if waiting is not None:
        raise WaitsInTheWay(waiting)
    trial_days = trial_offered(account=asked.account, subscription=subscription, target=target)
    return change_open(
        asked=asked, subscription=subscription, target=target, kind=kind, trial_days=trial_days
    )


def _send(change: PlanChange, addresses: Addresses, locale: str) -> Visit:
    change = PlanChange.objects.select_related("account", "subscription", "to_price__version__plan").get(
        pk=change.pk
    )
    assert change.to_price is not None, "Checkout is for a target"
    needs_card = change.trial_days is None or change.to_price.version.plan.trial_needs_card
    try:
        terms = terms_of_change(change)
        check_shown(change, terms)
        session = gateway.checkout_create(
            customer_id=customer_ensure(account=change.account),
            price_id=stripe_price_of(change.to_price),
            change_id=str(change.pk),
            terms=terms,
            needs_card=needs_card,
            success_url=addresses.paid.format(change=change.pk),
            cancel_url=addresses.left.format(change=change.pk),
            locale=locale,
            key=step_key(change, "checkout"),
        )
    except PaymentProviderUnavailable as error:
        if not error.outcome_known:
            raise unknown_outcome(change) from error
        change_fail(change_id=change.pk, error=error)
        raise
    except DomainError as error:
        change_fail(change_id=change.pk, error=error)
        raise
    change = change_await_payer(
        change_id=change.pk,
        since=database_now(),
        until=session.expires_at,
        checkout_session_id=session.id,
    )
    return Visit(change, session.url or addresses.left.format(change=change.pk))
