"""Months of records are made ahead, and taken out when nothing counts by them: the books and the charts stay right."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Account, AccountKind
from common.books import verify_all
from common.clock import database_now
from common.models import AuditEntry
from common.periods import add_months
from quotas import catalog
from quotas.models import Bucket, DetachedMonth, Entitlement, Metric, UsageDay, UsageRecord
from quotas.partitions import detachable_before, months_detach, partitions, records_since
from quotas.past_use import PastUse, past_use_add
from quotas.repair import counters_rebuild
from quotas.services import LimitSpec, MetricSpec, Phase, entitlements_replace, metrics_sync

pytestmark = [pytest.mark.req("OP-4", "QU-13"), pytest.mark.django_db]


@pytest.fixture
def long_ago() -> datetime:
    """In a month two years back, which has a partition."""
    at = add_months(database_now().replace(day=15, hour=12), -24)
    with connection.cursor() as cursor:
        cursor.execute("SELECT quotas_ensure_partitions(%s, 1)", [at])
    return at


@pytest.fixture
def account(long_ago):
    """It used 3 and 4 messages and made two things then, and uses a message now."""
    organisation = Account.objects.create(kind=AccountKind.ORGANISATION, name="old")
    metrics_sync([MetricSpec("messages", "M", "M"), MetricSpec("things", "T", "T", "capacity")])
    limits = (LimitSpec("messages", "month", 100), LimitSpec("things", "capacity", 10))
    now = database_now()
    entitlements_replace(
        account_id=organisation.pk,
        source="default",
        source_ref="test",
        timeline=[Phase(long_ago, None, limits)],
        now=long_ago,
    )
    yesterday = now - timedelta(minutes=5)
    past_use_add(
        account_id=organisation.pk,
        metric="messages",
        uses=[PastUse(long_ago, 3), PastUse(long_ago, 4), PastUse(yesterday, 1)],
        subject="",
        now=now,
    )
    past_use_add(
        account_id=organisation.pk, metric="things", uses=[PastUse(long_ago, 2)], subject="thing", now=now
    )
    things = Entitlement.objects.get(metric__code="things")
    Bucket.objects.create(
        account=organisation,
        metric=Metric.objects.get(code="things"),
        window="capacity",
        starts_at=datetime.fromisoformat("1970-01-01T00:00:00Z"),
        limit_units=10,
        mode="block",
        used_units=2,
        entitlement_id=things.pk,
        updated_at=now,
    )
    assert verify_all() == []
    yield organisation
    catalog.forget()  # the metrics' numbers go with the transaction


def days(account) -> list[tuple]:
    return list(
        UsageDay.objects.filter(account_id=account.pk).order_by("day", "metric").values_list("day", "units")
    )


def test_days_stay_and_the_books_are_right_without_the_records(account, long_ago):
    before, now = days(account), database_now()
    (gone,) = months_detach(before=add_months(now, -20).date().replace(day=1), actor="operator", now=now)
    assert (gone.record_count, gone.kept_count) == (2, 1)
    left = UsageRecord.objects.filter(account_id=account.pk).values_list("metric__code", "units")
    assert sorted(left) == [("messages", 1), ("things", 2)]
    assert records_since() == add_months(
        long_ago.replace(day=1, hour=0, minute=0, second=0, microsecond=0), 1
    )
    assert verify_all() == []
    counters_rebuild(account_id=account.pk)
    assert days(account) == before, "what the records said is known by the days alone"
    assert Bucket.objects.get(metric__code="things").used_units == 2
    assert verify_all() == []
    assert AuditEntry.objects.get(action="records.detached").subject == gone.table_name
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {gone.table_name}")
        assert cursor.fetchone() == (3,), "they lie there until the table is dropped"
    assert gone.table_name not in {one.name for one in partitions()}
    with pytest.raises(ValueError, match="taken out"):
        past_use_add(
            account_id=account.pk, metric="messages", uses=[PastUse(long_ago, 1)], subject="", now=now
        )


def test_what_is_damaged_since_is_still_found(account):
    now = database_now()
    months_detach(before=detachable_before(now), actor="operator", now=now)
    UsageDay.objects.filter(account_id=account.pk).order_by("-day").update(units=99)
    assert any("99" in finding for finding in verify_all())
    counters_rebuild(account_id=account.pk)
    assert days(account)[-1][1] == 1
    UsageDay.objects.filter(account_id=account.pk, units=99).delete()


def test_windows_that_are_open_keep_their_records(account):
    now = database_now()
    Entitlement.objects.filter(account=account, metric__code="messages").update(
        window="period", period_months=12, anchor_at=now
    )
    assert detachable_before(now) == add_months(now.replace(day=1), -12).date()
    with pytest.raises(CommandError, match="Limits in force count from") as refused:
        call_command("partitions", "--detach-before", f"{now:%Y-%m}")
    assert refused.value.returncode == 2
    assert not DetachedMonth.objects.exists()


def test_the_command_says_and_a_dry_run_does_nothing(account, long_ago, capsys):
    before = f"{add_months(long_ago, 1):%Y-%m}"
    for arguments in (["--dry-run"], []):
        call_command("partitions", "--detach-before", before, "--json", *arguments)
        told = json.loads(capsys.readouterr().out)
        assert told["detached"] == [{"table": f"quotas_usagerecord_{long_ago:%Y%m}", "records": 2, "kept": 1}]
        assert DetachedMonth.objects.exists() is not bool(arguments)
    call_command("partitions", "--ensure")
    assert "quotas_usagerecord_rest" in capsys.readouterr().out
    with pytest.raises(CommandError, match="Records are kept since"):
        call_command("backtest", "billing/catalog.toml", "--since", f"{long_ago:%Y-%m-%d}")
