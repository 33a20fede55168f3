"""Recording what Stripe did: one transaction that changes subscription, plan change and limits together.

All of these may be called twice, by the request and by a webhook or the sweeper at once: the second finds the work
done. Each locks account → subscription → plan change.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from billing import metrics
from billing.enums import ENDED, Access, ChangeKind, ChangeStatus, SubscriptionStatus
from billing.errors import PaymentProviderUnavailable, Refused
from billing.gateways.values import InvoiceState, SubscriptionState
from billing.locks import (
    lock_account,
    lock_live_subscription,
    lock_plan_change,
    lock_subscription_by_stripe_id,
)
from billing.models import PlanChange, Price, Subscription
from billing.rules.changes import access_for
from billing.selectors import free_price, price_by_stripe_id, scheduled_change
from billing.services.entitlements import subscription_entitle
from billing.services.overdue import access_granted, dues_known, dues_shown, dues_write
from billing.services.recorded import attempt_refused, attempts_claim
from billing.services.told import plan_change_told
from billing.services.waiving import unpaid_waive_promise
from common import audit, outbox
from common.clock import database_now
from common.errors import DomainError

log = structlog.get_logger(__name__)

RELEASE_SCHEDULE = "billing.tasks.schedule_release"
KEEP_CARD = "billing.tasks.card_keep"
MIRRORED = (
    "plan_version_id",
    "price_id",
    "status",
    "access",
    "stripe_item_id",
    "stripe_schedule_id",
    "anchor_at",
    "current_period_start",
    "current_period_end",
    "trial_end",
    "cancel_at",
)
# What quotes are bound to and limits follow from; the rest may change without making either stale.
TERMS = ("price_id", "status", "anchor_at", "current_period_start", "current_period_end", "cancel_at")


def free_subscription_open(
    *, account_id: int, audience: str, moment: datetime, since: datetime | None = None
) -> Subscription | None:
    """Puts the account on its audience's free plan, with its limits. None when there is no such plan.

    `since`: when that began, where it is found out only at `moment`; its periods are counted from there.
    """
    price = free_price(audience)
    if price is None:
        return None
    began = min(since or moment, moment)
    subscription = Subscription.objects.create(
        account_id=account_id,
        plan_version=price.version,
        price=price,
        status=SubscriptionStatus.ACTIVE,
        access=Access.FULL,
        anchor_at=began,
        current_period_start=began,
        started_at=began,
    )
    subscription_entitle(account_id=account_id, subscription=subscription, scheduled=None, now=moment)
    return subscription


def subscription_close(subscription: Subscription, *, status: str, moment: datetime) -> None:
    """The row's end. What the account has afterwards is the caller's to say."""
    subscription.status = status
    subscription.access = Access.ENDED
    subscription.ended_at = moment
    subscription.cancel_at = None
    subscription.revision += 1
    subscription.save()


@transaction.atomic
def change_settle(*, change_id: UUID, state: SubscriptionState, read_at: datetime) -> PlanChange:
    """Records that Stripe has done what the change asked: applied, or scheduled. Done before: nothing.

    `state` is the subscription as Stripe showed it afterwards; `read_at` an instant at which it was certainly so.
    """
    account_id = PlanChange.objects.values_list("account_id", flat=True).get(pk=change_id)
    lock_account(account_id)
    live = lock_live_subscription(account_id)
    own = lock_subscription_by_stripe_id(state.id)
    change = lock_plan_change(change_id)
    if change.status in (ChangeStatus.APPLIED, ChangeStatus.UNDONE):
        return change
    moment = database_now()
    subscription = own or _open_paid(change, live, state, moment)
    subscription_mirror(subscription, state, read_at)
    _settle(change, state, moment)
    if subscription.is_live:
        subscription_entitle(
            account_id=account_id,
            subscription=subscription,
            scheduled=scheduled_change(account_id),
            now=moment,
        )
    else:
        after_the_end(subscription, moment)
    return change


def _open_paid(
    change: PlanChange, live: Subscription | None, state: SubscriptionState, moment: datetime
) -> Subscription:
    """The row of a new Stripe subscription, since it was paid; the free one that stood before it ends at the same moment."""
    paid_at = state.latest_invoice.paid_at if state.latest_invoice else None
    if paid_at is not None and change.awaiting_since is not None:
        moment = min(max(paid_at, change.awaiting_since), moment)  # however late we hear what the payer did
    if live is not None:
        subscription_close(live, status=SubscriptionStatus.CANCELED, moment=moment)
    price = price_by_stripe_id(state.price_id) or change.to_price
    assert price is not None, "a start has a target"
    return Subscription(
        account_id=change.account_id,
        plan_version=price.version,
        price=price,
        status=state.status,
        access=access_for(state.status),
        stripe_subscription_id=state.id,
        started_at=moment,
        revision=0,
    )


def _settle(change: PlanChange, state: SubscriptionState, moment: datetime) -> None:
    may_wait = change.kind in (ChangeKind.DOWNGRADE, ChangeKind.MOVE)
    waits = may_wait and not _has_switched(change, state)
    change.status = ChangeStatus.SCHEDULED if waits else ChangeStatus.APPLIED
    change.effective_at = change.effective_at or (
        state.period_end if waits else _since(change, state) or moment
    )
    change.settled_at = moment
    change.error_code, change.error_details = "", {}
    change.stripe_subscription_id = state.id
    if change.kind in (ChangeKind.UPGRADE, ChangeKind.START) and state.latest_invoice is not None:
        change.stripe_invoice_id = state.latest_invoice.id
        change.charged_minor = state.latest_invoice.amount_due_minor
        attempts_claim(
            invoice_id=change.stripe_invoice_id,
            request_id=change.request_id,
            since=change.requested_at,
            until=moment,
        )
        _compare_with_quote(change)
    change.save()
    change_record(change, moment)
    if state.default_payment_method_id is not None:
        outbox.promise(KEEP_CARD, {"stripe_subscription_id": state.id}, now=moment)


def _since(change: PlanChange, state: SubscriptionState) -> datetime | None:
    """From when what was bought at once is billed: what the invoice says, not when we heard of it."""
    if change.to_price is None or state.latest_invoice is None:
        return None
    if change.kind not in (ChangeKind.UPGRADE, ChangeKind.START):
        return None
    return state.latest_invoice.billed_from(change.to_price.stripe_price_id)


def schedule_release_promise(subscription: Subscription, schedule_id: str, moment: datetime) -> None:
    """A schedule whose switch is done would only stand in the way of the next change.

    It is named: by the time the promise is kept, the subscription may have another one, which is wanted.
    """
    payload = {"subscription_id": str(subscription.pk), "schedule_id": schedule_id}
    outbox.promise(RELEASE_SCHEDULE, payload, now=moment)


def _has_switched(change: PlanChange, state: SubscriptionState) -> bool:
    if state.status in ENDED:
        return True
    return change.to_price is not None and change.to_price.stripe_price_id == state.price_id


def _compare_with_quote(change: PlanChange) -> None:
    """The invoice should say what the quote said. Where it does not, somebody must hear of it; nothing is hidden."""
    if change.due_minor is not None and change.charged_minor != change.due_minor:
        metrics.coherence_errors_total.labels("invoice_differs_from_quote").inc()
        log.error("invoice_differs_from_quote", **change_log(change))


@transaction.atomic
def change_fail(*, change_id: UUID, error: DomainError) -> PlanChange:
    """Records that the change certainly did not happen, and why. Settled before: nothing."""
    account_id = PlanChange.objects.values_list("account_id", flat=True).get(pk=change_id)
    lock_account(account_id)
    change = lock_plan_change(change_id)
    if change.status != ChangeStatus.PENDING:
        return change
    change.status = ChangeStatus.FAILED
    change.error_code = error.code
    change.error_details = {
        key: value for key, value in error.details.items() if key not in ("preview", "remedies")
    }
    change.settled_at = moment = database_now()
    change.save()
    change_record(change, moment)
    if isinstance(error, Refused):
        attempt_refused(
            account_id=account_id,
            error=error,
            invoice_id="",
            amount_minor=change.due_minor or (change.to_price.amount_minor if change.to_price else 0),
            currency=change.currency,
            request_id=change.request_id,
        )
    return change


def change_not_made(change: PlanChange, error: PaymentProviderUnavailable) -> PaymentProviderUnavailable:
    """Records that Stripe has certainly done nothing of it, which leaves the way free for another try; what to tell."""
    known = {name: str(getattr(error, name, "")) for name in ("provider_code", "param")}
    change_fail(change_id=change.pk, error=PaymentProviderUnavailable(details=known))
    text = (
        _("The payment service could not do this. Nothing was changed.")
        if error.outcome_known
        else _(
            "The payment service does not answer. Nothing was changed and nothing charged; try again in a minute."
        )
    )
    details = {"plan_change": str(change.pk), "status": ChangeStatus.FAILED.value}
    return PaymentProviderUnavailable(text, details=details)


@transaction.atomic
def change_undone(*, change_id: UUID, state: SubscriptionState, read_at: datetime) -> PlanChange:
    """Records that a scheduled change was taken back at Stripe. Applied or undone before: nothing."""
    account_id = PlanChange.objects.values_list("account_id", flat=True).get(pk=change_id)
    lock_account(account_id)
    lock_live_subscription(account_id)
    subscription = lock_subscription_by_stripe_id(state.id)
    change = lock_plan_change(change_id)
    if change.status != ChangeStatus.SCHEDULED or subscription is None:
        return change
    moment = database_now()
    if _has_switched(change, state):  # the period ended before we came
        change.status = ChangeStatus.APPLIED
    else:
        change.status = ChangeStatus.UNDONE
    change.settled_at = moment
    change.save()
    subscription_mirror(subscription, state, read_at)
    if subscription.is_live:
        subscription_entitle(account_id=account_id, subscription=subscription, scheduled=None, now=moment)
    change_record(change, moment)
    return change


def subscription_mirror(
    subscription: Subscription,
    state: SubscriptionState,
    read_at: datetime,
    unpaid: Sequence[InvoiceState] | None = None,
) -> bool:
    """Writes Stripe's state into our row, unless the row is newer or ended. Whether its limits are to be written anew.

    `unpaid`: the subscription's open invoices, where they were asked for.
    """
    if subscription.ended_at is not None or (
        subscription.stripe_read_at is not None and subscription.stripe_read_at > read_at
    ):
        return False
    before = {name: getattr(subscription, name) for name in MIRRORED}
    owed_before, owed = dues_known(subscription), dues_shown(subscription, state, unpaid)
    _copy(subscription, state)
    subscription.access = access_granted(subscription.status, owed, read_at)
    subscription.stripe_read_at = read_at
    changed = any(getattr(subscription, name) != before[name] for name in TERMS)
    if changed or subscription._state.adding:
        subscription.revision += 1
    subscription.save()
    dues_write(subscription, owed)
    return changed or owed != owed_before


def _copy(subscription: Subscription, state: SubscriptionState) -> None:
    price = _price_of(subscription, state)
    subscription.price, subscription.plan_version = price, price.version
    subscription.status = state.status
    subscription.stripe_item_id = state.item_id
    subscription.stripe_schedule_id = state.schedule_id
    subscription.anchor_at = state.anchor_at
    subscription.current_period_start = state.period_start
    subscription.current_period_end = state.period_end
    subscription.trial_end = state.trial_end
    subscription.cancel_at = state.cancel_at
    if state.status in ENDED:
        subscription.ended_at = state.ended_at or database_now()
        subscription.cancel_at = None


def _price_of(subscription: Subscription, state: SubscriptionState) -> Price:
    """Our price for Stripe's. One that the catalogue does not know is reported and leaves the plan as it was."""
    price = price_by_stripe_id(state.price_id)
    if price is None:
        metrics.coherence_errors_total.labels("unknown_price").inc()
        log.error("unknown_price", stripe_price=state.price_id, stripe_subscription=state.id)
        return subscription.price
    return price


def after_the_end(subscription: Subscription, moment: datetime) -> Subscription | None:
    """What an account has after its paid subscription: the free plan of its audience, or nothing.

    It has that since the end, however late we hear of it. What was not paid is promised to be taken back.
    """
    account_id = subscription.account_id
    unpaid_waive_promise(subscription, now=moment)
    if lock_live_subscription(account_id) is not None:
        return None
    opened = free_subscription_open(
        account_id=account_id,
        audience=subscription.plan_version.plan.audience,
        moment=moment,
        since=subscription.ended_at,
    )
    if opened is None:
        subscription_entitle(account_id=account_id, subscription=None, scheduled=None, now=moment)
    return opened


def change_record(change: PlanChange, moment: datetime, *, is_told: bool = True) -> None:
    """Log line, audit entry and metric of a change's new status; in the transaction that gives it. `is_told`: not where
    something else tells people what has become of it.
    """
    audit.record(
        actor=change.user,
        account_id=change.account_id,
        action=f"plan_change.{change.status}",
        subject=str(change.pk),
        reason=change.error_code,
        data={key: value for key, value in change_log(change).items() if key != "account"},
        now=moment,
    )
    if is_told:
        plan_change_told(change, now=moment)
    transaction.on_commit(lambda: _tell(change), robust=True)


def _tell(change: PlanChange) -> None:
    """After the commit, so that nothing is counted or said that was rolled back."""
    if change.status == ChangeStatus.FAILED:
        log.warning("plan_change_failed", **change_log(change))
        return
    metrics.plan_change_total.labels(change.kind, change.status).inc()
    log.info("plan_change_settled", **change_log(change))


def change_log(change: PlanChange) -> dict[str, Any]:
    """What a log line says of a change; enough to find everything else."""
    return {
        "plan_change": str(change.pk),
        "account": change.account_id,
        "kind": change.kind,
        "status": change.status,
        "from_price": change.from_price.lookup_key if change.from_price else None,
        "to_price": change.to_price.lookup_key if change.to_price else None,
        "due_minor": change.due_minor,
        "charged_minor": change.charged_minor,
        "error_code": change.error_code,
        "stripe_invoice": change.stripe_invoice_id,
        "change_request_id": change.request_id,
    }
