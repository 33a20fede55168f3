"""What a period will have cost, worked out by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.rules.projection import projected_minor

START = datetime(2026, 11, 1, tzinfo=UTC)
END = START + timedelta(days=30)


@pytest.mark.req("CR-10")
@pytest.mark.parametrize(
    ("spent", "after", "projected"),
    [
        (0, timedelta(days=3), 0),
        (300, timedelta(days=3), 3000),
        (100, timedelta(days=15), 200),
        (7, timedelta(days=20), 11),  # 10.5, half up
        (14, timedelta(minutes=5), 420),  # the first hours count as a whole day
        (500, timedelta(days=30), 500),
        (500, timedelta(days=31), 500),
    ],
    ids=["nothing", "a tenth", "half", "rounded", "at once", "the end", "past it"],
)
def test_projection(spent, after, projected):
    assert projected_minor(spent_minor=spent, start=START, end=END, at=START + after) == projected


def test_a_period_without_length():
    assert projected_minor(spent_minor=5, start=START, end=START, at=START) == 5
