"""Taking a scheduled change back, and ending a subscription."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Account, User
from billing.enums import IN_FLIGHT, ChangeKind, ChangeStatus
from billing.errors import DuplicatePlanChange, NoLiveSubscription, NothingToUndo, PlanChangeNotAllowed
from billing.gateways.client import LONGEST_CALL_S
from billing.gateways.stripe import gateway
from billing.locks import lock_account, lock_live_subscription, lock_plan_change
from billing.models import PlanChange, Subscription
from billing.selectors import (
    awaiting_change,
    change_in_flight,
    free_price,
    live_subscription,
    plan_change_get,
    scheduled_change,
)
from billing.services.attempts import Asked, PlanChangeResult, change_by_key, change_open, observed
from billing.services.awaiting import WaitsInTheWay, change_replace, way_made
from billing.services.carry_out import take_back
from billing.services.changes import keep_check, plan_change_finish
from billing.services.converge import subscription_catch_up, subscription_converge
from billing.services.outcomes import change_log, change_undone
from billing.services.refused import refusal_keep
from common import outbox
from common.clock import database_now
from quotas.serialize import instant

log = structlog.get_logger(__name__)

READ_AGAIN = "billing.tasks.subscription_read_again"


def plan_change_undo(
    *, account: Account, user: User | None, request_id: str, now: datetime
) -> PlanChangeResult:
    """Takes back what is scheduled. NothingToUndo when nothing is, or when its moment has come meanwhile."""
    subscription_catch_up(account_id=account.pk, now=now)
    if (waiting := awaiting_change(account.pk)) is not None:
        return _drop(waiting)
    change = _open_undo(account, now)
    log.info(
        "plan_change_undo_requested",
        **change_log(change),
        user=user.pk if user else None,
        request_id=request_id,
    )
    done = plan_change_take_back(change)
    if done.status != ChangeStatus.UNDONE:
        raise NothingToUndo(
            _("The change has taken effect meanwhile."),
            details={"plan_change": str(done.pk), "status": done.status},
        )
    return PlanChangeResult(plan_change_get(done.pk), live_subscription(account.pk))


def _drop(waiting: PlanChange) -> PlanChangeResult:
    """What waits for its payer is given up: it ends as failed, and nobody can pay for it any more."""
    done = change_replace(waiting)
    if done.status == ChangeStatus.APPLIED:
        raise NothingToUndo(
            _("The change has taken effect meanwhile."),
            details={"plan_change": str(done.pk), "status": done.status},
        )
    return PlanChangeResult(plan_change_get(done.pk), live_subscription(done.account_id))


@transaction.atomic
def _open_undo(account: Account, now: datetime) -> PlanChange:
    lock_account(account.pk)
    found = scheduled_change(account.pk)
    if found is None:
        pending = PlanChange.objects.filter(account=account, status__in=IN_FLIGHT).first()
        if pending is not None:
            raise _being_carried_out(pending)
        raise NothingToUndo
    change = lock_plan_change(found.pk)
    if change.undo_requested_at is None:
        change.undo_requested_at = now
        change.save(update_fields=["undo_requested_at"])
    return change


def plan_change_take_back(change: PlanChange) -> PlanChange:
    """Does the undoing that was asked for; done before: nothing. PaymentProviderUnavailable leaves it asked for."""
    state, read_at = take_back(change)
    return change_undone(change_id=change.pk, state=state, read_at=read_at)


# Cancelling ---------------------------------------------------------------------------------------------------------


def subscription_cancel(
    *,
    account: Account,
    user: User | None,
    at: str,
    idempotency_key: str | None,
    request_id: str,
    now: datetime,
    keep: Sequence[str] = (),
    reason: str = "",
) -> PlanChangeResult:
    """Ends the paid subscription at the period's end (a scheduled change that can be undone), or now.

    Afterwards the account is on the free plan, where its audience has one. `keep`: the stored things that stay in
    use there. `reason`: why, for the history; nobody has to say.
    """
    asked = Asked(
        account,
        user,
        None,
        None,
        None,
        idempotency_key,
        request_id,
        now,
        f"cancel_{at}",
        keep=tuple(keep),
        reason=reason.strip(),
    )
    with observed(replace(asked, target_plan="(cancel)")):
        subscription_catch_up(account_id=account.pk, now=now)
        kind = ChangeKind.CANCEL if at == "now" else ChangeKind.DOWNGRADE
        try:
            change, is_new = way_made(partial(_open_cancel, asked, kind))
        except (NoLiveSubscription, PlanChangeNotAllowed, DuplicatePlanChange) as error:
            refusal_keep(asked, error, kind=kind)
            raise
        return plan_change_finish(asked, change, is_new=is_new)


@transaction.atomic
def _open_cancel(asked: Asked, kind: ChangeKind) -> tuple[PlanChange, bool]:
    lock_account(asked.account.pk)
    if (same := change_by_key(asked)) is not None:
        return same, False
    subscription = lock_live_subscription(asked.account.pk)
    if subscription is None:
        raise NoLiveSubscription
    target = free_price(subscription.plan.audience)
    pending = change_in_flight(asked.account.pk)
    is_same = pending is not None and pending.kind == kind and pending.to_price == target
    if pending is not None and is_same and pending.status == ChangeStatus.PENDING:
        return pending, False
    if pending is not None and pending.awaits_payer and subscription.stripe_subscription_id is not None:
        raise WaitsInTheWay(pending)
    if pending is not None and subscription.stripe_subscription_id is not None:
        raise _in_the_way(pending, is_same=is_same)
    if subscription.stripe_subscription_id is None:
        raise PlanChangeNotAllowed(
            _("The free plan costs nothing and has nothing to cancel."), details={"reason": "free_plan"}
        )
    if target is not None:
        keep_check(asked, target)
    return change_open(asked=asked, subscription=subscription, target=target, kind=kind), True


def _in_the_way(pending: PlanChange, *, is_same: bool) -> DuplicatePlanChange | PlanChangeNotAllowed:
    details = {"reason": "change_scheduled", "plan_change": str(pending.pk)}
    if is_same:
        return DuplicatePlanChange(
            _("The end of the subscription is scheduled already. Nothing more is needed."),
            details=details | {"effective_at": instant(pending.effective_at)},
        )
    if pending.status == ChangeStatus.PENDING:
        return _being_carried_out(pending)
    return PlanChangeNotAllowed(_("Another change is scheduled. Take it back first."), details=details)


def _being_carried_out(pending: PlanChange) -> PlanChangeNotAllowed:
    return PlanChangeNotAllowed(
        _("A change is being carried out. Wait until it is done."),
        details={"reason": "change_in_progress", "plan_change": str(pending.pk)},
    )


def subscription_end(*, account: Account, user: User | None, request_id: str, now: datetime) -> None:
    """Whatever runs at Stripe ends at once, with what is scheduled for it or waits to be paid: for whoever leaves.

    Repeating changes nothing.
    """
    if (waiting := awaiting_change(account.pk)) is not None:
        change_replace(waiting)
    if scheduled_change(account.pk) is not None:
        plan_change_undo(account=account, user=user, request_id=request_id, now=now)
    live = live_subscription(account.pk)
    if live is not None and live.stripe_subscription_id is not None:
        subscription_cancel(
            account=account, user=user, at="now", idempotency_key=None, request_id=request_id, now=now
        )


def subscription_resume(
    *, account: Account, user: User | None, request_id: str, now: datetime
) -> Subscription:
    """Takes the end of a subscription back, whoever set it. NothingToUndo when it is not about to end."""
    subscription = live_subscription(account.pk)
    if subscription is None:
        raise NoLiveSubscription
    change = scheduled_change(account.pk)
    if change is not None and change.to_price is not None and change.to_price.amount_minor > 0:
        raise NothingToUndo(_("The subscription is not about to end; a change of plan is scheduled."))
    if change is not None:
        plan_change_undo(account=account, user=user, request_id=request_id, now=now)
    elif subscription.cancel_at is not None:
        _resume_at_provider(subscription, now)
    else:
        raise NothingToUndo(_("The subscription is not about to end."))
    return live_subscription(account.pk) or subscription


def _resume_at_provider(subscription: Subscription, now: datetime) -> None:
    """The end was set at Stripe, so there is no plan change of ours to undo, nor one that the sweep would finish.

    So that an answer that is lost does not leave us believing in the end, reading it again is promised beforehand,
    for when no call can be under way any more.
    """
    with transaction.atomic():
        outbox.promise(
            READ_AGAIN,
            {"stripe_subscription_id": str(subscription.stripe_subscription_id)},
            now=now,
            due_at=now + timedelta(seconds=LONGEST_CALL_S),
        )
    state = gateway.cancel_at_period_end_set(
        subscription_id=str(subscription.stripe_subscription_id),
        cancel=False,
        change_id="",
        key=f"subscription:{subscription.pk}:resume:{subscription.revision}",
    )
    subscription_converge(stripe_subscription=state, read_at=database_now())
