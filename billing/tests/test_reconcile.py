"""Every kind of damage between us and Stripe: found, named, mended where that is safe, and nothing else moved."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import call_command

from accounts.models import Account
from billing.gateways.client import api
from billing.models import Drift, PlanChange, Price, Subscription, UnpaidInvoice
from billing.services import payment_method_add, plan_changes_sweep
from billing.services.drift_mending import subscription_end
from billing.services.reconcile import reconcile
from billing.tests.conftest import person
from billing.tests.helpers import ask, everything, fault, messages_limit, no_faults, state, subscription
from billing.tests.stores import store
from common import books
from common.clock import database_now
from common.metrics import exposition
from quotas.models import Entitlement, FeatureGrant

pytestmark = pytest.mark.req("BI-7")


def look(account=None, *, mend=False):
    return reconcile(now=database_now(), account_id=account.pk if account else None, mend=mend)


def kinds(report) -> list[str]:
    return sorted(one.kind.value for one in report.found)


def of_ours(account, **values):
    Subscription.objects.filter(account=account, ended_at=None).update(**values)


def customer_deleted(account):
    api().customers.delete(account.stripe_customer_id)


def customer_never_was(account):
    Account.objects.filter(pk=account.pk).update(stripe_customer_id="cus_neverwas")


def ended_there(account):
    api().subscriptions.cancel(subscription(account).stripe_subscription_id)


def never_was_there(account):
    of_ours(account, stripe_subscription_id="sub_neverwas")


def ended_here(account):
    """Ours is over and the free plan stands in its place; Stripe goes on charging."""
    subscription_end(account.pk, subscription(account).stripe_subscription_id)


def forgotten_here(account):
    """As if there had never been a row of it."""
    ended_here(account)
    ours = Subscription.objects.filter(account=account, stripe_subscription_id__isnull=False)
    ours.update(stripe_subscription_id="sub_other")


def second_there(account):
    price = Price.objects.get(version__plan__code="basic", interval="month").stripe_price_id
    api().subscriptions.create({"customer": account.stripe_customer_id, "items": [{"price": price}]})


def other_plan_here(account):
    price = Price.objects.get(version__plan__code="basic", interval="month")
    of_ours(account, price=price, plan_version=price.version)


def other_status_here(account):
    of_ours(account, status="past_due", access="grace")


def other_period_here(account):
    ours = subscription(account)
    of_ours(account, current_period_end=ours.current_period_end + timedelta(days=3))


def to_end_there(account):
    api().subscriptions.update(subscription(account).stripe_subscription_id, {"cancel_at_period_end": True})


def schedule_there(account):
    api().subscription_schedules.create({"from_subscription": subscription(account).stripe_subscription_id})


def debt_here(account):
    UnpaidInvoice.objects.create(
        subscription=subscription(account),
        stripe_invoice_id="in_neverwas",
        amount_minor=500,
        currency="eur",
        attempts=1,
        owed_since=database_now(),
    )


def limits_lost(account):
    Entitlement.objects.filter(account=account).delete()


def feature_lost(account):
    FeatureGrant.objects.filter(account=account).delete()


def other_sum_here(account):
    PlanChange.objects.filter(account=account).update(charged_minor=1999)


def unknown_price_there(account):
    product = Price.objects.get(
        version__plan__code="premium", interval="month"
    ).version.plan.stripe_product_id
    price = api().prices.create(
        {"product": product, "currency": "eur", "unit_amount": 700, "recurring": {"interval": "month"}}
    )
    ours = subscription(account)
    api().subscriptions.update(
        ours.stripe_subscription_id,
        {"items": [{"id": ours.stripe_item_id, "price": price.id}], "proration_behavior": "none"},
    )


# damage → the names of what is found, and the plan afterwards (None: a person has to decide, nothing moves)
DAMAGES = [
    (customer_deleted, ["customer_missing", "status_differs"], "free"),
    (never_was_there, ["subscription_missing", "subscription_unknown"], "premium"),
    (ended_there, ["status_differs"], "free"),
    (ended_here, ["subscription_unknown"], "premium"),
    (forgotten_here, ["subscription_unknown"], "premium"),
    (second_there, ["subscription_second"], None),
    (other_plan_here, ["entitlements_differ", "plan_differs"], "premium"),
    (other_status_here, ["status_differs"], "premium"),
    (other_period_here, ["period_differs"], "premium"),
    (to_end_there, ["cancellation_differs"], "premium"),
    (schedule_there, ["schedule_differs"], "premium"),
    (limits_lost, ["entitlements_differ"], "premium"),
    (feature_lost, ["entitlements_differ"], "premium"),
    (other_sum_here, ["invoice_differs"], None),
    (unknown_price_there, ["price_unknown"], None),
]


@pytest.mark.parametrize(
    ("damage", "found", "after"),
    [pytest.param(*row, id=f"{row[0].__name__}: {' + '.join(row[1])}") for row in DAMAGES],
)
def test_each_damage_is_found_named_and_mended_alone(catalog, damage, found, after):
    account, bystander = person(), person()
    ask(account, "premium")
    ask(bystander, "premium")
    assert look().found == []
    theirs = everything(bystander, catalog)
    damage(account)
    account.refresh_from_db()
    theirs["there"] = everything(bystander, catalog)["there"]
    mine = everything(account, catalog)
    report = look(account)
    assert kinds(report) == sorted(found)
    assert everything(account, catalog) == mine, "looking changes nothing"
    mended = look(account, mend=True)
    if after is None:
        assert mended.mended == []
        assert {one["kind"] for one in (d.as_json() for d in mended.left) if not one["mendable"]} == set(
            found
        )
        assert everything(account, catalog) == mine
    else:
        assert kinds(look(account)) == []
        account.refresh_from_db()
        assert subscription(account).plan.code == after
        assert messages_limit(account) == (1000 if after == "premium" else 5)
        assert books.verify_all() == []
    assert everything(bystander, catalog) == theirs, "nothing else moved"


def test_the_credits_of_a_plan_are_no_difference(catalog):
    """A limit that lets credits in is among what the plan gives; seen as more than that, it was told for ever."""
    account = store("starter")
    assert kinds(look(account)) == []


def test_a_customer_that_never_was(catalog):
    account = person(card=None)
    customer_never_was(account)
    account.refresh_from_db()
    assert kinds(look(account, mend=True)) == ["customer_missing"]
    account.refresh_from_db()
    assert account.stripe_customer_id is None
    assert payment_method_add(account=account, payment_method_id="pm_card_visa").last4 == "4242"


def test_somebody_at_stripe_whom_no_account_names(catalog):
    account = person()
    ask(account, "basic")
    Account.objects.filter(pk=account.pk).update(stripe_customer_id="cus_other")
    report = look()
    assert "customer_unknown" in kinds(report)


def test_an_open_intent_is_found_and_finished(catalog):
    from billing.errors import PaymentProviderUnavailable

    account = person()
    fault(catalog, path="/v1/subscriptions", method="POST", effect="drop_after", times=4)
    with pytest.raises(PaymentProviderUnavailable):
        ask(account, "premium")
    no_faults(catalog)
    account.refresh_from_db()
    assert kinds(look(account, mend=True)) == [], (
        "what is being bought is not taken over under the buyer's hands"
    )
    assert subscription(account).plan.code == "free"
    PlanChange.objects.filter(account=account).update(last_tried_at=database_now() - timedelta(hours=1))
    assert kinds(look(account)) == ["change_open"]
    look(account, mend=True)
    assert (subscription(account).plan.code, kinds(look(account))) == ("premium", [])


def test_what_stripe_does_not_answer_is_said_and_changes_nothing(catalog):
    account = person()
    ask(account, "premium")
    before = everything(account, catalog)
    fault(catalog, path="/v1/customers", method="GET", effect="error_before", times=100)
    report = look(account, mend=True)
    no_faults(catalog)
    assert (report.unanswered, report.found) == ([account.pk], [])
    assert everything(account, catalog) == before


def run(capsys, *words):
    code = 0
    try:
        call_command("reconcile", "--json", *words)
    except SystemExit as end:
        code = end.code
    return code, json.loads(capsys.readouterr().out)


def test_the_command_says_mends_and_ends_with_a_code(catalog, capsys):
    account = person()
    ask(account, "premium")
    assert run(capsys)[0] == 0
    limits_lost(account)
    code, told = run(capsys, "--mend", "--dry-run")
    assert (code, [one["kind"] for one in told["differences"]]) == (1, ["entitlements_differ"])
    assert messages_limit(account) == 0
    assert b"billing_drift 1.0" in exposition()
    code, told = run(capsys, "--mend", "--account", account.billing_email)
    assert (code, told["differences"][0]["mended"]) == (0, True)
    assert messages_limit(account) == 1000
    assert run(capsys, "--mend")[0] == 0
    assert (Drift.objects.get(kind="entitlements_differ").count, b"billing_drift 0.0" in exposition()) == (
        0,
        True,
    )
    assert plan_changes_sweep(now=database_now()).applied == []
    assert len(state(catalog)["subscriptions"]) == 1
