"""Keys of operations and closed reservations are forgotten after a while; what counts or is owed never is."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import call_command

from common.books import verify_all
from common.clock import database_now
from quotas.models import OperationKey, Reservation, UsageRecord
from quotas.services import usage_consume, usage_release, usage_reserve, usage_settle
from quotas.tasks import operations_forget

pytestmark = pytest.mark.req("OP-4")


def test_only_what_is_old_and_closed(account_with, capsys, monkeypatch):
    monkeypatch.setattr("quotas.retention.AT_ONCE", 2)
    account = account_with(day=100)
    for number in range(3):
        assert usage_consume(account_id=account.pk, metric="messages", key=f"old-{number}").allowed
    held = [usage_reserve(account_id=account.pk, metric="messages").reservation_id for _ in range(4)]
    usage_settle(account_id=account.pk, reservation_id=held[0])
    usage_release(account_id=account.pk, reservation_id=held[1])
    usage_settle(account_id=account.pk, reservation_id=held[2])
    old = database_now() - settings.OPERATIONS_RETENTION - timedelta(days=1)
    OperationKey.objects.update(created_at=old)
    Reservation.objects.exclude(pk=held[2]).update(decided_at=old)
    Reservation.objects.filter(pk__in=held[:2]).update(closed_at=old)
    UsageRecord.objects.update(recorded_at=old)
    assert usage_consume(account_id=account.pk, metric="messages", key="new").allowed
    records, keys = UsageRecord.objects.count(), OperationKey.objects.count()
    call_command("prune", "--dry-run", "--json")
    told = json.loads(capsys.readouterr().out)
    assert OperationKey.objects.count() == keys
    assert told["closed_reservations"] == 2
    assert operations_forget() == told["operation_keys"] + 2
    assert set(Reservation.objects.values_list("pk", flat=True)) == set(held[2:])
    assert OperationKey.objects.count() == keys - told["operation_keys"]
    assert usage_consume(account_id=account.pk, metric="messages", key="new").replayed
    assert UsageRecord.objects.count() == records
    assert verify_all() == []
