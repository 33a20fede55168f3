"""The projection to a window's end."""

from datetime import UTC, datetime, timedelta

import pytest

from quotas.pace import Pace, pace_of

MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)
NEXT = MIDNIGHT + timedelta(days=1)
pytestmark = pytest.mark.req("AC-4", "QU-10")


def pace(used: int, hours: float, limit: int | None = 100) -> Pace | None:
    return pace_of(
        used=used, limit=limit, starts_at=MIDNIGHT, ends_at=NEXT, at=MIDNIGHT + timedelta(hours=hours)
    )


@pytest.mark.parametrize(
    ("used", "hours", "units", "reached_hour"),
    [
        (10, 12, 20, None),
        (50, 12, 100, None),
        (51, 12, 102, 12 / 51 * 100),
        (90, 6, 360, 6 / 90 * 100),
        (1, 2, 12, None),
        (1, 7, 4, None),  # 3.43, rounded up
        (100, 12, 200, None),  # reached already: nothing to foresee
        (130, 12, 260, None),
    ],
)
def test_it_goes_on_as_until_now(used, hours, units, reached_hour):
    found = pace(used, hours)
    assert found is not None
    assert found.units == units
    if reached_hour is None:
        assert found.reached_at is None
    else:
        assert found.reached_at is not None
        assert abs(found.reached_at - (MIDNIGHT + timedelta(hours=reached_hour))) < timedelta(seconds=1)
        assert MIDNIGHT + timedelta(hours=hours) < found.reached_at < NEXT


@pytest.mark.parametrize(("used", "hours"), [(0, 12), (5, 1.19), (5, 0), (5, -1), (5, 24), (5, 30)])
def test_nothing_is_said_where_nothing_is_known(used, hours):
    assert pace(used, hours) is None


def test_a_twentieth_of_the_window_is_enough():
    assert pace(5, 1.2) == Pace(100, None)


def test_what_has_no_end_or_no_limit():
    assert pace_of(used=3, limit=5, starts_at=MIDNIGHT, ends_at=None, at=NEXT) is None
    assert pace(10, 12, limit=None) == Pace(20, None)


def test_huge_figures_stay_exact():
    assert pace(2**62, 12, limit=2**63) == Pace(2**63, None)
