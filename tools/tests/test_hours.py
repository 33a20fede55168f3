"""When a test has to wait for the next hour."""

import pytest

from tools.pytest_hours import pause_s

MIDNIGHT = 20_000 * 86_400.0


@pytest.mark.parametrize(
    ("before_midnight", "slow", "pause"),
    [
        pytest.param(3600, False, 0, id="an hour that has just begun"),
        pytest.param(16, False, 0, id="enough is left"),
        pytest.param(3, False, 3, id="the end of a day"),
        pytest.param(3603, False, 3, id="the end of any hour"),
        pytest.param(60, True, 60, id="a long one in the last minute of a day"),
        pytest.param(3660, True, 0, id="a long one in the last minute of another hour"),
    ],
)
def test_a_test_waits_for_the_turn(before_midnight, slow, pause):
    assert pause_s(MIDNIGHT - before_midnight, slow=slow) == pytest.approx(pause)
