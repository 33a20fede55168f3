"""The database's windows: half-open, UTC, and the same months as common.periods."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.periods import anchored_period

pytestmark = [pytest.mark.django_db, pytest.mark.req("QU-3")]

INSTANTS = st.datetimes(datetime(2019, 1, 1), datetime(2039, 1, 1), timezones=st.just(UTC))


def window(kind, at, anchor=None, months=None, floor=None):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quotas_window_start(%(k)s, %(at)s, %(anchor)s, %(months)s, %(floor)s),"
            " quotas_window_end(%(k)s, %(at)s, %(anchor)s, %(months)s)",
            {"k": kind, "at": at, "anchor": anchor, "months": months, "floor": floor},
        )
        return cursor.fetchone()


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "at", "start", "end"),
    [
        ("hour", utc(2026, 3, 29, 1, 59, 59), utc(2026, 3, 29, 1), utc(2026, 3, 29, 2)),
        ("day", utc(2026, 11, 21), utc(2026, 11, 21), utc(2026, 11, 22)),
        ("day", utc(2026, 11, 21, 23, 59, 59, 999999), utc(2026, 11, 21), utc(2026, 11, 22)),
        ("month", utc(2028, 2, 29, 12), utc(2028, 2, 1), utc(2028, 3, 1)),
        ("month", utc(2026, 12, 31, 23), utc(2026, 12, 1), utc(2027, 1, 1)),
        ("capacity", utc(2026, 11, 21), utc(1970, 1, 1), None),
    ],
)
def test_calendar_windows(kind, at, start, end):
    assert window(kind, at) == (start, end)


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        pytest.param(utc(2026, 2, 27), utc(2026, 1, 31), utc(2026, 2, 28), id="31 Jan to 28 Feb"),
        pytest.param(utc(2026, 2, 28), utc(2026, 2, 28), utc(2026, 3, 31), id="28 Feb to 31 Mar"),
        pytest.param(utc(2026, 4, 30), utc(2026, 4, 30), utc(2026, 5, 31), id="30 Apr to 31 May"),
        pytest.param(utc(2028, 2, 29), utc(2028, 2, 29), utc(2028, 3, 31), id="leap day"),
    ],
)
def test_a_period_anchored_on_the_31st(at, start, end):
    assert window("period", at, anchor=utc(2026, 1, 31), months=1) == (start, end)


def test_a_floor_shortens_the_first_window_after_the_anchor_moved():
    assert window("period", utc(2026, 3, 10), utc(2026, 1, 31), 1, utc(2026, 3, 5)) == (
        utc(2026, 3, 5),
        utc(2026, 3, 31),
    )


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(anchor=INSTANTS, at=INSTANTS, months=st.sampled_from([1, 3, 12]))
def test_database_and_python_agree_on_periods(anchor, at, months):
    assert window("period", at, anchor, months) == anchored_period(anchor=anchor, months=months, at=at)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=INSTANTS, kind=st.sampled_from(["hour", "day", "month", "period"]))
def test_windows_follow_each_other_without_gap_or_overlap(at, kind):
    anchor, months = (utc(2020, 1, 31, 7), 1) if kind == "period" else (None, None)
    start, end = window(kind, at, anchor, months)
    assert start <= at < end
    assert window(kind, end, anchor, months)[0] == end
    assert window(kind, end - timedelta(microseconds=1), anchor, months)[0] == start
