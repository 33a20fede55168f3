"""A payer who asks the bank for the money back: recorded as Stripe shows it, shown to support, and nothing else."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from billing.gateways.client import api
from billing.models import Dispute, Drift
from billing.selectors import subscription_json
from billing.services import invoice_refund
from billing.services.reconcile import reconcile
from billing.tests.conftest import person
from billing.tests.helpers import ask, messages_limit, only, state, subscription
from billing.tests.test_support_desk import staff, story_of  # noqa: F401 - a fixture
from billing.tests.test_webhooks import apply_all, deliver, endpoint, events  # noqa: F401 - a fixture
from common.clock import database_now
from common.models import AuditEntry, OutboxMessage

pytestmark = pytest.mark.req("BI-2", "BI-9", "OP-1")

KINDS = (
    "charge.dispute.created",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.dispute.funds_reinstated",
    "charge.dispute.closed",
)


def disputed(card: str = "pm_card_createDispute"):
    account = person(card=card)
    ask(account, "basic")
    return account


def hear(endpoint, stand_in, order="in order"):  # noqa: F811 - the fixture
    told = events(stand_in, *KINDS)
    if order == "reversed":
        told.reverse()
    if order == "doubled and shuffled":
        told = told * 2
        random.Random(7).shuffle(told)
    for event in told:
        assert deliver(endpoint, event).status_code == 200
    apply_all()
    assert not OutboxMessage.objects.exclude(last_error="").exists()


def recorded(account) -> list[tuple[str, str, str]]:
    rows = AuditEntry.objects.filter(account_id=account.pk, action__startswith="dispute.").order_by("at")
    return [(one.action, one.reason, one.data["to"]) for one in rows]


def test_it_is_recorded_shown_and_changes_nothing_else(catalog, endpoint, staff):  # noqa: F811
    account = disputed()
    before = subscription_json(subscription(account))
    hear(endpoint, catalog)
    there = only(state(catalog)["disputes"])
    row = Dispute.objects.get()
    assert (row.account, row.stripe_id, row.stripe_charge_id) == (account, there["id"], there["charge"])
    assert (row.amount_minor, row.currency, row.reason, row.status) == (
        500,
        "eur",
        "fraudulent",
        "needs_response",
    )
    assert row.stripe_invoice_id == only(state(catalog)["invoices"])["id"]
    assert row.answer_by is not None
    assert recorded(account) == [("dispute.opened", "fraudulent", "needs_response")]
    story = story_of(staff, account)
    assert "Payment of €5.00 disputed: needs_response" in story
    assert "fraudulent" in story
    assert (subscription_json(subscription(account)), messages_limit(account)) == (before, 50)


@pytest.mark.parametrize("order", ["in order", "reversed", "doubled and shuffled"])
@pytest.mark.parametrize(
    ("text", "status"),
    [("winning_evidence", "won"), ("losing_evidence", "lost"), ("see above", "under_review")],
)
def test_whatever_the_order_of_events_the_end_is_the_same(catalog, endpoint, order, text, status):  # noqa: F811
    account = disputed()
    dispute_id = only(state(catalog)["disputes"])["id"]
    api().disputes.update(dispute_id, {"evidence": {"uncategorized_text": text}})
    hear(endpoint, catalog, order)
    assert (Dispute.objects.get().status, messages_limit(account)) == (status, 50)
    assert recorded(account) == [("dispute.opened", "fraudulent", status)]


def test_a_change_of_status_is_on_record_once(catalog, endpoint):  # noqa: F811
    account = disputed()
    hear(endpoint, catalog)
    api().disputes.close(only(state(catalog)["disputes"])["id"])
    hear(endpoint, catalog)
    hear(endpoint, catalog)
    assert recorded(account) == [
        ("dispute.opened", "fraudulent", "needs_response"),
        ("dispute.status_changed", "fraudulent", "lost"),
    ]


def test_a_refund_of_it_fails_in_words_and_pays_nothing_back(catalog, endpoint):  # noqa: F811
    account = disputed()
    hear(endpoint, catalog)
    account.refresh_from_db()
    done = invoice_refund(
        account=account,
        invoice_id=only(state(catalog)["invoices"])["id"],
        amount_minor=None,
        reason="asked for",
        actor=None,
        idempotency_key="k",
        request_id="req-refund",
        now=database_now(),
    )
    assert (done.status, done.error_code) == ("failed", "charge_disputed")
    assert state(catalog)["refunds"] == {}


@pytest.mark.req("BI-7")
@pytest.mark.parametrize("one_account", [False, True], ids=["all accounts", "one account"])
def test_what_no_event_told_of_is_found_by_comparing(catalog, one_account):
    """Neither that it was opened, nor, weeks later, how the bank decided."""
    account, bystander = disputed(), person()

    def found(*, mend: bool, whose=account) -> list[tuple[str, str, str]]:
        only_one = whose.pk if one_account else None
        report = reconcile(now=database_now(), account_id=only_one, mend=mend)
        assert report.left == ([] if mend else report.found)
        return [(one.kind.value, one.ours, one.theirs) for one in report.found]

    opened = [("dispute_differs", "none", "needs_response")]
    assert (found(mend=False), Dispute.objects.exists()) == (opened, False), "looking changes nothing"
    if one_account:
        assert found(mend=True, whose=bystander) == []
    assert found(mend=True) == opened
    Drift.objects.update(
        checked_at=database_now() + timedelta(days=40)
    )  # it is older than the next look asks for
    api().disputes.close(Dispute.objects.get().stripe_id)
    assert found(mend=True) == [("dispute_differs", "needs_response", "lost")]
    assert (found(mend=True), [to for _, _, to in recorded(account)]) == ([], ["needs_response", "lost"])


def test_a_dispute_of_nobody_we_know_is_left_alone(catalog, endpoint):  # noqa: F811
    disputed()
    from accounts.models import Account

    Account.objects.update(stripe_customer_id=None)
    hear(endpoint, catalog)
    assert not Dispute.objects.exists()
