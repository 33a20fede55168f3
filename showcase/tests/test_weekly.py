"""A sign's week from the ephemeris, metered by key."""

from __future__ import annotations

from datetime import date

import pytest

from enterprise.tests.conftest import Holder, _samplers_forget, metered  # noqa: F401 - fixtures
from enterprise.tests.helpers import block, contract, counted
from showcase.ephemeris import Body, Position, Sign
from showcase.weekly import Aspect, aspects_of, week_name, week_of_sign

PATH = "/v1/b2b/astrology/weekly-by-sign"


def place(body: Body, longitude: float) -> Position:
    return Position(body, longitude, list(Sign)[int(longitude // 30)], int(longitude % 30), 0, False)


@pytest.mark.parametrize(
    ("one", "other", "aspect", "orb"),
    [
        (359.0, 1.5, "CONJUNCTION", 2.5),
        (10, 130, "TRINE", 0),
        (350, 174, "OPPOSITION", 4),
        (10, 96.5, "SQUARE", 3.5),
    ],
)
def test_aspects(one, other, aspect, orb):
    (found,) = aspects_of((place(Body.SUN, one), place(Body.MOON, other)))
    assert (found.aspect, found.orb) == (Aspect[aspect], orb)


def test_no_aspect():
    assert not list(aspects_of((place(Body.SUN, 0), place(Body.MOON, 45))))


def test_a_week_that_almanacs_know():
    """Full moon on 24 December 2026 at 01:28 UTC, in Cancer, opposite the Sun in Capricorn."""
    days = week_of_sign(Sign.CAPRICORN, 2026, 52)
    assert [day.day for day in days] == [date(2026, 12, day) for day in range(21, 28)]
    assert [day.moon_sign for day in days[:4]] == [Sign.TAURUS, Sign.GEMINI, Sign.GEMINI, Sign.CANCER]
    full = [found for found in days[3].aspects if {found.body, found.other} == {Body.SUN, Body.MOON}]
    assert [found.aspect for found in full] == [Aspect.OPPOSITION]
    assert all(
        Sign.CAPRICORN in _signs(day) or Body.SATURN in {found.body, found.other}
        for day in days
        for found in day.aspects
    )


def _signs(day) -> set[Sign]:
    from showcase.weekly import _sky

    return {position.sign for position in _sky(day.day)}


def test_week_names():
    assert week_name(date(2027, 1, 3)) == "2026-W53"
    assert week_name(date(2027, 1, 4)) == "2027-W01"


@pytest.mark.req("EN-3", "EN-6")
class TestOverHttp:
    def ask(self, holder: Holder, **query):
        return holder.client.get(PATH, {"sign": "leo"} | query)

    def test_counts_one_call(self, metered: Holder):  # noqa: F811
        contract(metered.account, block(10))
        answer = self.ask(metered, week="2026-W52")
        assert answer.status_code == 200
        data = answer.json()["data"]
        assert (data["sign"], data["week"], len(data["days"])) == ("leo", "2026-W52", 7)
        assert set(data["days"][0]) == {"date", "moon_sign", "aspects"}
        assert answer["X-Quota-Remaining"] == "9"
        assert counted(metered.account) == (1, 1)
        assert self.ask(metered).json()["data"]["week"] == week_name(date.today())

    @pytest.mark.parametrize(
        "query",
        [
            {"sign": "dragon"},
            {"sign": ""},
            {"week": "2026-W54"},
            {"week": "2026-W00"},
            {"week": "1066-W01"},
            {"week": "2400-W01"},
            {"week": "2026W01"},
            {"week": "٢٠٢٦-W٠١"},
            {"weak": "2026-W01"},
            {"sign": "leo\u0000"},
        ],
    )
    def test_bad_questions_count_nothing(self, metered: Holder, query):  # noqa: F811
        contract(metered.account, block(10))
        answer = self.ask(metered, **query)
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "validation_error"
        assert counted(metered.account) == (0, 0)

    def test_past_the_limit(self, metered: Holder):  # noqa: F811
        contract(metered.account, block(1))
        assert self.ask(metered).status_code == 200
        refused = self.ask(metered)
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "b2b_quota_exceeded"
        assert counted(metered.account) == (1, 1)

    def test_without_a_contract(self, metered: Holder):  # noqa: F811
        answer = self.ask(metered)
        assert (answer.status_code, answer.json()["error"]["code"]) == (402, "no_active_subscription")
