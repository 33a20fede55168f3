"""Short names for what billing's tests do over and over."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import requests
from django.urls import resolve

from accounts.models import Account
from accounts.services import account_create_organisation
from accounts.tests.factories import UserFactory
from billing import services
from billing.demo import without_subscription
from billing.models import Plan, PlanChange, Subscription
from billing.selectors import live_subscription
from billing.services import PlanChangeResult, Preview, payment_method_add, payment_method_make_default
from common.clock import database_now
from quotas.models import Entitlement, FeatureGrant
from quotas.selectors import quota_status
from sandbox.stripe import StripeStandIn

PLANS = [{"action": "upgrade", "url": "/account/billing/plans/"}]
CARD = [{"action": "change_card", "url": "/account/billing/card/"}]


def leads(remedies: list[dict[str, Any]]) -> list[str]:
    """The actions, each of which has been seen to lead somewhere: to a page of ours, or to somebody to write to."""
    assert remedies, "a refusal says what to do next"
    for remedy in remedies:
        url = remedy["url"]
        if url is None:
            assert remedy["action"] == "wait"
        elif not url.startswith("mailto:"):
            address = urlsplit(url)
            resolve(address.path)
            for plan in parse_qs(address.query).get("plan", []):
                assert remedy["plan"] == plan
                assert Plan.objects.filter(code=plan, retired_at__isnull=True).exists()
    return [remedy["action"] for remedy in remedies]


def coming_year() -> int:
    """The next one whose February has 28 days: time is only moved forward."""
    year = datetime.now(UTC).year + 1
    return year + calendar.isleap(year)


def organisation() -> Account:
    """One with an owner, and no plan."""
    name = f"Organisation {uuid4().hex[:6]}"
    return account_create_organisation(name=name, owner=UserFactory.create(), now=database_now())


def nobody(account: Account) -> Account:
    """Takes the free plan away, as the demo's nosub has it."""
    without_subscription(account, database_now())
    return account


def decline(account: Account, card: str = "pm_card_chargeCustomerFail") -> None:
    """From now on every payment is refused, as that test card is."""
    method = payment_method_add(account=account, payment_method_id=card)
    payment_method_make_default(account=account, payment_method_id=method.id)


def ask(
    account: Account,
    plan: str,
    interval: str | None = None,
    *,
    quote: str | None = None,
    key: str | None = None,
    now: Any = None,
    **more: Any,
) -> PlanChangeResult:
    return services.plan_change_request(
        account=account,
        user=account.personal_owner,
        target_plan=plan,
        interval=interval,
        quote=quote,
        idempotency_key=key,
        request_id="req-billing-test",
        now=now or database_now(),
        **more,
    )


def preview(
    account: Account, plan: str, interval: str | None = None, *, now: Any = None, **more: Any
) -> Preview:
    return services.plan_change_preview(
        account=account,
        user=account.personal_owner,
        target_plan=plan,
        interval=interval,
        now=now or database_now(),
        **more,
    )


def undo(account: Account) -> PlanChangeResult:
    return services.plan_change_undo(
        account=account, user=account.personal_owner, request_id="req-billing-undo", now=database_now()
    )


def cancel(account: Account, at: str = "period_end", *, key: str | None = None) -> PlanChangeResult:
    return services.subscription_cancel(
        account=account,
        user=account.personal_owner,
        at=at,
        idempotency_key=key,
        request_id="req-billing-cancel",
        now=database_now(),
    )


def start(account: Account, plan: str, interval: str | None = None, **more: Any) -> PlanChangeResult:
    return services.subscription_start(
        account=account,
        user=account.personal_owner,
        plan=plan,
        interval=interval,
        request_id="req-billing-start",
        now=database_now(),
        **more,
    )


def subscription(account: Account) -> Subscription:
    found = live_subscription(account.pk)
    assert found is not None
    return found


def messages_limit(account: Account) -> int | None:
    """Of the day; 0 without any."""
    bounds = quota_status(account_id=account.pk, metric="messages")
    return bounds[0].limit if bounds else 0


def state(stand_in: StripeStandIn) -> dict[str, dict[str, Any]]:
    return requests.get(f"{stand_in.url}/_sandbox/state", timeout=20).json()  # type: ignore[no-any-return]


def only(objects: dict[str, Any]) -> Any:
    (found,) = objects.values()
    return found


def invoices(stand_in: StripeStandIn) -> list[dict[str, Any]]:
    """Oldest first."""
    return sorted(state(stand_in)["invoices"].values(), key=lambda one: (one["created"], one["number"] or ""))


def fault(stand_in: StripeStandIn, **body: Any) -> None:
    requests.post(f"{stand_in.url}/_sandbox/faults", json=body, timeout=20).raise_for_status()


def no_faults(stand_in: StripeStandIn) -> None:
    requests.delete(f"{stand_in.url}/_sandbox/faults", timeout=20).raise_for_status()


def forget_keys(stand_in: StripeStandIn) -> None:
    requests.post(f"{stand_in.url}/_sandbox/forget_keys", json={}, timeout=20).raise_for_status()


def everything(account: Account, stand_in: StripeStandIn) -> dict[str, Any]:
    """All that a refused request must leave as it was: our rows, the meter's, and Stripe's objects."""
    there = state(stand_in)
    account.refresh_from_db()
    return {
        "subscriptions": list(Subscription.objects.filter(account=account).order_by("started_at").values()),
        "done": list(
            PlanChange.objects.filter(account=account).exclude(status="failed").order_by("pk").values()
        ),
        "limits": list(Entitlement.objects.filter(account=account).order_by("pk").values()),
        "features": list(FeatureGrant.objects.filter(account=account).order_by("pk").values()),
        "there": {
            kind: {key: _lasting(one) for key, one in there[kind].items()}
            for kind in ("subscriptions", "subscription_schedules", "invoices", "charges")
        },
    }


def _lasting(thing: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in thing.items() if not key.startswith("hosted")}
