"""No test begins in the last seconds of an hour, nor a long one in the last minute of a day.

Use is counted by hours, days and months of the clock: what a test used before such a turn it would look for after it in
vain. Tests of the turns themselves set the clock.
"""

from __future__ import annotations

import time

import pytest

HOUR_S, DAY_S = 3600, 86_400
LAST_S, LAST_OF_SLOW_S = 15.0, 90.0
MARGIN_S = 0.05


def pause_s(now: float, *, slow: bool) -> float:
    """How long a test that would begin at `now` (Unix time) has to wait; 0 when it may begin."""
    hour_left, day_left = HOUR_S - now % HOUR_S, DAY_S - now % DAY_S
    if hour_left <= LAST_S:
        return hour_left
    return day_left if slow and day_left <= LAST_OF_SLOW_S else 0.0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if pause := pause_s(time.time(), slow=item.get_closest_marker("slow") is not None):
        time.sleep(pause + MARGIN_S)
