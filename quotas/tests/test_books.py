"""Damage done by hand is found, named, and mended by the command that the finding names."""

import io
import json
import re

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from common.books import verify_all
from quotas.models import Bucket, UsageDay
from quotas.services import LimitSpec, usage_consume, usage_give_back, usage_reserve
from quotas.tests.conftest import give

pytestmark = pytest.mark.req("QU-4", "QU-5")


@pytest.fixture
def account(account_with):
    account = account_with(day=50, month=500, capacity=5)
    usage_consume(account_id=account.id, metric="messages", units=5)
    usage_consume(account_id=account.id, metric="messages", units=2, credential_id=7)
    usage_reserve(account_id=account.id, metric="messages", units=3)
    usage_consume(account_id=account.id, metric="personas", units=2)
    usage_give_back(account_id=account.id, metric="personas")
    assert verify_all() == []
    return account


DAMAGE = {
    "quotas.used_equals_records": "UPDATE quotas_bucket SET used_units = used_units + 1 WHERE \"window\" = 'day'",
    "quotas.reserved_equals_open_reservations": "UPDATE quotas_bucket SET reserved_units = 0 WHERE \"window\" = 'month'",
    "quotas.days_equal_records": "UPDATE quotas_usageday SET units = units + 1, hour_units[1] = hour_units[1] + 1",
    "a day lost": "DELETE FROM quotas_usageday WHERE credential_id = 7",
    "hours moved": "UPDATE quotas_usageday SET hour_units = array_fill(1::bigint, ARRAY[24])",
    "quotas.hours_equal_records": "UPDATE quotas_usageday SET hour_units = hour_units[2:24] || hour_units[1:1]",
    "a day of another world": (
        "INSERT INTO quotas_usageday (account_id, metric_id, day, units, overage_units, operations, hour_units, updated_at)"
        " SELECT account_id, metric_id, '2020-01-01', 4, 0, 1, hour_units, updated_at FROM quotas_usageday LIMIT 1"
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_mended_by_the_command_it_names(account, name):
    with connection.cursor() as cursor:
        cursor.execute(DAMAGE[name])
    findings = verify_all()
    assert findings
    if name.startswith("quotas."):
        assert findings[0].startswith(name)
    command = re.search(r"manage\.py (\w+) --account (\d+)", findings[0])
    assert command is not None
    out = io.StringIO()
    call_command(command[1], account=command[2], dry_run=True, json=True, stdout=out)
    would = json.loads(out.getvalue())
    assert would["buckets"] + would["days"] > 0
    assert sorted(verify_all()) == sorted(findings), "a dry run changes nothing"
    call_command(command[1], account=command[2], stdout=io.StringIO())
    assert verify_all() == []
    assert Bucket.objects.get(window="day").used_units == 7
    assert sorted(UsageDay.objects.values_list("units", flat=True)) == [1, 2, 5]


@pytest.mark.broken_books
def test_a_record_without_its_key_is_found(account):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM quotas_operationkey")
    assert any("has no key" in finding for finding in verify_all())


@pytest.mark.broken_books
def test_verify_books_says_what_is_wrong_and_exits_with_1(account):
    Bucket.objects.filter(window="day").update(used_units=1)
    out = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("verify_books", json=True, stdout=out)
    assert caught.value.code == 1
    report = json.loads(out.getvalue())
    assert report["ok"] is False
    assert report["findings"][0]["check"] == "quotas.used_equals_records"


def test_verify_books_of_right_books(account):
    out = io.StringIO()
    call_command("verify_books", stdout=out)
    assert "right" in out.getvalue()


def test_a_counter_of_more_use_than_its_limit_can_be_made_right(account):
    """Records beyond the limit, however they came: the counter says what they say."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE quotas_bucket SET used_units = 0, reserved_units = 0, limit_units = 1 WHERE \"window\" = 'day'"
        )
    call_command("rebuild_counters", all=True, stdout=io.StringIO())
    assert verify_all() == []


@pytest.mark.req("QU-9", "QU-14")
class TestExplain:
    def run(self, account, **options):
        out = io.StringIO()
        call_command("explain", account=str(account.id), metric="messages", stdout=out, **options)
        return out.getvalue()

    def test_it_names_every_limit_and_the_one_that_decides(self, account):
        give(account, LimitSpec("messages", "day", 9), source="override", ref="ticket 12")
        found = json.loads(self.run(account, units=1, json=True))
        assert (found["allowed"], found["refusal"]) == (False, "quota_exceeded")
        assert found["deciding"]["window"] == "day"
        assert [(b["window"], b["allows"]) for b in found["bounds"]] == [("day", False), ("month", True)]
        counted = {(e["source"], e["window"]): e["counts"] for e in found["entitlements"]}
        assert counted == {("override", "day"): True, ("default", "day"): False, ("default", "month"): True}
        assert [r["units"] for r in found["latest_records"]] == [2, 5]
        assert found["remedies"]

    def test_in_words(self, account):
        give(account, LimitSpec("messages", "day", 9), source="override", ref="ticket 12")
        words = self.run(account)
        assert "refused: quota_exceeded" in words
        assert "day: 7 used + 3 reserved of 9 (override)" in words
        assert "REFUSES" in words

    def test_an_unknown_account(self, account):
        with pytest.raises(CommandError, match="no account"):
            call_command("explain", account="nobody@palier.test", metric="messages")
