"""Refusals are written down with every limit as it stood, are found by request id, and do not fill the disk."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from accounts.models import Account
from common import clock
from quotas.bulk import Consumption, usage_consume_all
from quotas.explain import explain_request
from quotas.models import RefusedCall
from quotas.refused import PER_MINUTE, Share, refusals_prune, share
from quotas.services import LimitSpec, usage_consume, usage_reserve
from quotas.tests.conftest import give
from quotas.values import Refusal

pytestmark = [pytest.mark.req("QU-9")]


@pytest.fixture(autouse=True)
def _a_new_minute():
    share.forget()


def consume(account, request_id="", units=1):
    return usage_consume(account_id=account.pk, metric="messages", units=units, request_id=request_id)


def test_a_refusal_is_explained_by_its_request(account_with):
    account = account_with(day=2, month=10)
    assert consume(account, "req-fits", 2).allowed
    refused = consume(account, "req-refused")
    found = explain_request("req-refused")
    assert [(one["account"], one["metric"], one["refusal"]) for one in found] == [
        (account.pk, "messages", "quota_exceeded")
    ]
    assert (found[0]["deciding"]["window"], found[0]["deciding"]["used"]) == ("day", 2)
    assert {(one["window"], one["limit"]) for one in found[0]["bounds"]} == {("day", 2), ("month", 10)}
    assert found[0]["would_pass_now"] is False
    assert found[0]["remedies"][0]["action"] == "wait"
    assert refused.refusal == Refusal.QUOTA_EXCEEDED
    assert explain_request("req-fits") == explain_request("") == []


def test_what_passes_now_is_said(account_with):
    account = account_with(day=1)
    consume(account)
    consume(account, "req-refused")
    give(account, LimitSpec("messages", "day", 5), source="override")
    found = explain_request("req-refused")[0]
    assert (found["would_pass_now"], found["remedies"], found["deciding"]["limit"]) == (True, [], 1)


def test_many_refusals_leave_few_rows(account_with, monkeypatch):
    account = account_with(day=0)
    for _ in range(PER_MINUTE + 5):
        consume(account, "req-flood")
    assert RefusedCall.objects.count() == PER_MINUTE
    a_minute_later = share._seen[account.pk][0] + 60
    monkeypatch.setattr("quotas.refused.time.monotonic", lambda: a_minute_later)
    consume(account, "req-later")
    assert RefusedCall.objects.get(request_id="req-later").unwritten == 5


def test_one_account_takes_no_others_share():
    few = Share(per_minute=1)
    assert [few.take(1), few.take(1), few.take(2)] == [0, None, 0]


def test_refused_in_bulk_and_by_reserving(account_with):
    account = account_with(day=1)
    operations = [Consumption("messages", 1, key=f"k{number}") for number in range(3)]
    usage_consume_all(account_id=account.pk, operations=operations, credential_id=None, request_id="req-bulk")
    usage_reserve(account_id=account.pk, metric="messages", request_id="req-hold")
    assert len(explain_request("req-bulk")) == 2
    assert len(explain_request("req-hold")) == 1


def test_the_answer_does_not_depend_on_it(account_with, monkeypatch):
    account = account_with(day=0)

    def broken(**_values):
        raise DatabaseError("disk full")

    monkeypatch.setattr(RefusedCall.objects, "create", broken)
    assert consume(account, "req-refused").refusal == Refusal.QUOTA_EXCEEDED
    assert RefusedCall.objects.count() == 0


def test_old_refusals_are_forgotten(account_with):
    account = account_with(day=0)
    consume(account, "req-old")
    RefusedCall.objects.update(occurred_at=clock.now() - timedelta(days=31))
    consume(account, "req-new")
    assert refusals_prune(before=clock.now() - timedelta(days=30)) == 1
    assert [row.request_id for row in RefusedCall.objects.all()] == ["req-new"]


def test_the_command(account_with):
    account = account_with(day=0)
    consume(account, "req-refused")
    told = io.StringIO()
    call_command("explain", request="req-refused", stdout=told)
    assert f"1 messages for account {account.pk} refused: quota_exceeded" in told.getvalue()
    assert "day: 0 used + 0 reserved of 0 (default)" in told.getvalue()
    told = io.StringIO()
    call_command("explain", request="req-refused", json=True, stdout=told)
    assert json.loads(told.getvalue())[0]["request_id"] == "req-refused"
    with pytest.raises(CommandError, match="No refusal is known"):
        call_command("explain", request="req-unheard", stdout=io.StringIO())


def test_the_command_finds_a_person_by_address(account_with):
    account = account_with(day=3)
    told = io.StringIO()
    Account.objects.filter(pk=account.pk).update(billing_email="who@example.test")
    call_command("explain", account="Who@example.test", metric="messages", stdout=told)
    assert f"for account {account.pk}: allowed" in told.getvalue()
