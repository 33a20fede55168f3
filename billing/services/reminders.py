"""Reminders of what is to come: a renewal, the end of a trial, a change that was planned, a card's last month.

Beat looks for what is due and was not looked at yet. Stripe is asked outside of transactions; that it was asked and
whom it led to be told are one transaction. When Stripe does not answer, nothing is written and the next beat looks again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat

from accounts.enums import NotificationKind
from accounts.models import Notification
from accounts.notifications import notify
from billing.enums import ChangeStatus, ReminderKind, SubscriptionStatus
from billing.errors import PaymentProviderUnavailable, ProviderRefused
from billing.gateways.values import PaymentMethodState
from billing.models import PlanChange, ReminderLook, Subscription
from billing.rules import reminders as rules
from billing.selectors import free_price
from billing.selectors.subscriptions import CHANGE_RELATED
from billing.services.customers import payment_methods_list
from billing.services.told import change_names
from billing.services.upcoming import next_invoice

log = structlog.get_logger(__name__)

BATCH = 50
COMING = "plan_change_coming:"
PAYING = (SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING)


@dataclass(frozen=True, slots=True)
class Reminder:
    """What to tell, and for what it is told once."""

    kind: NotificationKind
    template: str
    cause: str
    context: dict[str, Any]


Finding = Callable[[Subscription, datetime], list[Reminder]]


def reminders_notify(*, now: datetime, limit: int = BATCH) -> dict[str, int]:
    """Looks at what is due, at most `limit` of each kind; how many were looked at. Safe at any moment, twice at once too."""
    return {
        "renewals": _look(_renewals(now)[:limit], ReminderKind.RENEWAL, _renewal, now),
        "trials": _look(_trials(now)[:limit], ReminderKind.TRIAL, _trial, now),
        "cards": _look(_cards(now)[:limit], ReminderKind.CARD, _card_alone, now),
        "changes": sum(_tell_change(change, now) for change in _changes(now)[:limit]),
    }


# What is due -----------------------------------------------------------------------------------------------------------


def _subscriptions(kind: ReminderKind, due_at: Any) -> QuerySet[Subscription]:
    """Running ones at Stripe that cost something and were not looked at for this yet."""
    looked = ReminderLook.objects.filter(subscription=OuterRef("pk"), kind=kind, due_at=due_at)
    return (
        Subscription.objects.select_related("account", "plan_version__plan", "price")
        .filter(
            ~Exists(looked), ended_at=None, stripe_subscription_id__isnull=False, price__amount_minor__gt=0
        )
        .order_by("current_period_end", "pk")
    )


def _renewals(now: datetime) -> QuerySet[Subscription]:
    soon = Q()
    for interval, ahead in rules.RENEWAL_AHEAD.items():
        soon |= Q(price__interval=interval, current_period_end__lte=now + ahead)
    rows = _subscriptions(ReminderKind.RENEWAL, OuterRef("current_period_end"))
    return rows.filter(soon, status=SubscriptionStatus.ACTIVE, current_period_end__gt=now)


def _trials(now: datetime) -> QuerySet[Subscription]:
    rows = _subscriptions(ReminderKind.TRIAL, OuterRef("trial_end"))
    return rows.filter(
        status=SubscriptionStatus.TRIALING, trial_end__gt=now, trial_end__lte=now + rules.TRIAL_AHEAD
    )


def _cards(now: datetime) -> QuerySet[Subscription]:
    """Each month anew; who is leaving anyway is not bothered."""
    return _subscriptions(ReminderKind.CARD, rules.month_of(now)).filter(status__in=PAYING, cancel_at=None)


def _changes(now: datetime) -> QuerySet[PlanChange]:
    """Planned so long ago that it may have been forgotten; of what was planned just now people have just been told."""
    told = Notification.objects.filter(
        account_id=OuterRef("account_id"),
        cause=Concat(Value(COMING), Cast(OuterRef("pk"), TextField()), output_field=TextField()),
    )
    return (
        PlanChange.objects.select_related("account", *CHANGE_RELATED)
        .filter(
            ~Exists(told),
            status=ChangeStatus.SCHEDULED,
            effective_at__gt=now,
            effective_at__lte=now + rules.CHANGE_AHEAD,
            requested_at__lte=F("effective_at") - rules.CHANGE_AHEAD,
        )
        .order_by("effective_at", "pk")
    )


# What is told ----------------------------------------------------------------------------------------------------------


def _look(rows: Iterable[Subscription], kind: ReminderKind, find: Finding, now: datetime) -> int:
    looked = 0
    for subscription in rows:
        try:
            found = find(subscription, now)
        except ProviderRefused as error:
            # It is about this one alone, which is reported as drift; the others are told all the same.
            log.error(
                "reminder_refused", kind=kind, subscription=str(subscription.pk), code=error.provider_code
            )
            continue
        except PaymentProviderUnavailable:
            log.warning("reminder_without_provider", kind=kind, subscription=str(subscription.pk))
            return looked  # the others would wait for the same silence
        _settle(subscription, kind, found, now)
        looked += 1
    return looked


@transaction.atomic
def _settle(subscription: Subscription, kind: ReminderKind, found: list[Reminder], now: datetime) -> None:
    due_at = _due_at(subscription, kind, now)
    _look_row, is_new = ReminderLook.objects.get_or_create(
        subscription=subscription, kind=kind, due_at=due_at, defaults={"looked_at": now}
    )
    for one in found if is_new else ():
        notify(
            kind=one.kind,
            template=one.template,
            cause=one.cause,
            context=one.context,
            account=subscription.account,
            now=now,
        )


def _due_at(subscription: Subscription, kind: ReminderKind, now: datetime) -> datetime:
    due = {
        ReminderKind.RENEWAL: subscription.current_period_end,
        ReminderKind.TRIAL: subscription.trial_end,
        ReminderKind.CARD: rules.month_of(now),
    }[kind]
    assert due is not None, "only what has a date is due"
    return due


def _renewal(subscription: Subscription, now: datetime) -> list[Reminder]:
    """Nothing for one that ends then; what is charged is what Stripe would bill, discounts and tax and overage in it."""
    return _charged(subscription, now, NotificationKind.PAYMENT_REMINDER, "renewal_coming", "renewal")


def _trial(subscription: Subscription, now: datetime) -> list[Reminder]:
    """Without a card to charge it just ends then, unless one is added."""
    if subscription.cancel_at is not None or next_invoice(subscription=subscription, now=now) is not None:
        return _charged(subscription, now, NotificationKind.TRIAL_ENDING, "trial_ending", "trial")
    assert subscription.trial_end is not None, "only what has a date is due"
    free = free_price(subscription.plan.audience)
    at = subscription.trial_end.isoformat()
    context = {
        "plan": _plan(subscription),
        "to": {"en": free.version.plan.name_en, "fr": free.version.plan.name_fr} if free else None,
        "interval": subscription.price.interval,
        "amount_minor": subscription.price.amount_minor,
        "currency": subscription.price.currency,
        "at": at,
    }
    cause = f"trial:{subscription.pk}:{at}"
    return [Reminder(NotificationKind.TRIAL_ENDING, "trial_ending_without_card", cause, context)]


def _charged(
    subscription: Subscription, now: datetime, kind: NotificationKind, template: str, cause: str
) -> list[Reminder]:
    invoice = next_invoice(subscription=subscription, now=now)
    at = subscription.current_period_end
    if invoice is None or at is None or invoice.amount_due_minor <= 0:
        return []
    card = _default_card(subscription)
    context = {
        "plan": _plan(subscription),
        "interval": subscription.price.interval,
        "amount_minor": invoice.amount_due_minor,
        "currency": invoice.currency,
        "at": at.isoformat(),
        "card": {"brand": card.brand, "last4": card.last4} if card else None,
    }
    told = Reminder(kind, template, f"{cause}:{subscription.pk}:{at.isoformat()}", context)
    return [told, *_card(subscription, card, now)]


def _card_alone(subscription: Subscription, now: datetime) -> list[Reminder]:
    return _card(subscription, _default_card(subscription), now)


def _card(subscription: Subscription, card: PaymentMethodState | None, now: datetime) -> list[Reminder]:
    """One reminder for a card, however often it is looked at."""
    if card is None or card.exp_month is None or card.exp_year is None:
        return []
    expires = rules.card_expires_soon(
        month=card.exp_month, year=card.exp_year, at=now, charge_at=subscription.current_period_end
    )
    if not expires:
        return []
    context = {
        "plan": _plan(subscription),
        "brand": card.brand,
        "last4": card.last4,
        "month": card.exp_month,
        "year": card.exp_year,
    }
    cause = f"card:{card.id}:{card.exp_year}-{card.exp_month:02}"
    return [Reminder(NotificationKind.CARD_EXPIRING, "card_expiring", cause, context)]


def _default_card(subscription: Subscription) -> PaymentMethodState | None:
    methods, default_id = payment_methods_list(account=subscription.account)
    return next((one for one in methods if one.id == default_id), None)


def _plan(subscription: Subscription) -> dict[str, str]:
    return {"en": subscription.plan.name_en, "fr": subscription.plan.name_fr}


def _tell_change(change: PlanChange, now: datetime) -> bool:
    assert change.effective_at is not None, "what is planned has a date"
    told = notify(
        kind=NotificationKind.PLAN_CHANGED,
        template="plan_change_coming",
        cause=f"{COMING}{change.pk}",
        context={
            "from": change_names(change, change.from_price),
            "to": change_names(change, change.to_price),
            "effective_at": change.effective_at.isoformat(),
        },
        account=change.account,
        now=now,
    )
    return bool(told)
