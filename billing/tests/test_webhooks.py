"""Events from Stripe: only signed ones, once, in any order, late; and the mirror that dj-stripe keeps."""

from __future__ import annotations

import json
import time
from uuid import uuid4

import djstripe.models
import pytest
import stripe
from django.db import connection
from django.test import Client
from djstripe.models import WebhookEventTrigger

from billing.models import PlanChange
from billing.services.endpoint import endpoint_remember
from billing.tests.conftest import person
from billing.tests.helpers import ask, everything, messages_limit, state, subscription
from billing.webhooks import mirrored_with
from common import outbox
from common.clock import database_now
from common.models import OutboxMessage

SECRET = "whsec_test_of_webhooks_000000000000"


@pytest.fixture
def endpoint(catalog, settings):
    settings.STRIPE_WEBHOOK_UUID, settings.STRIPE_WEBHOOK_SECRET = str(uuid4()), SECRET
    return endpoint_remember()


def signed(body: bytes, *, secret: str = SECRET, at: float | None = None) -> str:
    moment = int(at if at is not None else time.time())
    signature = stripe.WebhookSignature._compute_signature(f"{moment}.{body.decode()}", secret)
    return f"t={moment},v1={signature}"


def deliver(endpoint, event, *, signature: str | None = None, body: bytes | None = None, **headers):
    raw = body if body is not None else json.dumps(event).encode()
    return Client().post(
        f"/stripe/webhook/{endpoint.djstripe_uuid}/",
        raw,
        content_type="application/json",
        HTTP_STRIPE_SIGNATURE=signed(raw) if signature is None else signature,
        **headers,
    )


def events(stand_in, *kinds):
    """What the stand-in has to tell, oldest first."""
    found = sorted(state(stand_in)["events"].values(), key=lambda one: one["created"])
    return [one for one in found if not kinds or one["type"] in kinds]


def apply_all() -> None:
    outbox.run_due(now=database_now())


@pytest.mark.req("BI-2")
@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda raw: {"signature": signed(raw, secret="whsec_other")}, id="another secret"),
        pytest.param(lambda raw: {"signature": signed(raw, at=time.time() - 3600)}, id="an hour old"),
        pytest.param(lambda raw: {"signature": signed(raw, at=time.time() + 3600)}, id="an hour ahead"),
        pytest.param(lambda raw: {"signature": ""}, id="no signature"),
        pytest.param(lambda raw: {"signature": "t=1,v1=00"}, id="nonsense"),
        pytest.param(
            lambda raw: {"signature": signed(raw), "body": raw.replace(b"evt_", b"evx_")}, id="altered body"
        ),
        pytest.param(
            lambda raw: {"signature": signed(raw, secret="mine"), "HTTP_X_DJSTRIPE_WEBHOOK_SECRET": "mine"},
            id="the secret brought along",
        ),
        pytest.param(lambda raw: {"signature": signed(b"[]"), "body": b"[]"}, id="signed, but no event"),
        pytest.param(lambda raw: {"signature": signed(b"{"), "body": b"{"}, id="signed, but no JSON"),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_what_stripe_did_not_sign_is_refused_and_not_kept(endpoint, settings, forge, debug):
    settings.DEBUG = debug
    event = {
        "id": "evt_1",
        "object": "event",
        "livemode": False,
        "type": "product.created",
        "data": {"object": {}},
    }
    answer = deliver(endpoint, event, **forge(json.dumps(event).encode()))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed_request")
    assert WebhookEventTrigger.objects.count() == 0
    assert OutboxMessage.objects.filter(task__startswith="billing").count() == 0


@pytest.mark.req("BI-2")
def test_an_unknown_endpoint_is_not_found(endpoint):
    answer = Client().post(f"/stripe/webhook/{uuid4()}/", b"{}", content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.req("BI-2")
def test_another_method_is_refused(endpoint):
    answer = Client().get(f"/stripe/webhook/{endpoint.djstripe_uuid}/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert answer["Allow"] == "POST"


@pytest.mark.req("BI-2")
@pytest.mark.parametrize(
    "wrong",
    [
        {"data": None},
        {"data": {"object": []}},
        {"type": None},
        {"type": "a\0"},
        {"created": "now"},
        {"created": -1},
        {"created": 10**30},
        {"id": 5},
        {"id": ""},
        {"id": "evt_\0"},
        {"id": "e" * 3000},
    ],
)
def test_what_is_signed_but_no_event_is_refused_and_not_kept(endpoint, wrong):
    event = {"id": "evt_a", "type": "x", "created": 1, "data": {"object": {}}}
    answer = deliver(endpoint, event | wrong)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed_request")
    assert "signed, but no event" in answer.json()["error"]["message"]
    assert WebhookEventTrigger.objects.count() == OutboxMessage.objects.count() == 0


@pytest.mark.req("BI-2")
def test_what_the_mirror_cannot_take_is_parked_and_our_state_converges(endpoint, catalog):
    from billing.gateways.client import api

    account = person()
    ask(account, "premium")
    stripe_id = subscription(account).stripe_subscription_id
    api().subscriptions.cancel(stripe_id)
    broken = {"object": "subscription", "id": stripe_id, "customer": 7, "items": None}
    event = {
        "id": "evt_broken",
        "object": "event",
        "type": "customer.subscription.deleted",
        "created": 2**32,
        "data": {"object": broken},
    }
    assert deliver(endpoint, event).status_code == 200
    apply_all()
    assert subscription(account).plan.code == "free"
    message = OutboxMessage.objects.get(dedupe_key="stripe_event:evt_broken")
    assert (message.attempts, message.parked_at is not None, message.done_at) == (1, True, None)
    assert not WebhookEventTrigger.objects.get().processed


@pytest.mark.req("BI-2")
def test_a_forwarded_address_that_is_none_does_no_harm(endpoint, catalog):
    (event, *_) = events(catalog, "product.created")
    assert deliver(endpoint, event, HTTP_X_FORWARDED_FOR="<script>").status_code == 200


@pytest.mark.req("BI-2")
def test_delivered_twice_kept_once(endpoint, catalog):
    (event, *_) = events(catalog, "product.created")
    assert [deliver(endpoint, event).status_code for _ in range(3)] == [200, 200, 200]
    assert WebhookEventTrigger.objects.count() == 1
    apply_all()
    assert djstripe.models.Event.objects.filter(id=event["id"]).count() == 1
    assert djstripe.models.Product.objects.filter(id=event["data"]["object"]["id"]).exists()


@pytest.mark.req("BI-1", "BI-2")
@pytest.mark.parametrize("order", ["as they came", "backwards", "twice each, shuffled"])
def test_all_events_of_a_life_in_any_order_change_nothing_that_is_true(endpoint, catalog, order):
    account = person()
    ask(account, "basic")
    ask(account, "premium")
    ask(account, "basic")
    before = everything(account, catalog)
    told = events(catalog)
    if order == "backwards":
        told.reverse()
    elif order.startswith("twice"):
        told = sorted(told * 2, key=lambda one: hash((one["id"], len(told))))
    for event in told:
        assert deliver(endpoint, event).status_code == 200
    apply_all()
    failed = OutboxMessage.objects.filter(done_at=None, task="billing.tasks.stripe_event_apply")
    assert [one.last_error for one in failed] == []
    after = everything(account, catalog)
    for rows in (before["subscriptions"], after["subscriptions"]):
        for row in rows:
            row.pop("stripe_read_at")
    assert after == before
    there = next(iter(state(catalog)["subscriptions"].values()))
    mirrored = djstripe.models.Subscription.objects.get(id=there["id"])
    assert mirrored.stripe_data["items"]["data"][0]["price"]["id"] == there["items"]["data"][0]["price"]["id"]
    assert djstripe.models.Customer.objects.filter(id=account.stripe_customer_id).exists()
    assert djstripe.models.Invoice.objects.count() == 2
    assert djstripe.models.PaymentMethod.objects.filter(customer__id=account.stripe_customer_id).exists()


@pytest.mark.req("BI-2", "PC-1")
def test_an_event_finishes_what_a_dead_request_left(endpoint, catalog):
    from billing.errors import PaymentProviderUnavailable
    from billing.tests.helpers import fault, no_faults

    account = person()
    fault(catalog, path="/v1/subscriptions", method="POST", effect="drop_after", times=4)
    with pytest.raises(PaymentProviderUnavailable):
        ask(account, "premium")
    no_faults(catalog)
    (event,) = events(catalog, "customer.subscription.created")
    deliver(endpoint, event)
    apply_all()
    assert PlanChange.objects.get(account=account).status == "applied"
    assert (subscription(account).plan.code, messages_limit(account)) == ("premium", 1000)


@pytest.mark.req("BI-2")
def test_what_was_done_at_stripe_by_hand_is_followed(endpoint, catalog):
    """Support cancels in Stripe's dashboard."""
    from billing.gateways.client import api

    account = person()
    ask(account, "premium")
    api().subscriptions.cancel(subscription(account).stripe_subscription_id)
    (event,) = events(catalog, "customer.subscription.deleted")
    deliver(endpoint, event)
    apply_all()
    assert (subscription(account).plan.code, messages_limit(account)) == ("free", 5)


@pytest.mark.req("BI-2", "PC-2")
def test_an_end_set_and_taken_back_at_stripe_by_hand(endpoint, catalog):
    from billing.gateways.client import api
    from billing.services import subscription_resume
    from billing.services.converge import subscription_refresh

    account = person()
    ask(account, "premium")
    stripe_id = subscription(account).stripe_subscription_id
    api().subscriptions.update(stripe_id, {"cancel_at_period_end": True})
    subscription_refresh(stripe_subscription_id=stripe_id)
    assert subscription(account).cancel_at == subscription(account).current_period_end
    resumed = subscription_resume(account=account, user=None, request_id="", now=database_now())
    assert resumed.cancel_at is None
    ask(account, "basic")
    schedule = next(
        one for one in state(catalog)["subscription_schedules"].values() if one["status"] == "active"
    )
    api().subscription_schedules.release(schedule["id"])
    subscription_refresh(stripe_subscription_id=stripe_id)
    assert PlanChange.objects.get(account=account, to_price__version__plan__code="basic").status == "undone"


@pytest.mark.req("BI-9")
def test_the_command_makes_and_updates_the_endpoint(catalog, settings, capsys):
    from django.core.management import call_command

    settings.STRIPE_WEBHOOK_UUID, settings.STRIPE_WEBHOOK_SECRET = str(uuid4()), ""
    settings.BASE_URL = "https://palier.example"
    call_command("stripe_webhook", "--dry-run")
    assert state(catalog)["webhook_endpoints"] == {}
    call_command("stripe_webhook")
    out = capsys.readouterr().out
    (there,) = state(catalog)["webhook_endpoints"].values()
    assert there["url"] == f"https://palier.example/stripe/webhook/{settings.STRIPE_WEBHOOK_UUID}/"
    row = djstripe.models.WebhookEndpoint.objects.get(djstripe_uuid=settings.STRIPE_WEBHOOK_UUID)
    assert f"STRIPE_WEBHOOK_SECRET={row.secret}" in out
    settings.STRIPE_WEBHOOK_SECRET = row.secret
    call_command("stripe_webhook")
    assert len(state(catalog)["webhook_endpoints"]) == 1
    assert djstripe.models.WebhookEndpoint.objects.count() == 1


@pytest.mark.req("BI-2")
def test_what_is_about_one_customer_is_mirrored_one_after_the_other(endpoint, catalog, monkeypatch):
    held = []

    def advisory_locks() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted"
            )
            return cursor.fetchone()[0]

    before = advisory_locks()
    monkeypatch.setattr(WebhookEventTrigger, "process", lambda self, save: held.append(advisory_locks()))
    (event, *_) = events(catalog, "product.created")
    assert deliver(endpoint, event).status_code == 200
    apply_all()
    assert held == [before + 1]
    assert advisory_locks() == before


@pytest.mark.req("BI-2")
def test_a_payment_method_a_charge_and_their_customer_are_mirrored_together():
    about = [
        {"id": "pm_1", "customer": "cus_1"},
        {"id": "ch_1", "customer": {"id": "cus_1"}},
        {"id": "cus_1"},
    ]
    assert {mirrored_with({"data": {"object": thing}}) for thing in about} == {"cus_1"}
    assert mirrored_with({"data": {"object": {"id": "prod_1"}}}) == "prod_1"
