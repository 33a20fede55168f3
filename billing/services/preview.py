"""What a change of plan would be and cost, before anything is done."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounts.models import Account
from billing.enums import ChangeKind, SubscriptionStatus
from billing.errors import NoLiveSubscription
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceLine, InvoiceState, PromotionState, Terms
from billing.models import PlanChange, Price, Subscription
from billing.rules.changes import MONTHS, QuotaChange, credits_granted, quota_changes
from billing.selectors import change_in_flight, live_subscription, terms_of
from billing.selectors.overdue import unpaid_invoices
from billing.services.converge import subscription_catch_up
from billing.services.exceeding import Exceeding, stored_exceeding
from billing.services.invoice_previews import (
    invoice_now,
    invoice_preview,
    next_after,
    next_invoice_at,
    next_with,
)
from billing.services.quotes import quote_make
from billing.services.terms import promotion_check, promotion_refuse, trial_ends_by, trial_offered
from billing.services.transitions import (
    Transition,
    interval_or_default,
    target_price,
    transition_check,
)
from common.money import Money
from common.periods import add_months
from quotas.selectors import quota_status
from quotas.serialize import instant


@dataclass(frozen=True, slots=True)
class Preview:
    """`due_now` and `lines` equal the invoice that confirming the quote makes. `used` is keyed (metric, window).

    `discount`: what is taken off those lines; `promotion_code`: the code that does it. `trial_end`: nothing is due
    before. `unpaid`: what is owed already, which stays due whatever is chosen. A start from no subscription has no quote.
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
    unpaid: Money | None = None

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
            "unpaid": self.unpaid.as_json() if self.unpaid else None,
            "quote": self.quote,
            "quote_expires_at": instant(self.quote_expires_at),
        }


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
    goes_on_in_trial = trial_end is not None and not trial_days
    next_at = trial_end or next_invoice_at(transition, effective_at)
    ends_unpaid = _ends_unpaid(account, target, trial_days)
    return Preview(
        kind=transition.kind.value,
        target=target,
        effective_at=effective_at,
        due_now=due,
        lines=invoice.lines if invoice else (),
        next_amount=None
        if ends_unpaid
        else _next_amount(transition, None if goes_on_in_trial else invoice, next_at),
        next_at=next_at,
        discount=_discount(invoice),
        promotion_code=promotion.code if promotion else "",
        trial_end=trial_end,
        unpaid=_unpaid(subscription),
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
    ends_unpaid = _ends_unpaid(account, target, trial_days)
    return Preview(
        kind=ChangeKind.START.value,
        target=target,
        effective_at=proration_at,
        due_now=Money(invoice.amount_due_minor if invoice else 0, target.currency),
        lines=invoice.lines if invoice else (),
        next_amount=next_after(invoice, target=target, at=next_at)
        if invoice and next_at and not ends_unpaid
        else None,
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


def _unpaid(subscription: Subscription) -> Money | None:
    owed = unpaid_invoices(subscription)
    return Money(sum(one.amount_minor for one in owed), owed[0].currency) if owed else None


def _discount(invoice: InvoiceState | None) -> Money | None:
    return Money(invoice.discount_minor, invoice.currency) if invoice and invoice.discount_minor else None


def _next_amount(transition: Transition, invoice: InvoiceState | None, at: datetime | None) -> Money | None:
    """What the next invoice asks for: the one after `invoice`, or without it the one that comes anyway."""
    if at is None:
        return None
    if invoice is None:
        target = transition.target
        coming = next_with(transition.subscription, target=target, at=at)
        if coming is None and target.version.plan.trial_needs_card:
            # There is no card yet; but that trial is not had without one, and then the price is charged.
            coming = Money(target.amount_minor, target.currency)
        return coming
    return next_after(invoice, target=transition.target, at=at)


def _ends_unpaid(account: Account, target: Price, trial_days: int | None) -> bool:
    """A trial that begins without a card is followed by nothing, unless one is added before it ends. Asks Stripe."""
    if not trial_days or target.version.plan.trial_needs_card:
        return False
    customer_id = account.stripe_customer_id
    return customer_id is None or gateway.customer_get(customer_id).default_payment_method_id is None


def _trial_end_after(transition: Transition, trial_days: int | None, now: datetime) -> datetime | None:
    """When the trial ends that begins with the change, or that goes on after it."""
    if trial_days:
        return now + timedelta(days=trial_days)
    if transition.kind != ChangeKind.UPGRADE or trial_ends_by(transition.subscription, transition.target):
        return None
    trialing = transition.subscription.status == SubscriptionStatus.TRIALING
    return transition.subscription.trial_end if trialing else None


def _effective_at(transition: Transition, invoice: InvoiceState | None, now: datetime) -> datetime:
    """The very instant from which the target is billed, where it is billed at once."""
    if transition.kind == ChangeKind.DOWNGRADE and transition.subscription.current_period_end:
        return transition.subscription.current_period_end
    billed = invoice.billed_from(transition.target.stripe_price_id) if invoice else None
    return billed or now


def _changes(subscription: Subscription, target: Price) -> list[QuotaChange]:
    return quota_changes(terms_of(subscription.plan_version), terms_of(target.version))
