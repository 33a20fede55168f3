"""Subscribing on Stripe's own payment page, which works without JavaScript and takes whatever Stripe takes."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from accounts.models import Account, User
from billing.enums import ChangeKind, ChangeStatus
from billing.errors import PaymentProviderUnavailable, PlanChangeNotAllowed
from billing.gateways.effects import effects_watched
from billing.gateways.stripe import gateway
from billing.locks import lock_account, lock_live_subscription
from billing.models import PlanChange, Price
from billing.selectors import change_in_flight, live_subscription
from billing.services.attempts import Asked, change_by_key, change_open, observed, unknown_outcome
from billing.services.awaiting import (
    MOST_TRIES,
    WaitsInTheWay,
    change_await_payer,
    change_follow,
    way_made,
)
from billing.services.carry_out import check_shown, step_key
from billing.services.customers import customer_ensure
from billing.services.outcomes import change_fail, change_not_made
from billing.services.starts import audience_check
from billing.services.terms import code_answered, promotion_check, terms_of_change, trial_offered
from billing.services.transitions import (
    change_under_way,
    interval_or_default,
    stripe_price_of,
    subscribed,
    target_price,
    transition_check,
)
from common.clock import database_now
from common.errors import DomainError, IdempotencyKeyReused

JOIN_WAIT_S = 20.0
POLL_S = 0.05
LOST_AFTER = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Visit:
    """Where the payer is sent, and the change that their payment carries out. `url` empty: paid already."""

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

    Asked for the same again, it is the same page, as long as it can be paid on; another attempt of the account that
    waits for its payer is given up for this one. Raises AlreadySubscribed for who has a paid plan, and what
    subscription_start raises.
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
        for _attempt in range(MOST_TRIES):
            change, is_new = way_made(partial(_open, asked, target))
            if is_new or _is_lost(change, now):
                return _send(change, addresses, locale, is_first=is_new)
            if (visit := _same_visit(_sent(change))) is not None:
                return visit
        raise unknown_outcome(change)


def _is_lost(change: PlanChange, now: datetime) -> bool:
    """Whether nobody heard from Stripe where the payer is to go. Asked again under its key, it says: nobody has to wait
    until it is certain that nothing can come of it.
    """
    is_silent = change.status == ChangeStatus.PENDING and change.awaiting_since is None
    return is_silent and change.requested_at < now - LOST_AFTER


def _sent(change: PlanChange) -> PlanChange:
    """The change, once the request that opened it has told where its payer goes, or that it came to nothing."""
    deadline = time.monotonic() + JOIN_WAIT_S
    while change.status == ChangeStatus.PENDING and change.awaiting_since is None:
        if time.monotonic() > deadline:
            raise unknown_outcome(change)
        time.sleep(POLL_S)
        change = PlanChange.objects.get(pk=change.pk)
    return change


def _same_visit(change: PlanChange) -> Visit | None:
    """Back to the page that is open for it; to the change's own page once it is paid. None: it can be paid no more."""
    session = gateway.checkout_get(change.checkout_session_id) if change.checkout_session_id else None
    if session is not None and session.status == "open" and change.status == ChangeStatus.PENDING:
        return Visit(change, session.url or "")
    followed, _reading = change_follow(change) if change.status == ChangeStatus.PENDING else (change, None)
    if followed.status == ChangeStatus.FAILED:
        return None
    return Visit(followed, "")


@transaction.atomic
def _open(asked: Asked, target: Price) -> tuple[PlanChange, bool]:
    """The intent, and whether it is new; otherwise the one that an equal request has opened."""
    lock_account(asked.account.pk)
    subscription = lock_live_subscription(asked.account.pk)
    pending = change_in_flight(asked.account.pk)
    same = change_by_key(asked) or _equal(pending, asked, target)
    if same is not None:
        if same.to_price_id != target.pk:
            raise IdempotencyKeyReused
        return same, False
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
    change = change_open(
        asked=asked, subscription=subscription, target=target, kind=kind, trial_days=trial_days
    )
    return change, True


def _equal(pending: PlanChange | None, asked: Asked, target: Price) -> PlanChange | None:
    """What is open already, where it is a visit to Stripe's page for the same at the same price."""
    if pending is None or pending.status != ChangeStatus.PENDING:
        return None
    is_visit = (pending.idempotency_key or "").startswith(f"{asked.operation}:")
    if not pending.checkout_session_id and (pending.awaits_payer or not is_visit):
        return None
    code = asked.promotion.id if asked.promotion else ""
    wanted = (target.pk, code, asked.shown_minor)
    is_same = (pending.to_price_id, pending.stripe_promotion_id, pending.due_minor) == wanted
    return pending if is_same else None


def _send(change: PlanChange, addresses: Addresses, locale: str, *, is_first: bool) -> Visit:
    """`is_first`: nobody has asked Stripe for it before, so that what this try cannot have done is not done."""
    change = PlanChange.objects.select_related("account", "subscription", "to_price__version__plan").get(
        pk=change.pk
    )
    assert change.to_price is not None, "Checkout is for a target"
    needs_card = change.trial_days is None or change.to_price.version.plan.trial_needs_card
    try:
        terms = terms_of_change(change)
        with effects_watched() as effects, code_answered(change.stripe_promotion_id):
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
        if error.outcome_known or (is_first and not effects.possible):
            raise change_not_made(change, error) from error
        raise unknown_outcome(change) from error
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
