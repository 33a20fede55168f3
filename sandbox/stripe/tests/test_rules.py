"""Arithmetic: the table is the documentation."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.stripe import rules


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


MONTHS = [
    ("2027-01-31T09:00", ["2027-02-28T09:00", "2027-03-31T09:00", "2027-04-30T09:00", "2027-05-31T09:00"]),
    ("2028-01-31T00:00", ["2028-02-29T00:00", "2028-03-31T00:00"]),
    ("2027-11-30T23:59", ["2027-12-30T23:59", "2028-01-30T23:59", "2028-02-29T23:59", "2028-03-30T23:59"]),
    ("2027-01-15T00:00", ["2027-02-15T00:00", "2027-03-15T00:00"]),
]


@pytest.mark.parametrize(("anchor", "ends"), MONTHS, ids=[row[0] for row in MONTHS])
def test_months_are_counted_from_the_anchor(anchor: str, ends: list[str]):
    start = at(anchor)
    for expected in ends:
        start = rules.period_end(at(anchor), "month", 1, start)
        assert start == at(expected)


def test_29_february_returns_every_fourth_year():
    anchor, ends = at("2028-02-29"), []
    start = anchor
    for _ in range(4):
        start = rules.period_end(anchor, "year", 1, start)
        ends.append(rules.as_datetime(start).date().isoformat())
    assert ends == ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]


@settings(deadline=None)
@given(
    anchor=st.integers(at("2000-01-01"), at("2060-01-01")),
    interval=st.sampled_from(["day", "week", "month", "year"]),
    count=st.integers(1, 3),
    offset=st.integers(-(10**8), 10**8),
)
def test_boundaries_enclose_every_instant(anchor: int, interval: str, count: int, offset: int):
    instant = anchor + offset
    end = rules.period_end(anchor, interval, count, instant)
    start = rules.period_start(anchor, interval, count, end)
    assert start <= instant < end
    assert rules.period_end(anchor, interval, count, start) == end


PRORATIONS = [
    (2000, 1, 2, 1000),
    (500, 15, 30, 250),
    (999, 1, 2, 500),  # 499.5, half up
    (-999, 1, 2, -500),  # a credit mirrors its debit
    (1, 1, 3, 0),
    (1, 2, 3, 1),
    (2000, 0, 30, 0),
    (2000, 31, 30, 2000),  # never more than the whole
    (2000, 5, 0, 0),
    (0, 5, 10, 0),
]


@pytest.mark.parametrize(("amount", "remaining", "period", "expected"), PRORATIONS)
def test_prorations(amount: int, remaining: int, period: int, expected: int):
    assert rules.prorate(amount, remaining_s=remaining, period_s=period) == expected


SETTLEMENTS = [
    # total, balance, amount due, ending balance
    (2000, 0, 2000, 0),
    (2000, -500, 1500, 0),
    (2000, -2500, 0, -500),
    (-750, 0, 0, -750),
    (30, 0, 0, 30),  # too small to charge: carried over
    (30, 40, 70, 0),
    (50, 0, 50, 0),
    (0, 0, 0, 0),
]


@pytest.mark.parametrize(("total", "balance", "due", "ending"), SETTLEMENTS)
def test_an_invoice_meets_the_balance(total: int, balance: int, due: int, ending: int):
    settled = rules.settle(total=total, balance=balance, currency="eur")
    assert (settled.amount_due, settled.ending_balance) == (due, ending)
    assert settled.amount_due + settled.ending_balance == total + balance


@settings(deadline=None)
@given(total=st.integers(0, 10**9), weights=st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_parts_sum_to_the_whole(total: int, weights: list[int]):
    parts = rules.allocate(total, weights)
    assert sum(parts) == (total if sum(weights) else 0)
    assert all(part >= 0 for part in parts)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(500, "eur", "€5.00"), (-123456, "usd", "-$1,234.56"), (500, "jpy", "¥500"), (1050, "chf", "10.50 CHF")],
)
def test_money_in_words(amount: int, currency: str, text: str):
    assert rules.money_text(amount, currency) == text
