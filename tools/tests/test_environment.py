"""What one test leaves behind must not reach the next."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.utils import timezone, translation

from tools.pytest_environment import DAY_S, HOUR_S, pause_s


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_language_left_behind_is_gone(language):
    assert translation.get_language() == settings.LANGUAGE_CODE
    assert timezone.get_current_timezone_name() == settings.TIME_ZONE
    translation.activate(language)
    timezone.activate("Europe/Paris")


@pytest.mark.parametrize(
    ("at", "quick", "slow"),
    [
        (0, 0, 0),
        (HOUR_S - 31, 0, 0),
        (HOUR_S - 30 + 0.5, 0, 29.5),
        (HOUR_S - 10 + 0.5, 9.5, 9.5),
        (HOUR_S, 0, 0),
        (DAY_S - 121, 0, 0),
        (DAY_S - 119, 0, 119),
        (DAY_S - 74, 74, 74),
        (DAY_S - 0.5, 0.5, 0.5),
    ],
)
def test_no_test_begins_at_the_end_of_an_hour_or_a_day(at, quick, slow):
    for days in (0, 20_778):
        instant = days * DAY_S + at
        assert (pause_s(instant, slow=False), pause_s(instant, slow=True)) == (quick, slow)
