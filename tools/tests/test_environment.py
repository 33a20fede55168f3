"""What one test leaves behind must not reach the next."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.utils import timezone, translation


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_language_left_behind_is_gone(language):
    assert translation.get_language() == settings.LANGUAGE_CODE
    assert timezone.get_current_timezone_name() == settings.TIME_ZONE
    translation.activate(language)
    timezone.activate("Europe/Paris")
