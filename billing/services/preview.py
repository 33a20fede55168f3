"""What a change of plan would be and cost, before anything is done."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Account
from billing.enums import ChangeKind, Interval, SubscriptionStatus
from billing.errors import (
    AlreadySubscribed,
    DuplicatePlanChange,
    InvalidTargetPlan,
    NoLiveSubscription,
    PlanChangeNotAllowed,
    pay_remedy,
)
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceLine, InvoiceState, PromotionState, Terms
from billing.models import PlanChange, Price, Subscription
from billing.rules.changes import (
    MONTHS,
    QuotaChange,
    change_kind,
    credits_granted,
    next_period_end,
    quota_changes,
)
from billing.rules.discounts import Discount, discounted_at
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
from billing.services.terms import (
    change_terms,
    promotion_check,
    promotion_refuse,
    trial_ends_by,
    trial_offered,
)
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
    """`due_now` and `lines` equal the invoice that confirming the quote makes. `used` is keyed (metric, window).

    `discount`: what is taken off those lines; `promotion_code`: the code that does it. `trial_end`: nothing is due
    before. A start from no subscription has no quote.
    """

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
    quote_expires_at: datetime | None
    discount: Money | None = None
    promotion_code: str = ""
    trial_end: datetime | None = None

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
            "discount": self.discount.as_json() if self.discount else None,
            "promotion_code": self.promotion_code or None,
            "trial_end": instant(self.trial_end),
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


def change_under_way(change: PlanChange) -> PlanChangeNotAllowed:
    """What is told while another start is being carried out."""
    return PlanChangeNotAllowed(
        _("Another subscription is being started. Wait until that is done."),
        details={"reason": "change_in_progress", "plan_change": str(change.pk)},
    )


def subscribed(subscription: Subscription) -> AlreadySubscribed:
    return AlreadySubscribed(details={"current": price_name(subscription.price)})


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
    *,
    account: Account,
    user: Any,
    target_plan: str,
    interval: str | None,
    now: datetime,
    promotion_code: str | None = None,
) -> Preview:
    """What the change would be, cost and mean, with a quote that pins the moment of proration.

    Changes nothing. Raises the same business errors as the change itself; ValidationError for a code that is none.
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
    in_flight = change_in_flight(account.pk)
    transition = transition_check(
        subscription=subscription,
        target=target,
        in_flight=None if _waits(in_flight) else in_flight,
        now=now,
    )
    promotion = promotion_check(code=promotion_code, currency=target.currency)
    if transition.kind != ChangeKind.UPGRADE:
        promotion_refuse(promotion)
    return transition_preview(account=account, transition=transition, promotion=promotion, now=now)


def _waits(change: PlanChange | None) -> bool:
    """What waits for its payer is in nobody's way: confirming something else takes its place."""
    return change is not None and change.awaits_payer


def transition_preview(
    *, account: Account, transition: Transition, promotion: PromotionState | None = None, now: datetime
) -> Preview:
    """The preview of a change that is possible."""
    proration_at = now.replace(microsecond=0)
    subscription, target = transition.subscription, transition.target
    trial_days = (
        trial_offered(account=account, subscription=subscription, target=target)
        if transition.kind == ChangeKind.UPGRADE
        else None
    )
    invoice = invoice_preview(
        account=account,
        transition=transition,
        proration_at=proration_at,
        trial_days=trial_days,
        promotion_id=promotion.id if promotion else None,
    )
    due = Money(invoice.amount_due_minor if invoice else 0, target.currency)
    quote, token = quote_make(
        subscription=subscription,
        target=target,
        proration_at=proration_at,
        due_minor=due.amount_minor,
        now=now,
        promotion=promotion,
        trial_days=trial_days,
    )
    changes = _changes(subscription, target)
    effective_at = _effective_at(transition, invoice, proration_at)
    trial_end = _trial_end_after(transition, trial_days, proration_at)
    next_at = trial_end or _next_invoice_at(transition, effective_at)
    discounts = _running_discounts(subscription, invoice) if next_at else ()
    return Preview(
        kind=transition.kind.value,
        target=target,
        effective_at=effective_at,
        due_now=due,
        lines=invoice.lines if invoice else (),
        next_amount=_next_amount(target, discounts, next_at),
        next_at=next_at,
        discount=_discount(invoice),
        promotion_code=promotion.code if promotion else "",
        trial_end=trial_end,
        quota_changes=tuple(changes),
        used={(one.metric, one.window): one.used for one in quota_status(account_id=account.pk)},
        exceeding=tuple(stored_exceeding(account.pk, changes)),
        credits_granted=credits_granted(
            transition.kind, terms_of(subscription.plan_version), terms_of(target.version)
        ),
        quote=token,
        quote_expires_at=quote.expires_at,
    )


def start_preview(
    *, account: Account, target: Price, promotion_code: str | None = None, now: datetime
) -> Preview:
    """What beginning from no subscription would cost and give. It has no quote: there is nothing yet to bind it to."""
    promotion = promotion_check(code=promotion_code, currency=target.currency)
    proration_at = now.replace(microsecond=0)
    is_paid = target.amount_minor > 0
    if not is_paid:
        promotion_refuse(promotion)
    trial_days = trial_offered(account=account, subscription=None, target=target)
    invoice = None
    if is_paid:
        terms = Terms(trial_days=trial_days, promotion_id=promotion.id if promotion else None)
        invoice = invoice_now(
            account=account, subscription=None, target=target, proration_at=proration_at, terms=terms
        )
    trial_end = proration_at + timedelta(days=trial_days) if trial_days else None
    next_at = (trial_end or add_months(proration_at, MONTHS[target.interval])) if is_paid else None
    return Preview(
        kind=ChangeKind.START.value,
        target=target,
        effective_at=proration_at,
        due_now=Money(invoice.amount_due_minor if invoice else 0, target.currency),
        lines=invoice.lines if invoice else (),
        next_amount=_next_amount(target, invoice.discounts if invoice else (), next_at),
        next_at=next_at,
        quota_changes=tuple(quota_changes(None, terms_of(target.version))),
        used={(one.metric, one.window): one.used for one in quota_status(account_id=account.pk)},
        exceeding=(),
        credits_granted=credits_granted(ChangeKind.START, None, terms_of(target.version)),
        quote="",
        quote_expires_at=None,
        discount=_discount(invoice),
        promotion_code=promotion.code if promotion else "",
        trial_end=trial_end,
    )


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


def _discount(invoice: InvoiceState | None) -> Money | None:
    return Money(invoice.discount_minor, invoice.currency) if invoice and invoice.discount_minor else None


def _running_discounts(subscription: Subscription, invoice: InvoiceState | None) -> tuple[Discount, ...]:
    """What is taken off the invoices after this one; without one, off the next that there will be."""
    if invoice is not None:
        return invoice.discounts
    if subscription.stripe_subscription_id is None:
        return ()
    coming = gateway.preview_next(subscription_id=subscription.stripe_subscription_id, schedule_id=None)
    return tuple(replace(one, taken_minor=0) for one in coming.discounts)


def _next_amount(target: Price, discounts: Iterable[Discount], at: datetime | None) -> Money | None:
    """What the invoice after this one asks for, before any credit."""
    if at is None:
        return None
    product = target.version.plan.stripe_product_id or ""
    return Money(discounted_at(target.amount_minor, discounts, product=product, moment=at), target.currency)


def _trial_end_after(transition: Transition, trial_days: int | None, now: datetime) -> datetime | None:
    """When the trial ends that begins with the change, or that goes on after it."""
    if trial_days:
        return now + timedelta(days=trial_days)
    if transition.kind != ChangeKind.UPGRADE or trial_ends_by(transition.subscription, transition.target):
        return None
    trialing = transition.subscription.status == SubscriptionStatus.TRIALING
    return transition.subscription.trial_end if trialing else None


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
    starts_anew = subscription.price.interval != target.interval or trial_ends_by(subscription, target)
    if subscription.stripe_subscription_id is None or starts_anew:
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
