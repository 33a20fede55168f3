"""A limit as pages show it: from when on it is near."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from billing.pages.meters import Meter, meter_of
from quotas.values import Bound

pytestmark = [pytest.mark.req("QU-10", "AC-4", "NO-1")]


def shown(used: int, *alerts: int, limit: int | None = 200, mode: str = "block") -> Meter:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    bound = Bound("messages", "day", "plan", "", limit, mode, used, 0, at, None)
    return meter_of(bound, {}, alerts=alerts)


@pytest.mark.parametrize(
    ("used", "alerts", "state"),
    [
        (59, (30, 95), "ok"),
        (60, (30, 95), "near"),  # the lowest of one's own
        (179, (90,), "ok"),  # who asks for 90 is not warned at 80
        (180, (90,), "near"),
        (199, (100,), "ok"),
        (159, (), "ok"),
        (160, (), "near"),  # who has none of their own
        (200, (90,), "reached"),
    ],
)
def test_a_limit_is_near_from_the_readers_own_lowest_alert_on(used: int, alerts: Sequence[int], state: str):
    assert shown(used, *alerts).state == state


def test_what_is_far_from_used_up_is_not_called_so():
    assert shown(70, 30, 95).near_text == "Past your alert at 30%"
    assert shown(120, 30, 50, 95).near_text == "Past your alert at 50%"
    assert shown(160, 30, 95).near_text == "Nearly used up"


def test_where_nothing_ends_nothing_is_near():
    assert shown(10**6, 30, limit=None).state == "ok"
    assert shown(190, 30, mode="credits").state == "ok"
