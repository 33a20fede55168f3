"""Arithmetic of plans, as tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from billing.rules.changes import (
    LimitTerms,
    PlanTerms,
    TermsPhase,
    access_for,
    change_kind,
    credits_granted,
    next_period_end,
    quota_changes,
    timeline,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.req("PC-2")
@pytest.mark.parametrize(
    ("same_plan", "declared", "from_interval", "to_interval", "expected"),
    [
        pytest.param(False, "upgrade", "month", "month", "upgrade", id="declared up"),
        pytest.param(
            False, "downgrade", "month", "year", "downgrade", id="declared down, though a year costs more"
        ),
        pytest.param(
            False, "upgrade", "year", "month", "upgrade", id="declared up, though a month costs less"
        ),
        pytest.param(False, "forbidden", "month", "month", None, id="declared forbidden"),
        pytest.param(False, None, "month", "month", None, id="not declared at all"),
        pytest.param(True, None, "month", "year", "upgrade", id="same plan, to the year: paid now"),
        pytest.param(True, None, "year", "month", "downgrade", id="same plan, to the month: at the end"),
        pytest.param(True, None, "month", "month", None, id="nothing changes"),
    ],
)
def test_change_kind(same_plan, declared, from_interval, to_interval, expected):
    kind = change_kind(
        same_plan=same_plan, declared=declared, from_interval=from_interval, to_interval=to_interval
    )
    assert (kind.value if kind else None) == expected


@pytest.mark.req("BI-6")
@pytest.mark.parametrize(
    ("status", "access"),
    [
        ("trialing", "full"),
        ("active", "full"),
        ("past_due", "grace"),
        ("unpaid", "degraded"),
        ("paused", "degraded"),
        ("incomplete", "ended"),
        ("incomplete_expired", "ended"),
        ("canceled", "ended"),
    ],
)
def test_access(status, access):
    assert access_for(status) == access


FREE = PlanTerms("free", (LimitTerms("messages", "day", 5), LimitTerms("personas", "capacity", 1)))
BASIC = PlanTerms("basic", (LimitTerms("messages", "day", 50),), ("history",), 100)
PREMIUM = PlanTerms(
    "premium", (LimitTerms("messages", "day", 1000), LimitTerms("exports", "month", None)), (), 250
)


@pytest.mark.req("PC-4")
def test_quota_changes_name_what_either_plan_names():
    changes = [(one.metric, one.window, one.from_limit, one.to_limit) for one in quota_changes(FREE, PREMIUM)]
    assert changes == [
        ("messages", "day", 5, 1000),
        ("personas", "capacity", 1, 0),  # not part of premium here: nothing of it is allowed
        ("exports", "month", 0, None),  # unlimited
    ]


@pytest.mark.parametrize(
    ("kind", "before", "after", "expected"),
    [
        pytest.param("upgrade", BASIC, PREMIUM, 150, id="250 - 100"),
        pytest.param("upgrade", PREMIUM, BASIC, 0, id="never less than nothing"),
        pytest.param("downgrade", BASIC, PREMIUM, 0, id="a downgrade grants nothing"),
        pytest.param("start", None, BASIC, 100, id="all of it at the start"),
        pytest.param("cancel", BASIC, None, 0, id="an end grants nothing"),
    ],
)
def test_credits_granted(kind, before, after, expected):
    assert credits_granted(kind, before, after) == expected


NOW, END = at("2026-03-10T12:00:00"), at("2026-04-01T00:00:00")


@pytest.mark.req("PC-4")
@pytest.mark.parametrize(
    ("access", "switch_at", "following", "expected"),
    [
        pytest.param("full", None, None, [(NOW, None, "basic")], id="goes on"),
        pytest.param("full", END, FREE, [(NOW, END, "basic"), (END, None, "free")], id="switches at the end"),
        pytest.param("full", END, None, [(NOW, END, "basic")], id="ends with nothing after"),
        pytest.param(
            "full", at("2026-03-01T00:00:00"), FREE, [(NOW, None, "free")], id="the moment has passed"
        ),
        pytest.param("grace", None, None, [(NOW, None, "basic")], id="overdue keeps all"),
        pytest.param("degraded", None, None, [(NOW, None, "free")], id="unpaid has what is free"),
        pytest.param("ended", None, None, [], id="ended has nothing"),
    ],
)
def test_timeline(access, switch_at, following, expected):
    phases = timeline(
        now=NOW, access=access, current=BASIC, switch_at=switch_at, following=following, without=FREE
    )
    assert [(one.starts_at, one.ends_at, one.terms.code) for one in phases] == expected
    assert all(isinstance(one, TermsPhase) for one in phases)


@pytest.mark.parametrize(
    ("anchor", "interval", "start", "expected"),
    [
        pytest.param(
            "2026-01-31T10:00:00", "month", "2026-01-31T10:00:00", "2026-02-28T10:00:00", id="31 Jan + 1"
        ),
        pytest.param(
            "2026-01-31T10:00:00", "month", "2026-02-28T10:00:00", "2026-03-31T10:00:00", id="and 31 again"
        ),
        pytest.param(
            "2024-02-29T00:00:00", "year", "2025-02-28T00:00:00", "2026-02-28T00:00:00", id="leap day"
        ),
        pytest.param(
            "2026-12-15T00:00:00", "month", "2026-12-15T00:00:00", "2027-01-15T00:00:00", id="new year"
        ),
    ],
)
def test_next_period_end(anchor, interval, start, expected):
    assert next_period_end(anchor=at(anchor), interval=interval, start=at(start)) == at(expected)
