"""Deliveries: what is not ours is refused; replayed and pruned by hand; and a failed renewal's events in any order."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from djstripe.models import WebhookEventTrigger

from billing.models import PaymentAttempt
from billing.services import invoice_pay
from billing.services.endpoint import EVENTS, endpoint_remember
from billing.tests.conftest import person
from billing.tests.helpers import ask, messages_limit, subscription
from billing.tests.overdue import new_card, open_invoice, outcomes, overdue_person, standing
from billing.tests.test_webhooks import SECRET, apply_all, deliver, events
from common import outbox
from common.clock import database_now
from common.models import OutboxMessage

pytestmark = pytest.mark.req("BI-2")

EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "x.y",
    "created": 1,
    "livemode": False,
    "data": {"object": {}},
}


@pytest.fixture
def endpoint(catalog, settings):
    settings.STRIPE_WEBHOOK_UUID, settings.STRIPE_WEBHOOK_SECRET = str(uuid4()), SECRET
    return endpoint_remember()


def kept() -> tuple[int, int]:
    return WebhookEventTrigger.objects.count(), OutboxMessage.objects.filter(
        task__contains="stripe_event"
    ).count()


@pytest.mark.parametrize(
    ("more", "status"),
    [
        pytest.param({"account": "acct_other"}, 400, id="of a connected account"),
        pytest.param({"livemode": True}, 400, id="of the other mode"),
        pytest.param({"filling": "x" * 1_100_000}, 413, id="1.1 MB"),
    ],
)
def test_what_is_not_ours_or_too_large_is_refused_and_not_kept(endpoint, more, status):
    for _ in range(3):
        assert deliver(endpoint, EVENT | more).status_code == status
    assert kept() == (0, 0)


def test_the_endpoint_asks_for_every_kind():
    wanted = ["customer.subscription.", "invoice.", "payment_intent.", "payment_method.", "charge.refunded"]
    wanted += ["checkout.session.", "setup_intent.", "customer."]
    assert [one for one in wanted if not any(event.startswith(one) for event in EVENTS)] == []
    assert len(set(EVENTS)) == len(EVENTS)


def replay(capsys, *words):
    with suppress(SystemExit):  # nothing fits
        call_command("replay_events", "--json", *words)
    return json.loads(capsys.readouterr().out)


def test_replaying_mends_what_an_event_left_undone(endpoint, catalog, capsys):
    account = person()
    ask(account, "premium")
    for event in events(catalog):
        deliver(endpoint, event)
    apply_all()
    PaymentAttempt.objects.all().delete()
    told = replay(capsys, "--type", "payment_intent.", "--dry-run")
    assert told["replayed"] == 0
    assert {one["type"] for one in told["events"]} >= {"payment_intent.succeeded"}
    assert outbox.due_count(now=database_now()) == 0
    (paid,) = events(catalog, "payment_intent.succeeded")
    assert replay(capsys, "--id", paid["id"])["replayed"] == 1
    apply_all()
    assert outcomes(account) == ["succeeded"]
    assert replay(capsys, "--since", "2020-01-01T00:00:00Z")["replayed"] == len(events(catalog))
    apply_all()
    assert (outcomes(account), messages_limit(account)) == (["succeeded"], 1000)
    assert replay(capsys, "--failed") == {"events": [], "replayed": 0}
    assert replay(capsys, "--id", "evt_unknown") == {"events": [], "replayed": 0}


@pytest.mark.parametrize("words", [[], ["--since", "yesterday"], ["--since", "2027-01-01T00:00:00"]])
def test_replaying_nothing_in_particular_is_refused(db, words):
    with pytest.raises(CommandError):
        call_command("replay_events", *words)


def test_what_failed_is_replayed_once_the_cause_is_gone(endpoint, catalog, capsys, monkeypatch):
    from billing import tasks

    def broken(_event):
        raise outbox.Hopeless("a bug")

    (event, *_) = events(catalog, "product.created")
    deliver(endpoint, event)
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "event_follow", broken)
        apply_all()
    assert [one["id"] for one in replay(capsys, "--failed")["events"]] == [event["id"]]
    apply_all()
    assert replay(capsys, "--failed")["events"] == []


def test_pruning_forgets_what_was_applied_long_ago_and_nothing_else(endpoint, catalog, capsys):
    told = events(catalog, "product.created")
    for event in told:
        deliver(endpoint, event)
    apply_all()
    deliver(endpoint, EVENT | {"id": "evt_waits"})
    old = database_now() - timedelta(days=31)
    WebhookEventTrigger.objects.update(created=old)
    OutboxMessage.objects.filter(done_at__isnull=False).update(done_at=old)
    before = kept()
    call_command("prune", "--dry-run", "--json")
    assert json.loads(capsys.readouterr().out)["deliveries"] == len(told)
    assert kept() == before
    call_command("prune", "--json")
    assert json.loads(capsys.readouterr().out)["promises"] == len(told)
    assert kept() == (1, 1)
    assert WebhookEventTrigger.objects.get().json_body["id"] == "evt_waits"


# A failed renewal, cured on day 9: what is told of it, in any order -------------------------------------------------


def in_order(told):
    return told


def backwards(told):
    return told[::-1]


def doubled(told):
    return [one for event in told for one in (event, event)]


def shuffled(told):
    mixed = [*told, *told[::3]]
    random.Random(7).shuffle(mixed)
    return mixed


@pytest.mark.req("BI-6", "BI-9")
@pytest.mark.parametrize("late_days", [0, 3], ids=["at once", "three days late"])
@pytest.mark.parametrize("order", [in_order, backwards, doubled, shuffled])
@pytest.mark.parametrize(
    ("cured", "expected", "attempts"),
    [
        pytest.param(
            False, ("basic", "past_due", "degraded", 5, 1), {"failed": 3, "succeeded": 1}, id="unpaid"
        ),
        pytest.param(
            True, ("basic", "active", "full", 50, 0), {"failed": 3, "succeeded": 2}, id="cured on day 9"
        ),
    ],
)
def test_events_of_an_overdue_payment_in_any_order(
    travel, settings, order, late_days, cured, expected, attempts
):
    settings.STRIPE_WEBHOOK_UUID, settings.STRIPE_WEBHOOK_SECRET = str(uuid4()), SECRET
    endpoint = endpoint_remember()
    account, failed_at = overdue_person(travel)
    travel.to(failed_at + timedelta(days=9), sweep=False)
    if cured:
        invoice_id = open_invoice(account)
        new_card(account, "pm_card_visa")
        invoice_pay(account=account, user=None, invoice_id=invoice_id, request_id="r", now=database_now())
        PaymentAttempt.objects.all().delete()
    travel.to(database_now() + timedelta(days=late_days, seconds=5), sweep=False)
    for event in order(events(travel.stand_in)):
        assert deliver(endpoint, event).status_code == 200
    apply_all()
    assert OutboxMessage.objects.filter(done_at=None, task__contains="stripe_event").count() == 0
    assert standing(account) == expected
    found = outcomes(account)
    assert {one: found.count(one) for one in set(found)} == attempts
    assert subscription(account).plan.code == "basic"
