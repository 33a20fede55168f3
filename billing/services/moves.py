"""Moving subscribers to another version of the plan they are on.

Who subscribed keeps the terms they bought until whoever runs the site moves them. A move is a change of plan of its
own kind: an intent, the call, the outcome, in the history. It charges nothing itself: at the period's end the next
invoice has the new price, and with `at="now"` the new limits hold at once and the price from the next invoice on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Account, User
from billing.enums import ChangeKind, ChangeStatus
from billing.errors import DuplicatePlanChange, InvalidTargetPlan, PlanChangeNotAllowed
from billing.gateways.stripe import gateway
from billing.locks import lock_account, lock_live_subscription
from billing.models import PlanChange, PlanVersion, Price, Subscription
from billing.rules.changes import QuotaChange, quota_changes
from billing.selectors import change_in_flight, plan_change_get, terms_of
from billing.services.attempts import Asked, change_open
from billing.services.changes import plan_change_run
from billing.services.entitlements import subscription_entitle
from billing.services.exceeding import Exceeding, stored_exceeding
from billing.services.outcomes import change_record
from billing.services.transitions import stripe_price_of
from common.money import Money
from quotas.serialize import instant

AT = ("period_end", "now")


@dataclass(frozen=True, slots=True)
class MovePreview:
    """What moving one subscriber means. `blocked`: why they cannot be moved now, or empty.

    `next_before` and `next_after`: Stripe's next invoice as it stands and after the move; None where none is to come.
    """

    subscription: Subscription
    target: Price | None
    effective_at: datetime | None
    next_before: Money | None
    next_after: Money | None
    limits: tuple[QuotaChange, ...]
    features_lost: tuple[str, ...]
    features_won: tuple[str, ...]
    exceeding: tuple[Exceeding, ...]
    blocked: str

    def as_json(self) -> dict[str, Any]:
        account = self.subscription.account
        return {
            "account": account.pk,
            "email": account.billing_email,
            "subscription": str(self.subscription.pk),
            "from_version": self.subscription.plan_version.number,
            "to_version": self.target.version.number if self.target else None,
            "interval": self.subscription.price.interval,
            "effective_at": instant(self.effective_at),
            "due_now": Money(0, self.subscription.price.currency).as_json(),
            "next_invoice_before": self.next_before.as_json() if self.next_before else None,
            "next_invoice_after": self.next_after.as_json() if self.next_after else None,
            "limits": [
                {"metric": one.metric, "window": one.window, "from": one.from_limit, "to": one.to_limit}
                for one in self.limits
            ],
            "features_lost": list(self.features_lost),
            "features_won": list(self.features_won),
            "exceeding": [
                {"metric": one.metric, "limit": one.limit, "stored": one.stored, "excess": one.excess}
                for one in self.exceeding
            ],
            "blocked": self.blocked or None,
        }


def version_get(*, plan: str, number: int | None) -> PlanVersion:
    """A plan's version; None: the one sold now. InvalidTargetPlan when there is no such thing."""
    versions = PlanVersion.objects.select_related("plan").filter(plan__code=plan)
    found = versions.filter(superseded_at=None) if number is None else versions.filter(number=number)
    version = found.first()
    if version is None:
        raise InvalidTargetPlan(
            _("There is no such plan or version."), details={"plan": plan, "version": number}
        )
    return version


def move_candidates(*, target: PlanVersion, from_number: int | None) -> Iterator[Subscription]:
    """Who is on another version of the plan (or on `from_number`), oldest subscription first."""
    found = (
        Subscription.objects.filter(ended_at__isnull=True, plan_version__plan=target.plan)
        .exclude(plan_version=target)
        .select_related("account", "plan_version__plan", "price")
        .order_by("started_at", "pk")
    )
    if from_number is not None:
        found = found.filter(plan_version__number=from_number)
    return found.iterator()


def move_preview(*, subscription: Subscription, target: PlanVersion, at: str, now: datetime) -> MovePreview:
    """What the move would change for this subscriber; changes nothing. PaymentProviderUnavailable as Stripe does."""
    price = _price(target, subscription)
    before, after = terms_of(subscription.plan_version), terms_of(target)
    changes = quota_changes(before, after)
    blocked = _blocked(subscription, price)
    moves = price is not None and not blocked
    return MovePreview(
        subscription=subscription,
        target=price,
        effective_at=_effective_at(subscription, at, now) if moves else None,
        next_before=_next(subscription, None) if moves else None,
        next_after=_next(subscription, price) if moves else None,
        limits=tuple(one for one in changes if one.from_limit != one.to_limit),
        features_lost=tuple(one for one in before.features if one not in after.features),
        features_won=tuple(one for one in after.features if one not in before.features),
        exceeding=tuple(stored_exceeding(subscription.account_id, changes)),
        blocked=blocked,
    )


def _price(target: PlanVersion, subscription: Subscription) -> Price | None:
    return (
        Price.objects.select_related("version__plan")
        .filter(version=target, interval=subscription.price.interval)
        .first()
    )


def _blocked(subscription: Subscription, price: Price | None) -> str:
    if price is None:
        return "interval_not_sold"
    change = change_in_flight(subscription.account_id)
    if change is not None:
        return f"change_{'scheduled' if change.status == ChangeStatus.SCHEDULED else 'in_progress'}"
    return "cancellation_scheduled" if subscription.cancel_at is not None else ""


def _effective_at(subscription: Subscription, at: str, now: datetime) -> datetime:
    if at == "now" or subscription.current_period_end is None:
        return now
    return subscription.current_period_end


def _next(subscription: Subscription, price: Price | None) -> Money | None:
    """Stripe's next invoice, after the move to `price` or as it stands."""
    if subscription.stripe_subscription_id is None:
        return None
    if price is None:
        found = gateway.preview_next(
            subscription_id=subscription.stripe_subscription_id, schedule_id=subscription.stripe_schedule_id
        )
    else:
        found = gateway.preview_move(
            subscription_id=subscription.stripe_subscription_id,
            item_id=str(subscription.stripe_item_id),
            price_id=stripe_price_of(price),
        )
    return Money(found.amount_due_minor, found.currency) if found else None


def subscription_move(
    *,
    account: Account,
    target: PlanVersion,
    at: str,
    actor: User | None,
    request_id: str,
    now: datetime,
) -> PlanChange:
    """Moves the account's running subscription to that version of its plan. Nothing is charged by the move itself.

    Raises DuplicatePlanChange (on it already), PlanChangeNotAllowed (`details.reason` as a preview's `blocked`) and
    PaymentProviderUnavailable; then the sweep finds out what became of it.
    """
    asked = Asked(account, actor, target.plan.code, None, None, None, request_id, now, "move")
    change = _open(asked, target, at)
    if change.status == ChangeStatus.PENDING:
        change = plan_change_run(change)
    return plan_change_get(change.pk)


@transaction.atomic
def _open(asked: Asked, target: PlanVersion, at: str) -> PlanChange:
    lock_account(asked.account.pk)
    subscription = lock_live_subscription(asked.account.pk)
    if subscription is None or subscription.plan_version.plan_id != target.plan_id:
        raise PlanChangeNotAllowed(
            _("The account is not on this plan any more."), details={"reason": "another_plan"}
        )
    if subscription.plan_version_id == target.pk:
        raise DuplicatePlanChange(details={"version": target.number})
    price = _price(target, subscription)
    blocked = _blocked(subscription, price)
    if blocked or price is None:
        raise PlanChangeNotAllowed(details={"reason": blocked})
    change = change_open(asked=asked, subscription=subscription, target=price, kind=ChangeKind.MOVE)
    if at == "now" or subscription.stripe_subscription_id is None:
        change.effective_at = asked.arrived_at
        change.save(update_fields=["effective_at"])
    if subscription.stripe_subscription_id is None:
        _move_free(change, subscription, price, asked.arrived_at)
    return change


def _move_free(change: PlanChange, subscription: Subscription, price: Price, now: datetime) -> None:
    """Nothing to ask of Stripe: done in the same transaction."""
    subscription.price, subscription.plan_version = price, price.version
    subscription.revision += 1
    subscription.save()
    subscription_entitle(
        account_id=subscription.account_id, subscription=subscription, scheduled=None, now=now
    )
    change.status, change.settled_at, change.charged_minor = ChangeStatus.APPLIED, now, 0
    change.save()
    change_record(change, now)
