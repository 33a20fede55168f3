"""Each invariant finds the damage it is for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from billing import books as billing_books
from billing.models import InvoicePayment, PlanChange, Subscription
from billing.tests.conftest import person
from billing.tests.helpers import ask, preview, subscription
from common import books
from common.clock import database_now
from quotas.models import Entitlement, FeatureGrant

pytestmark = pytest.mark.broken_books


def findings(name: str) -> list[str]:
    return [one.text for one in books.findings() if one.check == f"billing.{name}"]


def raw(sql: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


@pytest.mark.req("PC-1")
@pytest.mark.parametrize(
    "damage",
    [
        lambda account: Entitlement.objects.filter(account=account, metric__code="messages").update(
            limit_units=7
        ),
        lambda account: Entitlement.objects.filter(account=account).delete(),
        lambda account: FeatureGrant.objects.filter(account=account).delete(),
        lambda account: Subscription.objects.filter(account=account, ended_at=None).update(
            ended_at=database_now(), status="canceled", access="ended"
        ),
    ],
    ids=["another limit", "no limits", "no features", "no subscription"],
)
def test_entitlements_that_are_not_the_plans(catalog, damage):
    account = person()
    ask(account, "premium")
    assert findings("entitlements_are_the_plans") == []
    damage(account)
    assert findings("entitlements_are_the_plans")


@pytest.mark.req("PC-5")
def test_a_scheduled_change_from_another_price(catalog):
    account = person()
    ask(account, "premium")
    change = ask(account, "basic").change
    assert findings("plan_changes_are_coherent") == []
    Subscription.objects.filter(account=account, ended_at=None).update(
        price=change.to_price, plan_version=change.to_price.version
    )
    assert findings("plan_changes_are_coherent")


@pytest.mark.req("PC-8")
def test_a_charge_that_is_not_the_quoted(catalog):
    account = person()
    ask(account, "premium", quote=preview(account, "premium").quote)
    assert findings("amounts_are_the_quoted") == []
    PlanChange.objects.filter(account=account).update(charged_minor=2001)
    assert findings("amounts_are_the_quoted")


@pytest.mark.req("CR-8")
def test_an_intent_that_nobody_looks_after(catalog):
    from billing.enums import ChangeKind
    from billing.services.attempts import Asked, change_open

    account = person()
    ask(account, "basic")
    premium = preview(account, "premium").target
    now = database_now()
    asked = Asked(account, None, "premium", None, None, None, "", now)
    change_open(asked=asked, subscription=subscription(account), target=premium, kind=ChangeKind.UPGRADE)
    assert findings("nothing_stays_open") == []
    PlanChange.objects.filter(status="pending").update(last_tried_at=now - timedelta(hours=2))
    assert findings("nothing_stays_open")


@pytest.mark.req("CR-8")
def test_a_payment_that_nobody_looks_after(catalog):
    payment = InvoicePayment.objects.create(
        account=person(),
        stripe_invoice_id="in_1",
        amount_minor=500,
        currency="eur",
        status="pending",
        requested_at=database_now(),
    )
    assert findings("nothing_stays_open") == []
    InvoicePayment.objects.update(requested_at=database_now() - timedelta(hours=2))
    assert findings("nothing_stays_open")[0].startswith(f"payment {payment.pk} has been open")


@pytest.mark.req("PC-1")
def test_two_running_subscriptions_when_the_constraint_is_gone(catalog):
    account = person()
    assert list(billing_books.one_live_subscription()) == []
    raw("DROP INDEX subscription_one_live")
    second = subscription(account)
    second.pk = None
    second.save(force_insert=True)
    assert list(billing_books.one_live_subscription())
