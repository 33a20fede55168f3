import pytest

from quotas import rules

Counter = rules.Counter


@pytest.mark.req("QU-2", "PC-4")
@pytest.mark.parametrize(
    ("limit", "mode", "used", "reserved", "units", "allowed"),
    [
        pytest.param(5, "block", 4, 0, 1, True, id="4+1=5 of 5"),
        pytest.param(5, "block", 5, 0, 1, False, id="5+1=6 of 5"),
        pytest.param(5, "block", 3, 2, 1, False, id="3 used + 2 reserved + 1 = 6 of 5"),
        pytest.param(5, "block", 0, 0, 6, False, id="6 at once of 5"),
        pytest.param(5, "block", 9, 0, 1, False, id="9 used, lowered to 5"),
        pytest.param(0, "block", 0, 0, 1, False, id="1 of 0"),
        pytest.param(None, "block", 10**12, 0, 1, True, id="unlimited"),
        pytest.param(5, "overage", 5, 0, 1, True, id="past the limit, charged"),
    ],
)
def test_a_counter_allows_what_fits(limit, mode, used, reserved, units, allowed):
    assert Counter(limit, mode, used, reserved).allows(units) is allowed


def test_all_stacked_counters_must_allow():
    counters = [Counter(5, "block", 0, 0), Counter(2, "block", 2, 0)]
    assert rules.admit(counters, 1) == (True, False)


@pytest.mark.req("EN-4")
@pytest.mark.parametrize(
    ("counters", "units", "overage"),
    [
        pytest.param([Counter(100, "overage", 98, 0)], 5, 3, id="98+5=103 of 100: 3 beyond"),
        pytest.param([Counter(100, "overage", 120, 0)], 5, 5, id="all beyond"),
        pytest.param([Counter(100, "overage", 90, 0)], 5, 0, id="none beyond"),
        pytest.param(
            [Counter(100, "overage", 98, 0), Counter(1000, "overage", 999, 0)],
            5,
            4,
            id="3 beyond the day, 4 beyond the month: 4, not 7",
        ),
        pytest.param([Counter(50, "block", 500, 0)], 5, 0, id="a limit that refuses is not charged for"),
        pytest.param([Counter(None, "overage", 500, 0)], 5, 0, id="unlimited"),
    ],
)
def test_taking_tells_the_overage_once(counters, units, overage):
    before = [counter.used for counter in counters]
    assert rules.take(counters, units) == overage
    assert [counter.used for counter in counters] == [used + units for used in before]


def test_what_cannot_be_given_back_changes_no_counter():
    counters = [Counter(5, "block", 3, 0), Counter(5, "block", 1, 0)]
    with pytest.raises(rules.InvalidCounterError):
        rules.give_back(counters, 2)
    assert [counter.used for counter in counters] == [3, 1]


def test_more_than_is_reserved_is_not_let_go():
    counters = [Counter(5, "block", 0, 3), Counter(5, "block", 0, 1)]
    with pytest.raises(rules.InvalidCounterError):
        rules.let_go(counters, 2)
    assert [counter.reserved for counter in counters] == [3, 1]
