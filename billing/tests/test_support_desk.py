"""What staff find, read and do: an account by anything that is quoted, its story, acts with a reason, on record."""

from __future__ import annotations

import html
import re
import uuid
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.core import mail

from accounts.admin.roles import roles_install
from accounts.models import Notification, User
from billing.errors import PaymentFailed
from billing.models import PaymentAttempt, PlanChange, Refund
from billing.selectors import live_subscription, scheduled_change
from billing.services.recorded import attempts_refresh
from billing.tests.conftest import person
from billing.tests.helpers import ask, fault, state
from common import audit, clock, outbox
from common.models import AuditEntry
from quotas.models import LedgerEntry
from quotas.refused import share
from quotas.services import usage_consume
from quotas.wallet_selectors import wallet_status
from tests.admin.test_roles import client_of

pytestmark = [pytest.mark.req("OP-1", "PC-11")]


@pytest.fixture
def staff(stand_in, request):
    request.getfixturevalue("trading" if "trading" in request.fixturenames else "catalog")
    roles_install(apps.get_model)
    share.forget()
    user = User.objects.create_user(f"{uuid.uuid4().hex}@staff.test", None, is_staff=True)
    user.groups.set(
        apps.get_model("auth", "Group").objects.filter(name__in=("support", "billing", "operator"))
    )
    return user


def story_of(staff, account, query=""):
    return client_of(staff).get(f"/admin/accounts/account/{account.pk}/change/{query}").content.decode()


def do(staff, account, act, **values):
    values = {"once": str(uuid.uuid4()), "reason": "the customer asked"} | values
    return client_of(staff).post(f"/admin/accounts/account/{account.pk}/do/{act}/", values)


def find(staff, text):
    return client_of(staff).post("/admin/accounts/account/", {"q": text})


def on_record(account):
    entries = AuditEntry.objects.filter(account_id=account.pk, action__startswith="support.")
    return list(entries.order_by("at", "action").values_list("action", "reason"))


def test_found_by_whatever_is_quoted(staff, catalog):
    account = person()
    ask(account, "premium")
    invoice = next(iter(state(catalog)["invoices"].values()))
    attempts_refresh(invoice_id=invoice["id"])
    account.refresh_from_db()
    attempt = PaymentAttempt.objects.get()
    quoted = [
        account.personal_owner.email.upper(),
        str(account.pk),
        str(account.public_id),
        account.stripe_customer_id,
        live_subscription(account.pk).stripe_subscription_id,
        invoice["id"],
        attempt.stripe_id,
        attempt.stripe_intent_id,
        attempt.card_last4,
    ]
    for text in quoted:
        assert find(staff, f"  {text} ")["Location"] == f"/admin/accounts/account/{account.pk}/change/", text
    for text in (
        "",
        "\0",
        "nobody@example.test",
        "cus_unknown",
        "9" * 400,
        "%",
        "' OR 1=1",
        "٣",
        "evt_none",
        "plr_live_",
    ):
        assert find(staff, text).status_code == 200, text


def test_from_a_request_id_to_the_reason_of_a_refusal(staff, trading):
    account = person()
    limit = 10_000
    while limit:
        decision = usage_consume(account_id=account.pk, metric="messages", units=limit, request_id="req-why")
        limit = 0 if not decision.allowed else limit
    page = find(staff, "req-why").content.decode()
    assert "Refused: 10000 messages (quota_exceeded)" in page
    assert "limit was full" in page
    assert "the caller can: " in page
    assert f"Account {account.pk}" in page
    assert "Refused: 10000 messages" in story_of(staff, account)
    assert (
        "Nothing is on record"
        in client_of(staff).get("/admin/accounts/account/request/?id=req-none").content.decode()
    )


def test_a_refused_payment_is_in_the_story(staff, catalog):
    account = person(card="pm_card_chargeCustomerFail")
    with pytest.raises(PaymentFailed):
        ask(account, "premium")
    failed = PlanChange.objects.get(account=account)
    page = story_of(staff, account)
    assert f"Plan change {failed.kind}" in page
    assert "payment_failed" in page
    assert "Payment of" in page


def test_credits_are_given_once_with_a_reason_on_record(staff, catalog):
    account = person()
    once = str(uuid.uuid4())
    for _ in range(2):
        answer = do(staff, account, "credits", units="25", once=once, reason="sorry for the outage")
        assert answer.status_code == 302
    assert wallet_status(account_id=account.pk, at=clock.now()).balance_units == 25
    entry = LedgerEntry.objects.get(account=account)
    assert (entry.units, entry.reason, entry.kind) == (25, "sorry for the outage", "adjustment")
    assert on_record(account) == [("support.credits", "sorry for the outage")] * 2
    assert "sorry for the outage" in story_of(staff, account)


def test_nothing_moves_without_a_reason_or_beyond_what_there_is(staff, catalog):
    account = person()
    for values in (
        {"reason": ""},
        {"reason": "   "},
        {"units": "0"},
        {"units": "x"},
        {"units": "9" * 30},
        {"once": "x"},
    ):
        assert do(staff, account, "credits", **{"units": "5", **values}).status_code == 422, values
    assert on_record(account) == []
    refused = do(staff, account, "credits", units="-5")
    assert refused.status_code == 422
    assert not LedgerEntry.objects.exists()
    assert [action for action, _ in on_record(account)] == ["support.credits", "support.credits_refused"]
    assert do(staff, account, "no-such-act").status_code == 404


def test_a_scheduled_change_is_taken_back(staff, catalog):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    assert "Take the scheduled change back" in story_of(staff, account)
    assert do(staff, account, "undo-change").status_code == 302
    assert scheduled_change(account.pk) is None
    assert "Take the scheduled change back" not in story_of(staff, account)
    assert do(staff, account, "undo-change").status_code == 422


def test_cancelling_and_refunding(staff, catalog):
    account = person()
    ask(account, "premium")
    invoice = next(iter(state(catalog)["invoices"].values()))
    attempts_refresh(invoice_id=invoice["id"])
    once = str(uuid.uuid4())
    for _ in range(2):
        assert (
            do(staff, account, "refund", invoice=invoice["id"], amount_minor="100", once=once).status_code
            == 302
        )
    refund = Refund.objects.get(account=account)
    assert (refund.amount_minor, refund.user, refund.reason) == (100, staff, "the customer asked")
    too_much = do(staff, account, "refund", invoice=invoice["id"], amount_minor="999999")
    assert too_much.status_code == 422
    assert do(staff, person(), "refund", invoice=invoice["id"]).status_code == 422, (
        "another account's invoice"
    )
    assert Refund.objects.count() == 1
    assert do(staff, account, "cancel", at="period_end").status_code == 302
    assert scheduled_change(account.pk).reason == "the customer asked"


def test_stripe_away_is_said_and_on_record(staff, catalog):
    account = person()
    ask(account, "premium")
    fault(catalog, path="/v1/subscriptions", method="POST", effect="error_before", times=50)
    answer = do(staff, account, "cancel", at="period_end")
    assert answer.status_code == 422
    assert "payment_provider_unavailable" in answer.content.decode()
    assert [action for action, _ in on_record(account)] == ["support.cancel", "support.cancel_refused"]


def test_a_message_is_sent_again_once(staff, catalog):
    account = person()
    ask(account, "premium")
    outbox.run_due(now=clock.now())
    sent = len(mail.outbox)
    assert sent
    one, once = Notification.objects.filter(email_status="sent").first(), str(uuid.uuid4())
    for _ in range(2):
        assert do(staff, account, "resend", message=str(one.pk), once=once).status_code == 302
        outbox.run_due(now=clock.now() + timedelta(seconds=1))
    assert len(mail.outbox) == sent + 1
    assert mail.outbox[-1].to == [account.personal_owner.email]
    other = person()
    assert do(staff, other, "resend", message=str(one.pk)).status_code == 422, "somebody else's message"


def test_an_unknown_event_is_not_replayed(staff, catalog):
    account = person()
    assert do(staff, account, "replay", event="evt_unknown").status_code == 422
    assert do(staff, account, "replay", event="../x").status_code == 422


def test_no_event_falls_between_two_pages_of_the_story(staff, catalog):
    """What one transaction wrote has one instant, wherever a page ends."""
    account, now = person(), clock.now()
    for at, count in ((now, 50), (now - timedelta(days=1), 30)):
        for number in range(count):
            audit.record(actor=None, account_id=account.pk, action=f"thing.{at.day}-{number}.", now=at)
    first = story_of(staff, account, "?kind=audit")
    older = re.search(r'href="(\?kind=audit&amp;before=[^"]+)"', first)
    assert older is not None
    second = story_of(staff, account, html.unescape(older[1]))
    assert len(set(re.findall(r"thing\.[0-9]+-[0-9]+\.", first + second))) == 80


@pytest.mark.parametrize("before", ["2026-13-45T00:00:00Z", "yesterday", "2026-01-01T00:00:00", "\0"])
def test_a_link_that_names_no_instant_shows_the_newest(staff, catalog, before):
    assert "What happened" in story_of(staff, person(), "?" + urlencode({"before": before}))
