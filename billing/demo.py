"""Who lives in the demo. Each person is made by the services that real people meet, and only where missing."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group

from accounts.models import Account, User
from accounts.selectors import account_of_user
from accounts.services import user_register
from billing.enums import ChangeStatus, SubscriptionStatus
from billing.gateways.sandbox import period_begin_now, retries_publish
from billing.models import PlanChange
from billing.selectors import live_subscription
from billing.selectors.overdue import overdue_policy
from billing.services import (
    payment_method_add,
    payment_method_make_default,
    payment_methods_list,
    plan_change_request,
    subscription_refresh,
)
from billing.services.outcomes import subscription_close
from quotas.past_use import PastUse, past_use_add
from quotas.reports import usage_days_of
from quotas.selectors import quota_status
from quotas.services import entitlements_replace, usage_consume

DOMAIN = "palier.test"
PASSWORD = "palier-demo"  # noqa: S105 - everybody may know it
CARD = "pm_card_visa"
REFUSED_CARD = "pm_card_chargeCustomerFail"  # can be put on file; every charge fails
NEAR_USED = 48
FIRST_DAY = date(2000, 1, 1)
PAST_DAYS = 70


def seed(*, now: datetime) -> Iterator[str]:
    """Makes whoever is missing; yields what was done."""
    policy = overdue_policy()
    retries_publish(days=policy.retry_days, after_last=policy.after_last)
    for one in PEOPLE:
        user = User.objects.filter(email=f"{one.name}@{DOMAIN}").first()
        if user is None:
            user = user_register(
                email=f"{one.name}@{DOMAIN}",
                password=PASSWORD,
                display_name=one.display_name,
                language=one.language,
                now=now,
            )
            EmailAddress.objects.filter(user=user).update(verified=True)  # two-factor sign-in asks for that
            yield f"{one.name}@{DOMAIN}: made"
        for step in one.steps:
            if said := step(account_of_user(user), now):
                yield f"{one.name}@{DOMAIN}: {said}"
    for name, role in STAFF.items():
        if not User.objects.filter(email=f"{name}@{DOMAIN}").exists():
            _make_staff(name, role)
            yield f"{name}@{DOMAIN}: made"


Step = Callable[[Account, datetime], str | None]


@dataclass(frozen=True)
class Person:
    name: str
    display_name: str
    steps: tuple[Step, ...] = ()
    language: str = "en"


def card_on_file(account: Account, now: datetime) -> str | None:
    del now
    methods, default_id = payment_methods_list(account=account)
    if default_id is not None:
        return None
    method = methods[0] if methods else payment_method_add(account=account, payment_method_id=CARD)
    payment_method_make_default(account=account, payment_method_id=method.id)
    return "card on file"


def subscribed_to(plan: str) -> Step:
    def step(account: Account, now: datetime) -> str | None:
        """Once: who has changed the plan since keeps what they chose."""
        if PlanChange.objects.filter(account=account).exclude(status=ChangeStatus.FAILED).exists():
            return None
        plan_change_request(
            account=account,
            user=account.personal_owner,
            target_plan=plan,
            interval=None,
            quote=None,
            idempotency_key=None,
            request_id="seed-demo",
            now=now,
        )
        return f"subscribed to {plan}"

    return step


def overdue(account: Account, now: datetime) -> str | None:
    """Their card is replaced by one that is refused, and the next period begins at once: its invoice stays unpaid."""
    del now
    subscription = live_subscription(account.pk)
    if subscription is None or subscription.stripe_subscription_id is None:
        return None
    if subscription.status != SubscriptionStatus.ACTIVE or subscription.revision > 1:
        return None
    refused = payment_method_add(account=account, payment_method_id=REFUSED_CARD)
    payment_method_make_default(account=account, payment_method_id=refused.id)
    period_begin_now(subscription.stripe_subscription_id)
    subscription_refresh(stripe_subscription_id=subscription.stripe_subscription_id)
    return "payment overdue"


def used_today(metric: str, units: int) -> Step:
    def step(account: Account, now: datetime) -> str | None:
        """Tops today's use up, so that the demo looks the same on every day."""
        del now
        used = sum(
            bound.used
            for bound in quota_status(account_id=account.pk, metric=metric)
            if bound.window == "day"
        )
        if used >= units:
            return None
        usage_consume(account_id=account.pk, metric=metric, units=units - used, subject="demo")
        return f"{units} {metric} used today"

    return step


def used_before(metric: str, most: int) -> Step:
    def step(account: Account, now: datetime) -> str | None:
        """Ten weeks of use, at most `most` a day, so that charts have something to show. Once."""
        if usage_days_of(account_id=account.pk, metric=metric, first=FIRST_DAY, last=now.date()).exists():
            return None
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        dice = random.Random(account.name)  # noqa: S311 - examples
        uses = [
            PastUse(midnight - timedelta(days=day, minutes=-minute), dice.randint(1, max(most // 10, 1)))
            for day in range(1, PAST_DAYS)
            for minute in dice.sample(range(7 * 60, 22 * 60), dice.randint(0, 4 if day % 7 in (0, 1) else 10))
        ]
        past_use_add(account_id=account.pk, metric=metric, uses=uses, subject="demo", now=now)
        return f"{sum(use.units for use in uses)} {metric} used before"

    return step


def without_subscription(account: Account, now: datetime) -> str | None:
    """Their free plan is ended; it is not taken away again from somebody who has subscribed since."""
    subscription = live_subscription(account.pk)
    if subscription is None or PlanChange.objects.filter(account=account).exists():
        return None
    subscription_close(subscription, status=SubscriptionStatus.CANCELED, moment=now)
    entitlements_replace(account_id=account.pk, source="plan", source_ref="", timeline=[], now=now)
    return "no subscription"


def _make_staff(name: str, role: str | None) -> User:
    """Staff have no account that pays. Without a role: a superuser."""
    user = User.objects.create_user(
        f"{name}@{DOMAIN}",
        PASSWORD,
        is_staff=True,
        is_superuser=role is None,
        display_name=name.capitalize(),
    )
    user.groups.set(Group.objects.filter(name=role))
    return user


STAFF = {"support": "support", "billing": "billing", "ops": "operator", "auditor": "auditor", "admin": None}
PEOPLE = (
    Person("free", "Farah Free", (card_on_file,)),
    Person("basic", "Basile Basic", (card_on_file, subscribed_to("basic"))),
    Person(
        "premium", "Prune Premium", (card_on_file, subscribed_to("premium"), used_before("messages", 700))
    ),
    Person(
        "near",
        "Nora Near",
        (
            card_on_file,
            subscribed_to("basic"),
            used_before("messages", 50),
            used_today("messages", NEAR_USED),
        ),
    ),
    Person("pastdue", "Paul Pastdue", (card_on_file, subscribed_to("basic"), overdue)),
    Person("nosub", "Noé Nosub", (without_subscription,)),
)
