"""What is unlike usual is found once, kept while it lasts, and ends."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from django.db import connection

from common import anomalies, clock
from common.anomalies import Unusual, anomalies_look, anomalies_prune
from common.gauges import anomalies_open
from common.models import Anomaly
from quotas.anomalies import HOURS, jump_of_refusals, unusual_use
from quotas.habits import is_jump_of_refusals, is_unusual_use
from quotas.models import RefusedCall
from quotas.past_use import PastUse, past_use_add
from quotas.reports import ONE_DAY, midnight

pytestmark = pytest.mark.req("OP-3")


@pytest.mark.parametrize(
    ("today", "highest", "days", "unusual"),
    [
        pytest.param(301, 100, 28, True, id="301 > 3 x 100"),
        pytest.param(300, 100, 28, False, id="300 = 3 x 100"),
        pytest.param(99, 1, 28, False, id="little use is no news"),
        pytest.param(100, 33, 7, True, id="100 > 99"),
        pytest.param(10_000, 10, 6, False, id="six days are no habit"),
        pytest.param(10_000, 0, 0, False, id="somebody new"),
    ],
)
def test_what_use_is_unusual(today, highest, days, unusual):
    assert is_unusual_use(today=today, highest=highest, days=days) is unusual


@pytest.mark.parametrize(
    ("hour", "usual", "jump"),
    [(49, 0, False), (50, 0, True), (50, 10, False), (51, 10, True), (1000, 999, False)],
)
def test_what_refusals_are_a_jump(hour, usual, jump):
    assert is_jump_of_refusals(last_hour=hour, usual_hour=usual) is jump


NOON = midnight(datetime.now(UTC).date()) - ONE_DAY / 2
"""Of yesterday: whatever time it is now, the day that is looked at has hours behind it."""


def used(account, day_units, *, back):
    """`day_units` in the morning of a day so many days before NOON."""
    at = NOON - timedelta(hours=3) - back * ONE_DAY
    past_use_add(
        account_id=account.pk, metric="messages", uses=[PastUse(at, day_units)], subject="t", now=clock.now()
    )


def test_an_account_far_above_its_habit_is_found_and_its_neighbours_are_not(account_with):
    loud, usual, new = (account_with(day=None) for _ in range(3))
    for account in (loud, usual):
        for back in range(1, 9):
            used(account, 40, back=back)
    used(loud, 400, back=0)
    used(usual, 110, back=0)
    used(new, 5000, back=0)
    assert list(unusual_use(NOON)) == [Unusual(f"messages of account {loud.pk}", 400, 40, loud.pk)]


def refusals(count, *, ago, unwritten=0, refusal="quota_exceeded"):
    at = clock.now() - ago
    RefusedCall.objects.bulk_create(
        RefusedCall(
            account_id=1,
            metric="messages",
            units=1,
            refusal=refusal,
            bounds=[],
            unwritten=unwritten,
            occurred_at=at,
        )
        for _ in range(count)
    )


def test_a_jump_in_refusals_counts_those_that_were_not_written(db):
    refusals(10, ago=timedelta(minutes=5), unwritten=9)
    refusals(60, ago=timedelta(minutes=5), refusal="feature_not_in_plan")
    refusals(20 * HOURS, ago=timedelta(days=2), refusal="feature_not_in_plan")
    assert list(jump_of_refusals(clock.now())) == [Unusual("quota_exceeded", 100, 0)]


class TestKeeping:
    @pytest.fixture
    def found(self, db):
        """What is found next."""
        found: list[Unusual] = []
        with (
            patch.dict(anomalies._finders, {"use": lambda _now: iter(found)}, clear=True),
            patch.object(anomalies, "autodiscover_modules"),
        ):
            yield found

    def test_it_begins_once_is_kept_up_to_date_and_ends(self, found):
        now = clock.now()
        found.append(Unusual("a", 10, 1, 7))
        for minutes in (0, 5):
            assert anomalies_look(now=now + timedelta(minutes=minutes)) == {"use": 1}
        found[:] = [Unusual("a", 12, 1, 7), Unusual("b", 3, 1)]
        anomalies_look(now=now + timedelta(minutes=10))
        one = Anomaly.objects.get(subject="a")
        assert (one.began_at, one.seen_at, one.observed) == (now, now + timedelta(minutes=10), 12)
        assert anomalies_open() == 2
        found.clear()
        anomalies_look(now=now + timedelta(minutes=15))
        assert anomalies_open() == 0
        assert set(Anomaly.objects.values_list("ended_at", flat=True)) == {now + timedelta(minutes=15)}
        found.append(Unusual("a", 9, 1, 7))
        anomalies_look(now=now + timedelta(minutes=20))
        assert Anomaly.objects.filter(subject="a").count() == 2, "another time is another anomaly"
        assert anomalies_prune(before=now + timedelta(minutes=16)) == 2
        assert Anomaly.objects.count() == 1

    def test_what_could_not_be_looked_at_stays_as_it_was(self, found):
        now = clock.now()
        found.append(Unusual("a", 10, 1))
        anomalies_look(now=now)

        def slow(_now):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(30)")
            return []

        with patch.dict(anomalies._finders, {"use": slow}), patch.object(anomalies, "LONGEST_S", 1):
            assert anomalies_look(now=now + timedelta(minutes=5)) == {}
        assert Anomaly.objects.get().ended_at is None

    def test_never_more_than_so_many(self, found):
        found.extend(Unusual(f"s{n}", 1, 0) for n in range(anomalies.MOST + 5))
        assert anomalies_look(now=clock.now()) == {"use": anomalies.MOST}


def test_every_kind_is_looked_for(db):
    assert anomalies.kinds() == ["payments", "refusals", "use"]
    assert anomalies_look(now=clock.now()) == {"payments": 0, "refusals": 0, "use": 0}


def test_today_is_found_without_reading_the_past(account_with):
    """The plan of a table with days of many accounts goes by the index of days."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO quotas_usageday (account_id, metric_id, day, units, overage_units, operations, hour_units, updated_at)"
            " SELECT a, (SELECT min(id) FROM quotas_metric), date '2020-01-01' + d, 1, 0, 1, array_fill(1::bigint, ARRAY[24]), now()"
            " FROM generate_series(0, 99) d, generate_series(1, 300) a ORDER BY d, a"
        )
        cursor.execute("ANALYZE quotas_usageday")
        cursor.execute("EXPLAIN SELECT sum(units) FROM quotas_usageday WHERE day = '2020-04-09'")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("DELETE FROM quotas_usageday WHERE day < '2020-06-01'")
    assert "usage_day_by_day" in plan, plan
