"""Changing plan, against the stand-in."""

from __future__ import annotations

import pytest

from billing import services
from billing.models import PlanChange
from billing.selectors import live_subscription
from billing.tests.conftest import person
from common.clock import database_now
from quotas.selectors import quota_status


def change(account, plan, interval=None, quote=None, key=None):
    return services.plan_change_request(
        account=account,
        user=account.personal_owner,
        target_plan=plan,
        interval=interval,
        quote=quote,
        idempotency_key=key,
        request_id="req-test-0001",
        now=database_now(),
    )


def preview(account, plan, interval=None):
    return services.plan_change_preview(
        account=account, user=account.personal_owner, target_plan=plan, interval=interval, now=database_now()
    )


def state(stand_in):
    import requests

    return requests.get(f"{stand_in.url}/_sandbox/state", timeout=10).json()


@pytest.mark.req("PC-1", "PC-2", "PC-8")
def test_upgrade_from_free(catalog):
    account = person()
    seen = preview(account, "premium")
    assert (seen.kind, seen.due_now.amount_minor) == ("upgrade", 2000)
    result = change(account, "premium", quote=seen.quote)
    assert result.change.status == "applied"
    assert result.change.charged_minor == 2000
    assert result.subscription.plan.code == "premium"
    assert [
        (b.metric, b.window, b.limit) for b in quota_status(account_id=account.pk, metric="messages")
    ] == [("messages", "day", 1000)]
    (invoice,) = state(catalog)["invoices"].values()
    assert (invoice["status"], invoice["total"]) == ("paid", 2000)
    assert live_subscription(account.pk).stripe_subscription_id
    assert PlanChange.objects.get().status == "applied"
