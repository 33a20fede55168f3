"""What Celery does for billing. The rules are in services."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from uuid import UUID

import stripe
import structlog
from celery import current_task, shared_task
from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from djstripe.models import WebhookEventTrigger

from accounts.models import Account
from billing import metrics
from billing.gateways.stripe import gateway
from billing.mirror import EMAIL, FORGET, mirror_forget, words_forget
from billing.models import Subscription
from billing.reactions import event_follow
from billing.services import (
    overage_charges_sweep,
    plan_changes_sweep,
    refunds_sweep,
    stored_fit,
    subscription_card_keep,
    subscription_refresh,
    withdrawals_sweep,
)
from billing.services import plan_credits_sweep as sweep_plan_credits
from billing.services.card_choices import CHOOSE, card_choice_carry_out
from billing.services.collecting import COLLECT
from billing.services.collecting import overage_collect as collect
from billing.services.deliveries import deliveries_prune
from billing.services.dunning import overdue_apply
from billing.services.endings import READ_AGAIN
from billing.services.outcomes import KEEP_CARD, RELEASE_SCHEDULE
from billing.services.payments import invoice_payments_sweep
from billing.services.receipts import receipt_send
from billing.services.reconcile import reconcile
from billing.services.reminders import reminders_notify
from billing.services.stored import FIT
from billing.services.waiving import WAIVE, unpaid_waive
from billing.services.withdrawals import RECEIPT
from billing.webhooks import APPLY, mirrored_with
from common import clock
from common.locks import locked, locked_unless_taken
from common.outbox import Hopeless, outbox_task, promise

UNIQUE_VIOLATION = "23505"  # PostgreSQL's: somebody else inserted the same object first
FORGET_MIRROR = "billing.tasks.mirror_forget_again"
LAST_EVENTS = timedelta(days=4)
"""Stripe tries to deliver an event for three days."""

log = structlog.get_logger(__name__)


@outbox_task(APPLY, atomic=False)
def stripe_event_apply(*, trigger_id: int) -> None:
    """One event of Stripe's: our state first, then dj-stripe's mirror. Both may run again."""
    trigger = WebhookEventTrigger.objects.get(pk=trigger_id)
    event_follow(trigger.json_body)
    if not trigger.processed:
        _mirror(trigger)


def _mirror(trigger: WebhookEventTrigger) -> None:
    """Lets dj-stripe keep its copy. What it cannot take is parked: our state does not depend on it."""
    try:
        # dj-stripe looks whether a row is there and then writes it: two events of one customer would collide.
        with locked(f"stripe_mirror:{mirrored_with(trigger.json_body)}"):
            trigger.process(save=True)
    except Exception as error:
        if _passes(error):
            raise
        metrics.mirror_failures_total.inc()
        event = trigger.json_body
        log.exception("mirror_failed", event_id=event.get("id"), event_type=event.get("type"))
        raise Hopeless(f"the mirror cannot take it: {type(error).__name__}") from error


def _passes(error: Exception) -> bool:
    """Whether another try may go well: Stripe or the database was away, or another worker was at the same object."""
    if isinstance(error, stripe.StripeError):
        return not isinstance(error, stripe.InvalidRequestError)
    if isinstance(error, IntegrityError):
        return getattr(error.__cause__, "sqlstate", None) == UNIQUE_VIOLATION
    return isinstance(error, OperationalError | InterfaceError)


@outbox_task(RELEASE_SCHEDULE, atomic=False)
def schedule_release(*, subscription_id: str, schedule_id: str) -> None:
    """After a scheduled switch the schedule has done its work; without it the price can be changed again."""
    subscription = Subscription.objects.get(pk=subscription_id)
    if subscription.stripe_subscription_id and subscription.is_live:
        gateway.schedule_release(schedule_id)
        subscription_refresh(stripe_subscription_id=subscription.stripe_subscription_id)


@outbox_task(WAIVE, atomic=False)
def unpaid_waived(*, stripe_subscription_id: str) -> None:
    """After a subscription's end: nobody is asked for its time any more."""
    unpaid_waive(stripe_subscription_id=stripe_subscription_id)


@outbox_task(READ_AGAIN, atomic=False)
def subscription_read_again(*, stripe_subscription_id: str) -> None:
    """After a call whose answer may have been lost: what Stripe shows now is what holds."""
    subscription_refresh(stripe_subscription_id=stripe_subscription_id)


@outbox_task(FIT, atomic=False)
def stored_fitted(*, account_id: int) -> None:
    """After a change of limits: what is stored beyond them is archived, or comes back as far as they allow."""
    stored_fit(account_id=account_id, now=clock.now())


@outbox_task(CHOOSE, atomic=False)
def card_chosen(*, choice_id: str) -> None:
    """The card that was saved, or that paid, is charged from now on."""
    card_choice_carry_out(choice_id=UUID(choice_id))


@outbox_task(KEEP_CARD, atomic=False)
def card_keep(*, stripe_subscription_id: str) -> None:
    """The card that somebody paid with while subscribing becomes their default, which is the one that is charged."""
    subscription_card_keep(stripe_subscription_id=stripe_subscription_id)


def one_at_a_time(run: Callable[[], None]) -> Callable[[], None]:
    """While a run of the sweep goes on, because Stripe is slow or silent, a worker leaves its next turns out: they would ask
    the same and keep other workers from mails and events. Whoever calls it themselves, as the sandbox's clock does, wants it
    done by then, and waits.
    """
    name = f"sweep:{run.__name__}"

    @wraps(run)
    def turn() -> None:
        if not current_task:
            with locked(name):
                run()
            return
        with locked_unless_taken(name) as is_free:
            if is_free:
                run()
            else:
                log.warning("sweep_still_running", sweep=run.__name__)

    return turn


@shared_task(name="billing.tasks.plan_changes_sweep")
@one_at_a_time
def sweep() -> None:
    """Beat: resolves what was left open."""
    report = plan_changes_sweep(now=clock.now())
    if any(vars(report).values()):
        log.info("plan_changes_swept", **vars(report))


@shared_task(name="billing.tasks.payments_sweep")
@one_at_a_time
def payments_sweep() -> None:
    """Beat: finds out what became of payments that nobody heard of again."""
    if settled := invoice_payments_sweep(now=clock.now()):
        log.info("invoice_payments_swept", settled=settled)


@shared_task(name="billing.tasks.overdue_apply")
@one_at_a_time
def overdue() -> None:
    """Beat: does what the overdue rules say is due."""
    report = overdue_apply(now=clock.now())
    if any(vars(report).values()):
        log.info("overdue_applied", **vars(report))


@shared_task(name="billing.tasks.reminders_notify")
def remind() -> None:
    """Beat: tells of renewals, trials' ends, planned changes and cards that are near."""
    looked = reminders_notify(now=clock.now())
    if any(looked.values()):
        log.info("reminders_looked_at", **looked)


@shared_task(name="billing.tasks.refunds_sweep")
@one_at_a_time
def sweep_refunds() -> None:
    """Beat: carries out what is owed and was left open."""
    for report in (refunds_sweep(now=clock.now()), withdrawals_sweep(now=clock.now())):
        if any(vars(report).values()):
            log.info("refunds_swept", **vars(report))


@outbox_task(RECEIPT, atomic=False)
def withdrawal_receipt(*, withdrawal_id: str) -> None:
    """The receipt of a withdrawal, by e-mail. Sent again after a crash it carries the same Message-ID."""
    receipt_send(withdrawal_id=UUID(withdrawal_id))


@shared_task(name="billing.tasks.reconcile")
@one_at_a_time
def reconcile_all() -> None:
    """Beat: compares everything with Stripe and mends what may be mended."""
    report = reconcile(now=clock.now(), mend=True)
    log.info(
        "reconciled",
        accounts=report.accounts,
        found=len(report.found),
        mended=len(report.mended),
        left=len(report.left),
    )


@shared_task(name="billing.tasks.webhooks_prune")
def webhooks_prune() -> None:
    """Beat: deliveries that were applied long ago. The events themselves stay in dj-stripe's table."""
    deliveries_prune(before=clock.now() - settings.WEBHOOK_RETENTION)


@outbox_task(COLLECT, atomic=False)
def overage_collect(*, collection_id: str) -> None:
    """Enough overage waits: its invoice is made and paid before the period's end."""
    collect(collection_id=UUID(collection_id))


@shared_task(name="billing.tasks.overage_sweep")
@one_at_a_time
def overage_sweep() -> None:
    """Beat: resolves overage charges that were left open."""
    report = overage_charges_sweep(now=clock.now())
    if any(vars(report).values()):
        log.info("overage_swept", **vars(report))


@shared_task(name="billing.tasks.plan_credits_sweep")
@one_at_a_time
def plan_credits_sweep() -> None:
    """Beat: gives the credits that a crash, or an event that never came, has left owing."""
    sweep_plan_credits(now=clock.now())


@outbox_task(FORGET, atomic=False)
def customer_forget(*, account_id: int, customer_id: str, cards: list[str]) -> None:
    """A deleted account's customer: gone at Stripe, and nameless in our copy, which its last events may renew."""
    gateway.customer_delete(customer_id)
    ids = [customer_id, *cards]
    mirror_forget(ids=ids)
    with transaction.atomic():
        promise(
            FORGET_MIRROR,
            {"account_id": account_id, "ids": ids},
            dedupe_key=f"forget-again:{customer_id}",
            due_at=clock.now() + LAST_EVENTS,
            now=clock.now(),
        )


@outbox_task(FORGET_MIRROR)
def mirror_forget_again(*, account_id: int, ids: list[str]) -> None:
    """When the last events about the customer have come."""
    mirror_forget(ids=ids)
    words_forget(account_id=account_id)


@outbox_task(EMAIL, atomic=False)
def customer_email_follow(*, account_id: int) -> None:
    """Who got an organisation's invoices has left: Stripe sends them to whom the account names now."""
    account = Account.objects.get(pk=account_id)
    if account.stripe_customer_id and account.billing_email:
        gateway.customer_email_set(customer_id=account.stripe_customer_id, email=account.billing_email)
