"""Many at once, over the whole HTTP stack of one process: one transition, one charge, equal answers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from accounts.tests.factories import bearer
from billing.models import PlanChange
from billing.services import changes as plan_changes
from billing.services.converge import subscription_refresh
from billing.tests.conftest import person
from billing.tests.helpers import ask, fault, messages_limit, preview, state, subscription
from common import books
from quotas.services import usage_consume

CALLERS = 32


def at_once(acts: list[Callable[[], object]]) -> list:
    """Every act in a thread of its own, all let go at the same instant; their results in order."""
    barrier = threading.Barrier(len(acts))

    def run(act):
        try:
            barrier.wait()
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result() for future in [pool.submit(run, act) for act in acts]]


class Caller:
    def __init__(self, account) -> None:
        self.headers = bearer(account.personal_owner)

    def post(self, path: str, body: dict, **headers):
        answer = Client(raise_request_exception=False).post(
            f"/v1/billing/{path}",
            json.dumps(body),
            content_type="application/json",
            **self.headers,
            **headers,
        )
        return answer.status_code, answer.json()


def changes(answers) -> list:
    """The answers without what belongs to the single request."""
    return [
        json.dumps(body["data"]["plan_change"], sort_keys=True) for status, body in answers if status == 200
    ]


@pytest.fixture
def all_have_arrived(monkeypatch):
    """`(count)`: requests for a change go on when so many are there. One that comes after the others were done would
    rightly be a new one.
    """
    catch_up = plan_changes.subscription_catch_up

    def hold(count: int) -> None:
        arrived = threading.Barrier(count)

        def held(**asked):
            arrived.wait(120)
            catch_up(**asked)

        monkeypatch.setattr(plan_changes, "subscription_catch_up", held)

    return hold


@pytest.fixture(autouse=True)
def _no_rate_limits(settings):
    settings.RATE_LIMITS = {name: ("100000/1", kind) for name, (_, kind) in settings.RATE_LIMITS.items()}


@pytest.mark.req("PC-6")
@pytest.mark.parametrize("how", ["the same key", "the same quote", "neither", "a key each and one quote"])
@pytest.mark.parametrize("from_plan", ["free", "basic"])
def test_32_identical_make_one_transition_and_one_charge(travel, all_have_arrived, how, from_plan):
    account = person()
    if from_plan == "basic":
        ask(account, "basic")
    charges = len(state(travel.stand_in)["charges"])
    before = PlanChange.objects.filter(account=account).count()
    body = {"target_plan": "premium"}
    if "quote" in how:
        body["quote"] = preview(account, "premium").quote
    caller = Caller(account)

    def act(number):
        keys = {"the same key": "k", "a key each and one quote": f"k{number}"}
        headers = {"HTTP_IDEMPOTENCY_KEY": keys[how]} if how in keys else {}
        return lambda: caller.post("plan-change", body, **headers)

    if how == "neither":
        # Only those who come while the first is being carried out join it; one who comes later is told so.
        all_have_arrived(CALLERS)
        fault(travel.stand_in, path="/v1/subscriptions", method="POST", effect="delay", times=1, delay_s=1)
    answers = at_once([act(number) for number in range(CALLERS)])
    assert Counter(status for status, _ in answers) == {200: CALLERS}, [b for s, b in answers if s != 200][:2]
    assert len(set(changes(answers))) == 1
    assert PlanChange.objects.filter(account=account).count() == before + 1
    assert len(state(travel.stand_in)["charges"]) == charges + 1
    assert (subscription(account).plan.code, messages_limit(account)) == ("premium", 1000)
    assert books.verify_all() == []


@pytest.mark.req("PC-6")
@pytest.mark.parametrize("attempt", range(6))
def test_two_different_at_once_one_wins(travel, all_have_arrived, attempt):
    account = person()
    ask(account, "basic")
    caller = Caller(account)
    wishes = [{"target_plan": "premium"}, {"target_plan": "basic", "interval": "year"}]
    all_have_arrived(len(wishes))
    # With the winner held at Stripe the other one meets it there; otherwise, most often, what it has left.
    fault(
        travel.stand_in, path="/v1/subscriptions", method="POST", effect="delay", times=1, delay_s=attempt % 2
    )
    answers = at_once([lambda body=body: caller.post("plan-change", body) for body in wishes])
    (refused,) = [body["error"]["code"] for status, body in answers if status == 409]
    assert refused in ("plan_change_not_allowed", "duplicate_plan_change")
    assert sorted(status for status, _ in answers) == [200, 409]
    assert len(state(travel.stand_in)["charges"]) == 2  # of basic, and of the winner
    assert books.verify_all() == []


@pytest.mark.req("PC-6")
def test_32_that_the_bank_refuses_are_refused_once(travel, all_have_arrived):
    from billing.tests.helpers import decline

    account = person()
    decline(account)
    caller = Caller(account)
    all_have_arrived(CALLERS)
    answers = at_once([lambda: caller.post("plan-change", {"target_plan": "premium"})] * CALLERS)
    assert Counter((status, body["error"]["code"]) for status, body in answers) == {
        (402, "payment_failed"): CALLERS
    }
    assert len({json.dumps(body["error"]["details"], sort_keys=True) for _, body in answers}) == 1
    assert PlanChange.objects.get(account=account).status == "failed"
    assert subscription(account).plan.code == "free"


@pytest.mark.req("PC-2", "PC-6")
def test_undo_and_undo_and_a_change_at_once(travel):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    headers = Caller(account).headers

    def undo():
        answer = Client(raise_request_exception=False).delete("/v1/billing/plan-change", **headers)
        return answer.status_code

    codes = at_once([undo] * 8)
    assert set(codes) <= {200, 409}
    assert 200 in codes
    assert PlanChange.objects.filter(account=account, status="undone").count() == 1
    assert subscription(account).plan.code == "premium"
    (there,) = state(travel.stand_in)["subscriptions"].values()
    assert there["schedule"] is None


@pytest.mark.req("PC-1", "BI-2")
def test_readings_of_stripe_beside_a_change_never_turn_it_back(travel):
    """Webhook tasks read while the upgrade runs; an older reading that arrives later changes nothing."""
    account = person()
    ask(account, "basic")
    stripe_id = subscription(account).stripe_subscription_id
    seen: list[str] = []
    done = threading.Event()

    def watch():
        while not done.is_set():
            seen.append(subscription(account).plan.code)

    def read():
        for _ in range(5):
            subscription_refresh(stripe_subscription_id=stripe_id)

    def change():
        try:
            return ask(account, "premium").change.status
        finally:
            done.set()

    results = at_once([change, watch, read, read, read])
    assert results[0] == "applied"
    assert seen == sorted(seen)  # "basic" … "premium", never back
    assert subscription(account).plan.code == "premium"


@pytest.mark.req("PC-4", "QU-2")
def test_use_goes_on_while_the_plan_changes(travel):
    """Between the old limit and the new one nobody is refused who would be allowed under both."""
    account = person()
    ask(account, "basic")
    allowed = []

    def use():
        allowed.extend(usage_consume(account_id=account.pk, metric="messages").allowed for _ in range(10))

    at_once([lambda: ask(account, "premium"), use, use, use])
    assert allowed == [True] * 30


@pytest.mark.req("BI-1")
def test_one_customer_for_many_first_requests(travel):
    from billing.services import customer_ensure

    account = person(card=None)
    ids = at_once([lambda: customer_ensure(account=type(account).objects.get(pk=account.pk))] * 8)
    assert len(set(ids)) == 1
    assert len(state(travel.stand_in)["customers"]) == 1
