"""Changes that wait for their payer: a card to be entered, a bank that asks, and everything payers do instead."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest
import requests
from django.db.models import Max

from billing.errors import AlreadySubscribed, PaymentActionRequired, PaymentFailed, PaymentProviderUnavailable
from billing.models import PlanChange
from billing.selectors import awaiting_change, live_subscription
from billing.services import (
    awaiting,
    payment_method_add,
    payment_method_make_default,
    plan_changes_sweep,
    subscription_card_keep,
    subscription_refresh,
)
from billing.tests import helpers
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    cancel,
    decline,
    everything,
    fault,
    invoices,
    leads,
    messages_limit,
    no_faults,
    only,
    preview,
    start,
    state,
    subscription,
    undo,
)
from billing.tests.test_races import at_once
from common import books
from common.clock import database_now

ASKS = "pm_card_authenticationRequired"
"""A card with which the bank asks at every payment."""


def pay(stand_in, action: PaymentActionRequired, **what):
    """What the payer does in the browser; the payment's status afterwards."""
    body = {"intent": action.details["client_secret"], **what}
    answer = requests.post(f"{stand_in.url}/_sandbox/payer", json=body, timeout=20)
    return answer.json().get("status", answer.json())


def asked(act) -> PaymentActionRequired:
    with pytest.raises(PaymentActionRequired) as raised:
        act()
    return raised.value


def sweep(later: timedelta | None = None):
    """The regular one, minutes after the last: payers are looked at every other minute."""
    return plan_changes_sweep(now=_minutes_later() if later is None else database_now() + later)


def _minutes_later() -> datetime:
    last = PlanChange.objects.aggregate(last=Max("last_tried_at"))["last"]
    return max(filter(None, (database_now(), last))) + timedelta(minutes=3)


def nobody(card: str | None = None):
    """Somebody without any plan."""
    return helpers.nobody(person(card=card))


BEGINNINGS = {
    "from the free plan, no card": (partial(person, card=None), lambda a: ask(a, "basic", collects=True)),
    "from the free plan, the bank asks": (partial(person, card=ASKS), lambda a: ask(a, "basic")),
    "from no plan, no card": (nobody, lambda a: start(a, "basic", collects=True)),
    "from no plan, the bank asks": (partial(nobody, card=ASKS), lambda a: start(a, "basic")),
}


def on_basic(card: str = ASKS):
    """Somebody on basic whose bank asks from now on."""
    account = person()
    ask(account, "basic")
    decline(account, card)
    return account


BEGINNINGS["a running plan, the bank asks"] = (on_basic, lambda a: ask(a, "premium"))


@pytest.mark.req("BI-3", "PC-2")
@pytest.mark.parametrize("how", BEGINNINGS)
def test_nothing_changes_until_the_payer_has_paid(catalog, how):
    make, act = BEGINNINGS[how]
    account = make()
    before = everything(account, catalog)
    action = asked(lambda: act(account))
    after = everything(account, catalog)
    for kind in ("subscriptions", "limits", "features"):
        assert after[kind] == before[kind]
    assert {one["id"] for one in after["there"]["charges"].values() if one["paid"]} == {
        one["id"] for one in before["there"]["charges"].values() if one["paid"]
    }
    change = awaiting_change(account.pk)
    assert change is not None
    assert action.details["plan_change"] == str(change.pk)
    assert leads(action.details["remedies"]) == ["confirm", "change_card"]
    assert action.details["confirm_url"].endswith(action.details["remedies"][0]["url"])
    assert action.details["client_secret"].startswith("pi_")
    assert action.details["amount"]["amount_minor"] > 0
    assert timedelta(hours=22) < change.awaiting_until - database_now() <= timedelta(hours=23, minutes=1)
    assert books.verify_all() == []


@pytest.mark.req("BI-3", "PC-2")
@pytest.mark.parametrize("heard", ["webhook", "sweep", "both at once"])
@pytest.mark.parametrize("how", BEGINNINGS)
def test_paid_and_the_browser_closed(catalog, how, heard):
    make, act = BEGINNINGS[how]
    account = make()
    action = asked(lambda: act(account))
    card = {"payment_method": "pm_card_visa"} if "no card" in how else {"authenticate": True}
    assert pay(catalog, action, **card) == "succeeded"
    stripe_id = awaiting_change(account.pk).stripe_subscription_id
    if heard == "webhook":
        subscription_refresh(stripe_subscription_id=stripe_id)
    elif heard == "sweep":
        assert sweep().applied == [action.details["plan_change"]]
    else:
        subscription_refresh(stripe_subscription_id=stripe_id)
        sweep()
    change = PlanChange.objects.get(pk=action.details["plan_change"])
    assert change.status == "applied"
    assert (
        change.charged_minor
        == action.details["amount"]["amount_minor"]
        == invoices(catalog)[-1]["amount_paid"]
    )
    plan = change.to_price.version.plan.code
    assert (subscription(account).plan.code, subscription(account).status) == (plan, "active")
    assert messages_limit(account) == {"basic": 50, "premium": 1000}[plan]
    assert sweep().applied == []
    assert books.verify_all() == []


@pytest.mark.req("BI-3", "BI-4")
def test_the_card_that_paid_is_the_one_on_file(catalog):
    from billing.services import payment_methods_list

    account = person(card=None)
    action = asked(lambda: ask(account, "basic", collects=True))
    pay(catalog, action, payment_method="pm_card_mastercard")
    sweep()
    theirs = only(state(catalog)["subscriptions"])
    subscription_card_keep(stripe_subscription_id=theirs["id"])
    subscription_card_keep(stripe_subscription_id=theirs["id"])  # twice is once
    account.refresh_from_db()
    methods, default = payment_methods_list(account=account)
    assert [(one.brand, one.id == default) for one in methods] == [("mastercard", True)]
    payment_method_make_default(
        account=account,
        payment_method_id=payment_method_add(account=account, payment_method_id="pm_card_visa").id,
    )
    theirs = only(state(catalog)["subscriptions"])
    chosen = only(state(catalog)["customers"])["invoice_settings"]["default_payment_method"]
    assert theirs["default_payment_method"] == chosen != default


@pytest.mark.req("BI-3")
@pytest.mark.parametrize(
    "card",
    [
        "pm_card_chargeCustomerFail",
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "pm_card_chargeDeclinedExpiredCard",
    ],
)
def test_a_refused_card_can_be_followed_by_one_that_pays(catalog, card):
    account = person(card=None)
    action = asked(lambda: ask(account, "basic", collects=True))
    assert pay(catalog, action, payment_method=card) == "requires_payment_method"
    assert sweep().still_open == [action.details["plan_change"]]
    assert subscription(account).plan.code == "free"
    assert pay(catalog, action, payment_method="pm_card_visa") == "succeeded"
    sweep()
    assert subscription(account).plan.code == "basic"
    assert len([one for one in state(catalog)["charges"].values() if one["paid"]]) == 1


@pytest.mark.req("BI-3", "PC-2")
@pytest.mark.parametrize("how", BEGINNINGS)
def test_the_bank_says_no_and_the_old_plan_stays(catalog, how):
    make, act = BEGINNINGS[how]
    account = make()
    before = live_subscription(account.pk)
    action = asked(lambda: act(account))
    card = {"payment_method": ASKS} if "no card" in how else {}
    assert pay(catalog, action, authenticate=False, **card) == "requires_payment_method"
    sweep()
    after = live_subscription(account.pk)
    assert (after and (after.pk, after.price_id)) == (before and (before.pk, before.price_id))
    assert awaiting_change(account.pk) is not None  # they may try again
    assert pay(catalog, action, payment_method="pm_card_visa") == "succeeded"
    assert sweep().applied == [action.details["plan_change"]]


@pytest.mark.req("BI-3")
@pytest.mark.parametrize("how", BEGINNINGS)
def test_abandoned_it_lapses_and_can_be_begun_again(travel, how):
    make, act = BEGINNINGS[how]
    account = make()
    before = live_subscription(account.pk)
    action = asked(lambda: act(account))
    travel.by(hours=24)
    lapsed = PlanChange.objects.get(pk=action.details["plan_change"])
    assert (lapsed.status, lapsed.error_code) == ("failed", "payment_action_required")
    after = live_subscription(account.pk)
    assert (after and after.pk) == (before and before.pk)
    assert not [one for one in state(travel.stand_in)["invoices"].values() if one["status"] == "open"]
    again = asked(lambda: act(account))
    assert again.details["plan_change"] != action.details["plan_change"]
    pay(travel.stand_in, again, payment_method="pm_card_visa")
    sweep()
    assert PlanChange.objects.get(pk=again.details["plan_change"]).status == "applied"
    assert books.verify_all() == []


@pytest.mark.req("BI-3", "PC-6")
@pytest.mark.parametrize("how", BEGINNINGS)
def test_the_same_wish_again_goes_on_with_the_same_payment(catalog, how):
    make, act = BEGINNINGS[how]
    account = make()
    first, second = asked(lambda: act(account)), asked(lambda: act(account))
    assert first.details["client_secret"] == second.details["client_secret"]
    assert PlanChange.objects.filter(account=account, status="pending").count() == 1


@pytest.mark.req("BI-3", "PC-6")
@pytest.mark.parametrize("how", BEGINNINGS)
def test_another_wish_takes_its_place_and_the_first_cannot_be_paid(catalog, how):
    make, act = BEGINNINGS[how]
    account = make()
    first = asked(lambda: act(account))
    begin = start if live_subscription(account.pk) is None else ask
    other = asked(lambda: begin(account, "premium", "year", collects=True))
    assert "error" in pay(catalog, first, payment_method="pm_card_visa")
    replaced = PlanChange.objects.get(pk=first.details["plan_change"])
    assert (replaced.status, replaced.error_details) == ("failed", {"reason": "replaced"})
    assert pay(catalog, other, payment_method="pm_card_visa") == "succeeded"
    sweep()
    now = subscription(account)
    assert (now.plan.code, now.price.interval) == ("premium", "year")
    running = [one for one in state(catalog)["subscriptions"].values() if one["status"] == "active"]
    assert len(running) == 1
    assert books.verify_all() == []


@pytest.mark.req("BI-3", "PC-6")
def test_paid_in_one_tab_while_another_plan_is_chosen_in_the_other(catalog):
    """The first tab's payment came first: it holds, and the second hears so; nobody pays twice."""
    account = nobody()
    first = asked(lambda: start(account, "basic", collects=True))
    pay(catalog, first, payment_method="pm_card_visa")
    with pytest.raises(AlreadySubscribed):
        start(account, "premium", collects=True)
    assert subscription(account).plan.code == "basic"
    assert len([one for one in state(catalog)["charges"].values() if one["paid"]]) == 1


@pytest.mark.req("BI-3", "PC-6")
@pytest.mark.parametrize("attempt", range(3))
def test_two_tabs_at_once_begin_two_plans(travel, attempt):
    account = nobody()
    caught: list[PaymentActionRequired] = []

    def begin(plan):
        from common.errors import DomainError

        try:
            start(account, plan, collects=True)
        except PaymentActionRequired as error:
            caught.append(error)
        except DomainError as error:
            return error.code
        return None

    codes = at_once([partial(begin, "basic"), partial(begin, "premium")])
    assert set(codes) <= {None, "plan_change_not_allowed", "payment_provider_unavailable"}
    assert PlanChange.objects.filter(account=account, status="pending").count() == 1
    for error in caught:
        if error.details.get("client_secret"):
            pay(travel.stand_in, error, payment_method="pm_card_visa")
    sweep()
    assert len([one for one in state(travel.stand_in)["charges"].values() if one["paid"]]) == 1
    running = [one for one in state(travel.stand_in)["subscriptions"].values() if one["status"] == "active"]
    assert len(running) == 1
    assert running[0]["id"] == subscription(account).stripe_subscription_id
    assert books.verify_all() == []


@pytest.mark.req("BI-3", "PC-6")
def test_sweeps_and_events_and_looks_at_once_settle_it_once(travel):
    account = person(card=None)
    action = asked(lambda: ask(account, "basic", collects=True))
    pay(travel.stand_in, action, payment_method="pm_card_visa")
    stripe_id = awaiting_change(account.pk).stripe_subscription_id
    at_once([sweep, lambda: subscription_refresh(stripe_subscription_id=stripe_id)] * 4)
    assert PlanChange.objects.get(pk=action.details["plan_change"]).status == "applied"
    assert subscription(account).plan.code == "basic"
    assert books.verify_all() == []


@pytest.mark.req("BI-3", "BI-2")
def test_the_event_that_comes_before_the_answer(catalog, monkeypatch):
    """The subscription is there and its event is applied before the request has heard of either."""
    from billing.gateways.stripe import gateway

    account = person(card=None)
    original = gateway.subscription_create_unpaid

    def told_first(**what):
        made = original(**what)
        subscription_refresh(stripe_subscription_id=made.id)
        return made

    monkeypatch.setattr(gateway, "subscription_create_unpaid", told_first)
    action = asked(lambda: ask(account, "basic", collects=True))
    pay(catalog, action, payment_method="pm_card_visa")
    sweep()
    assert subscription(account).plan.code == "basic"


@pytest.mark.req("BI-3")
def test_a_late_event_does_not_give_up_what_waits(catalog):
    """Read before the bank was asked, written after: it shows no pending update, which proves nothing."""
    from billing.gateways.stripe import gateway
    from billing.services.converge import subscription_converge

    account = on_basic()
    read_at = database_now()
    old = gateway.subscription_get(subscription(account).stripe_subscription_id)
    action = asked(lambda: ask(account, "premium"))
    stale = gateway.subscription_get(old.id)
    import dataclasses

    unaware = dataclasses.replace(old, change_id=stale.change_id)
    subscription_converge(stripe_subscription=unaware, read_at=read_at)
    assert str(awaiting_change(account.pk).pk) == action.details["plan_change"]


@pytest.mark.req("BI-3")
@pytest.mark.parametrize("act", ["undo", "cancel"])
def test_other_wishes_end_the_waiting(catalog, act):
    account = on_basic()
    action = asked(lambda: ask(account, "premium"))
    if act == "undo":
        assert undo(account).change.status == "failed"
    else:
        assert cancel(account).change.status == "scheduled"
    assert PlanChange.objects.get(pk=action.details["plan_change"]).status == "failed"
    assert "error" in pay(catalog, action, authenticate=True)
    sweep()
    assert subscription(account).plan.code == "basic"
    assert books.verify_all() == []


@pytest.mark.req("BI-3", "PC-8")
def test_a_new_quote_is_a_new_payment(catalog):
    account = on_basic()
    first = asked(lambda: ask(account, "premium", quote=preview(account, "premium").quote))
    fresh = preview(account, "premium")
    second = asked(lambda: ask(account, "premium", quote=fresh.quote))
    assert first.details["plan_change"] != second.details["plan_change"]
    assert second.details["amount"] == fresh.due_now.as_json()
    pay(catalog, second, authenticate=True)
    assert sweep().applied == [second.details["plan_change"]]
    assert (
        PlanChange.objects.get(
            status="applied", kind="upgrade", subscription__isnull=False, due_minor__isnull=False
        ).charged_minor
        == fresh.due_now.amount_minor
    )


@pytest.mark.req("BI-3")
def test_refusals_leave_what_waits_alone(catalog):
    from billing.errors import InvalidTargetPlan

    account = on_basic()
    action = asked(lambda: ask(account, "premium"))
    with pytest.raises(InvalidTargetPlan):
        ask(account, "gold")
    assert str(awaiting_change(account.pk).pk) == action.details["plan_change"]


@pytest.mark.req("BI-3", "CR-8")
@pytest.mark.parametrize("how", BEGINNINGS)
def test_an_answer_that_was_lost_is_found(catalog, how):
    """Stripe waits for the payer and we never heard so: the sweep finds the payment, and it can be paid."""
    make, act = BEGINNINGS[how]
    account = make()
    path = "/v1/subscriptions"
    fault(catalog, path=path, method="POST", effect="drop_after", times=8)
    with pytest.raises((PaymentProviderUnavailable, PaymentActionRequired)):
        act(account)
    no_faults(catalog)
    sweep(timedelta(seconds=10))
    change = awaiting_change(account.pk)
    if change is None:  # the last call never came: given up when no call can be under way
        assert sweep(timedelta(minutes=12)).failed
        assert asked(lambda: act(account)).details["client_secret"]
        return
    action = awaiting.action_required(change)
    assert pay(catalog, action, payment_method="pm_card_visa") == "succeeded"
    assert sweep().applied == [str(change.pk)]


@pytest.mark.req("BI-3")
def test_the_page_is_told_when_a_card_is_missing_for_a_program(catalog):
    """A program that cannot collect a card hears what is missing, and nothing is left behind."""
    account = person(card=None)
    before = everything(account, catalog)
    with pytest.raises(PaymentFailed):
        ask(account, "basic")
    assert everything(account, catalog) == before
