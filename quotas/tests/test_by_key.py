"""Use split by key: always the days' figures, whatever the grouping."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from accounts.models import Account
from quotas.by_key import NO_KEY, OTHER_KEYS, total_between, usage_by_key
from quotas.models import UsageDay
from quotas.reports import Granularity, usage_series

pytestmark = pytest.mark.req("QU-13", "AC-4")
FIRST, LAST = date(2026, 9, 20), date(2026, 11, 10)


@pytest.fixture
def account(account_with) -> Account:
    return account_with(day=5)


@pytest.fixture
def used(account: Account) -> Account:
    """51 days of five keys and of none, each day with other hours; a neighbour and another metric beside."""
    dice = random.Random(7)
    with connection.cursor() as cursor:
        cursor.execute("SELECT code, id FROM quotas_metric ORDER BY id LIMIT 2")
        (_, mine), (_, other) = cursor.fetchall()
        rows = []
        for offset in range((LAST - FIRST).days + 1):
            for key in (None, 1, 2, 3, 4, 5):
                hours = [dice.randrange(4) * (key or 1) for _ in range(24)]
                rows.append((account.pk, mine, key, FIRST + timedelta(offset), hours))
        rows.append((account.pk, other, 1, FIRST, [9] * 24))
        rows.append((account.pk + 1, mine, 1, FIRST, [9] * 24))
    UsageDay.objects.bulk_create(
        UsageDay(
            account_id=owner,
            metric_id=metric,
            credential_id=key,
            day=day,
            units=sum(hours),
            overage_units=0,
            operations=24,
            hour_units=hours,
            updated_at=datetime(2026, 11, 10, tzinfo=UTC),
        )
        for owner, metric, key, day, hours in rows
    )
    yield account
    UsageDay.objects.all().delete()  # these days have no records: the books would rightly object


def metric_of() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT code FROM quotas_metric ORDER BY id LIMIT 1")
        return cursor.fetchone()[0]


@pytest.mark.parametrize("granularity", list(Granularity))
@pytest.mark.parametrize("first", [FIRST, date(2026, 10, 31), LAST])
def test_the_keys_together_are_the_series(used: Account, granularity: Granularity, first: date):
    asked = {"account_id": used.pk, "metric": metric_of(), "first": first, "last": LAST}
    split = usage_by_key(**asked, granularity=granularity)
    series = usage_series(**asked, granularity=granularity)
    assert list(split.starts) == [point.start for point in series]
    summed = [sum(units) for units in zip(*(one.units for one in split.by_key), strict=True)]
    assert summed == [point.units for point in series]
    assert split.total == sum(summed) == total_between(**asked, credential_id=None)
    assert {one.credential_id for one in split.by_key} == {NO_KEY, 1, 2, 3, 4, 5}
    sizes = [sum(one.units) for one in split.by_key]
    assert sizes == sorted(sizes, reverse=True), "the largest first"


@pytest.mark.parametrize("granularity", list(Granularity))
@pytest.mark.parametrize("most", [1, 2, 5, 6, 7])
def test_the_smaller_keys_become_one_and_nothing_is_lost(used: Account, granularity: Granularity, most: int):
    asked = {"account_id": used.pk, "metric": metric_of(), "first": FIRST, "last": LAST}
    every = {one.credential_id: one.units for one in usage_by_key(**asked, granularity=granularity).by_key}
    split = usage_by_key(**asked, granularity=granularity, most=most)
    assert len(split.by_key) == min(most, 6)
    assert (OTHER_KEYS in {one.credential_id for one in split.by_key}) == (most < 6)
    for one in split.by_key:
        if one.credential_id != OTHER_KEYS:
            assert one.units == every[one.credential_id]
    assert split.total == sum(sum(units) for units in every.values())


@pytest.mark.parametrize("granularity", list(Granularity))
def test_one_key_alone(used: Account, granularity: Granularity):
    asked = {"account_id": used.pk, "metric": metric_of(), "first": FIRST, "last": LAST, "credential_id": 3}
    split = usage_by_key(**asked, granularity=granularity)
    assert [one.credential_id for one in split.by_key] == [3]
    assert split.by_key[0].units == [point.units for point in usage_series(**asked, granularity=granularity)]
    assert total_between(**asked) == split.total > 0


def test_no_use_is_no_key(account: Account):
    split = usage_by_key(
        account_id=account.pk, metric=metric_of(), first=FIRST, last=FIRST, granularity=Granularity.HOUR
    )
    assert len(split.starts) == 24
    assert list(split.by_key) == []
    assert split.total == 0
