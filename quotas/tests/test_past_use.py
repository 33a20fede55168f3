"""History that came from elsewhere is counted like any other use, and the books stay right."""

from datetime import timedelta

import pytest

from common.clock import database_now
from quotas.models import UsageDay, UsageRecord
from quotas.past_use import PastUse, past_use_add
from quotas.selectors import quota_status
from quotas.services import usage_consume

pytestmark = pytest.mark.req("QU-13")


def test_it_is_in_the_days_and_in_the_counters(account_with):
    account = account_with(day=5, month=100_000)
    now = database_now()
    usage_consume(account_id=account.pk, metric="messages", units=2)
    uses = [PastUse(now - timedelta(minutes=2 + 40 * n), n % 7 + 1, n % 3 or None) for n in range(2500)]
    assert past_use_add(account_id=account.pk, metric="messages", uses=uses, subject="moved", now=now) == 2500
    total = sum(use.units for use in uses) + 2
    assert sum(UsageDay.objects.filter(account_id=account.pk).values_list("units", flat=True)) == total
    assert UsageRecord.objects.filter(account_id=account.pk).count() == 2501
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    used = {bound.window: bound.used for bound in quota_status(account_id=account.pk)}
    assert used["month"] == 2 + sum(use.units for use in uses if use.at >= month)


@pytest.mark.parametrize(("ago", "units"), [(0, 1), (-5, 1), (5, 0), (5, -1)])
def test_what_is_not_past_use_is_refused(account_with, ago, units):
    account = account_with(day=5)
    now = database_now()
    use = PastUse(now - timedelta(minutes=ago), units)
    with pytest.raises(ValueError, match="past use"):
        past_use_add(account_id=account.pk, metric="messages", uses=[use], subject="moved", now=now)
    assert not UsageRecord.objects.filter(account_id=account.pk).exists()
