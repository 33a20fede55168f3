"""What a change of plan would be and cost, before anything is done."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Account
from billing.enums import ChangeKind, Interval
from billing.errors import (
    DuplicatePlanChange,
    InvalidTargetPlan,
    NoLiveSubscription,
    PlanChangeNotAllowed,
    pay_remedy,
)
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceLine, InvoiceState
from billing.models import PlanChange, Price, Subscription
from billing.rules.changes import (
    MONTHS,
    QuotaChange,
    change_kind,
    credits_granted,
    next_period_end,
    quota_changes,
)
from billing.selectors import (
    change_in_flight,
    intervals_on_offer,
    live_subscription,
    plans_open_to,
    price_on_offer,
    terms_of,
    transition_kind,
)
from billing.selectors.overdue import held_up_by_debts, unpaid_invoices
from billing.services.converge import subscription_catch_up
from billing.services.quotes import quote_make
from billing.stored import stored_things
from common.money import Money
from common.periods import add_months
from quotas.enums import Window
from quotas.selectors import quota_status
from quotas.serialize import instant


@dataclass(frozen=True, slots=True)
class Transition:
    """A possible change of one subscription."""

    subscription: Subscription
    target: Price
    kind: ChangeKind


@dataclass(frozen=True, slots=True)
class Exceeding:
    """Stored things of a capacity metric that would be too many: `excess` of `stored`.

    Without a choice of the user's `kept` would stay and `items` be archived, the first to go last.
    """

    metric: str
    limit: int
    stored: int
    excess: int
    items: tuple[dict[str, str], ...]
    kept: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """`due_now` and `lines` equal the invoice that confirming the quote makes. `used` is keyed (metric, window)."""

    kind: str
    target: Price
    effective_at: datetime
    due_now: Money
    lines: tuple[InvoiceLine, ...]
    next_amount: Money | None
    next_at: datetime | None
    quota_changes: tuple[QuotaChange, ...]
    used: dict[tuple[str, str], int]
    exceeding: tuple[Exceeding, ...]
    credits_granted: int
    quote: str
    quote_expires_at: datetime

    def as_json(self) -> dict[str, Any]:
        """The API's form."""
        return {
            "kind": self.kind,
            "target_plan": self.target.version.plan.code,
            "interval": self.target.interval,
            "effective_at": instant(self.effective_at),
            "due_now": self.due_now.as_json(),
            "next_invoice": None
            if self.next_amount is None
            else {"amount": self.next_amount.as_json(), "at": instant(self.next_at)},
            "lines": [
                {
                    "description": line.description,
                    "amount_minor": line.amount_minor,
                    "period_start": instant(line.period_start),
                    "period_end": instant(line.period_end),
                }
                for line in self.lines
            ],
            "quota_changes": [
                {
                    "metric": one.metric,
                    "window": one.window,
                    "from_limit": one.from_limit,
                    "to_limit": one.to_limit,
                    "used": self.used.get((one.metric, one.window), 0),
                }
                for one in self.quota_changes
            ],
            "exceeding": [
                {
                    "metric": one.metric,
                    "limit": one.limit,
                    "stored": one.stored,
                    "excess": one.excess,
                    "items": list(one.items),
                    "kept": list(one.kept),
                }
                for one in self.exceeding
            ],
            "credits_granted": self.credits_granted,
            "quote": self.quote,
            "quote_expires_at": instant(self.quote_expires_at),
        }


def target_price(*, plan: str, interval: str, account: Account, subscription: Subscription | None) -> Price:
    """The price on offer. InvalidTargetPlan for a plan or an interval that is not."""
    price = price_on_offer(plan, interval)
    if price is not None:
        return price
    intervals = intervals_on_offer(plan)
    raise InvalidTargetPlan(
        _("This plan is not sold with that interval. Choose another interval.") if intervals else None,
        details={
            "available": plans_open_to(account, subscription.price if subscription else None),
            "intervals": intervals,
        },
    )


def interval_or_default(plan: str, interval: str | None, subscription: Subscription | None) -> str:
    """What is meant when no interval is given: the present one where the plan has it, else monthly."""
    if interval:
        return interval
    if (
        subscription
        and subscription.stripe_subscription_id
        and price_on_offer(plan, subscription.price.interval)
    ):
        return subscription.price.interval
    return Interval.MONTH.value


def transition_check(
    *, subscription: Subscription, target: Price, in_flight: PlanChange | None, now: datetime
) -> Transition:
    """Which kind of change this is. Raises the business error when it is none or not possible now."""
    current = subscription.price
    if current.version.plan_id == target.version.plan_id and current.interval == target.interval:
        raise DuplicatePlanChange(details={"current": price_name(current)})
    declared = transition_kind(current.version.plan, target.version.plan)
    kind = change_kind(
        same_plan=current.version.plan_id == target.version.plan_id,
        declared=declared,
        from_interval=current.interval,
        to_interval=target.interval,
    )
    if kind is None:
        raise _forbidden(current, target)
    if in_flight is not None:
        raise _in_the_way(in_flight, target)
    if subscription.cancel_at is not None:
        raise PlanChangeNotAllowed(
            _("Your subscription is about to end. Resume it first, then change the plan."),
            details={"reason": "cancellation_scheduled", "cancel_at": instant(subscription.cancel_at)},
        )
    _check_debts(subscription, kind, now)
    return Transition(subscription, target, kind)


def _check_debts(subscription: Subscription, kind: ChangeKind, now: datetime) -> None:
    """While something is unpaid the overdue rules say which changes are possible; nothing begins before it is paid."""
    if held_up_by_debts(subscription, kind, now=now):
        raise PlanChangeNotAllowed(
            _("An invoice is not paid yet. Pay it, then upgrade.")
            if kind == ChangeKind.UPGRADE
            else _("An invoice is not paid yet. Pay it, then change the plan."),
            details={
                "reason": "payment_overdue",
                "status": subscription.status,
                "remedies": [pay_remedy(unpaid_invoices(subscription))],
            },
        )


def price_name(price: Price) -> dict[str, str]:
    """Plan and interval, whichever version."""
    return {"plan": price.version.plan.code, "interval": price.interval}


def _in_the_way(change: PlanChange, target: Price) -> DuplicatePlanChange | PlanChangeNotAllowed:
    details = {
        "reason": f"change_{'scheduled' if change.status == 'scheduled' else 'in_progress'}",
        "plan_change": str(change.id),
        "target": price_name(change.to_price) if change.to_price else None,
        "effective_at": instant(change.effective_at),
    }
    if change.to_price_id == target.pk:
        return DuplicatePlanChange(
            _("This change is scheduled already. Nothing more is needed."), details=details
        )
    if change.status == "scheduled":
        return PlanChangeNotAllowed(
            _("Another change is scheduled. Take it back first, then choose again."), details=details
        )
    return PlanChangeNotAllowed(
        _("Another change is being carried out. Wait until it is done, then choose again."), details=details
    )


def _forbidden(current: Price, target: Price) -> PlanChangeNotAllowed:
    a, b = current.version.plan, target.version.plan
    reason = "audience" if a.audience != b.audience else "forbidden"
    message = (
        _("%(plan)s is for another kind of account.")
        if reason == "audience"
        else _("You cannot move to %(plan)s from your plan.")
    )
    return PlanChangeNotAllowed(
        message % {"plan": b.name},
        details={"reason": reason, "from": price_name(current), "to": price_name(target)},
    )


def plan_change_preview(
    *, account: Account, user: Any, target_plan: str, interval: str | None, now: datetime
) -> Preview:
    """What the change would be, cost and mean, with a quote that pins the moment of proration.

    Changes nothing. Raises the same business errors as the change itself.
    """
    del user  # who asks makes no difference; kept so that all of these are called alike
    subscription_catch_up(account_id=account.pk, now=now)
    subscription = live_subscription(account.pk)
    if subscription is None:
        raise NoLiveSubscription
    target = target_price(
        plan=target_plan,
        interval=interval_or_default(target_plan, interval, subscription),
        account=account,
        subscription=subscription,
    )
    transition = transition_check(
        subscription=subscription, target=target, in_flight=change_in_flight(account.pk), now=now
    )
    return transition_preview(account=account, transition=transition, now=now)


def transition_preview(*, account: Account, transition: Transition, now: datetime) -> Preview:
    """The preview of a change that is possible."""
    proration_at = now.replace(microsecond=0)
    invoice = invoice_preview(account=account, transition=transition, proration_at=proration_at)
    subscription, target = transition.subscription, transition.target
    due = Money(invoice.amount_due_minor if invoice else 0, target.currency)
    quote, token = quote_make(
        subscription=subscription,
        target=target,
        proration_at=proration_at,
        due_minor=due.amount_minor,
        now=now,
    )
    changes = _changes(subscription, target)
    effective_at = _effective_at(transition, invoice, proration_at)
    next_at = _next_invoice_at(transition, effective_at)
    return Preview(
        kind=transition.kind.value,
        target=target,
        effective_at=effective_at,
        due_now=due,
        lines=invoice.lines if invoice else (),
        next_amount=Money(target.amount_minor, target.currency) if next_at else None,
        next_at=next_at,
        quota_changes=tuple(changes),
        used={(one.metric, one.window): one.used for one in quota_status(account_id=account.pk)},
        exceeding=tuple(stored_exceeding(account.pk, changes)),
        credits_granted=credits_granted(
            transition.kind, terms_of(subscription.plan_version), terms_of(target.version)
        ),
        quote=token,
        quote_expires_at=quote.expires_at,
    )


def invoice_preview(
    *, account: Account, transition: Transition, proration_at: datetime
) -> InvoiceState | None:
    """The invoice this change makes now, as Stripe computes it. None when it makes none."""
    if transition.kind != ChangeKind.UPGRADE:
        return None
    subscription, target = transition.subscription, transition.target
    price_id = stripe_price_of(target)
    if subscription.stripe_subscription_id is None:
        return gateway.preview_start(
            customer_id=account.stripe_customer_id, currency=target.currency, price_id=price_id
        )
    return gateway.preview_upgrade(
        subscription_id=subscription.stripe_subscription_id,
        item_id=str(subscription.stripe_item_id),
        price_id=price_id,
        proration_at=proration_at,
    )


def stripe_price_of(price: Price) -> str:
    """The price's id at Stripe. InvalidTargetPlan while the catalogue is not published there."""
    if price.stripe_price_id is None:
        raise InvalidTargetPlan(
            _("This plan cannot be bought yet."),
            details={"reason": "not_published", "plan": price.lookup_key},
        )
    return price.stripe_price_id


def _effective_at(transition: Transition, invoice: InvoiceState | None, now: datetime) -> datetime:
    """The very instant from which the target is billed, where it is billed at once."""
    if transition.kind == ChangeKind.DOWNGRADE and transition.subscription.current_period_end:
        return transition.subscription.current_period_end
    billed = invoice.billed_from(transition.target.stripe_price_id) if invoice else None
    return billed or now


def _next_invoice_at(transition: Transition, effective_at: datetime) -> datetime | None:
    """When the target's price is charged next; None for a free target."""
    subscription, target = transition.subscription, transition.target
    if target.amount_minor == 0:
        return None
    if transition.kind == ChangeKind.DOWNGRADE:
        return subscription.current_period_end
    if subscription.stripe_subscription_id is None or subscription.price.interval != target.interval:
        return add_months(effective_at, MONTHS[target.interval])  # a new period begins at once
    return next_period_end(
        anchor=subscription.anchor_at, interval=target.interval, start=subscription.current_period_start
    )


def _changes(subscription: Subscription, target: Price) -> list[QuotaChange]:
    return quota_changes(terms_of(subscription.plan_version), terms_of(target.version))


def stored_exceeding(account_id: int, changes: Iterable[QuotaChange]) -> list[Exceeding]:
    """What the account has stored that the new limits would have no room for."""
    found = []
    for change in changes:
        if change.window != Window.CAPACITY or change.to_limit is None:
            continue
        things = tuple(
            {"id": one["id"], "name": one["name"]} for one in stored_things(account_id, change.metric)
        )
        excess = len(things) - change.to_limit
        if excess > 0:
            gone, kept = things[change.to_limit :], things[: change.to_limit]
            found.append(Exceeding(change.metric, change.to_limit, len(things), excess, gone, kept))
    return found
