"""Overdue rules as arithmetic: which rule counts when, what the file may say, and what limits follow ahead of time."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings

from billing.errors import OverdueRulesInvalid
from billing.rules.changes import PlanTerms, timeline
from billing.rules.overdue import Debt, access_by, debt_of, read_policy, rule_at, steps_from
from sandbox.stripe.core import Settings as StandInSettings

pytestmark = pytest.mark.req("BI-6")

SINCE = datetime(2027, 2, 1, 10, 0, tzinfo=UTC)
PAID, FREE, SMALL = PlanTerms("premium"), PlanTerms("free"), PlanTerms("basic")
SECOND = timedelta(seconds=1)


def declared():
    return tomllib.loads(Path(settings.OVERDUE_FILE).read_text(encoding="utf-8"))


POLICY = read_policy(declared())


@pytest.mark.parametrize(
    ("status", "passed", "attempts", "state", "access"),
    [
        pytest.param("past_due", timedelta(0), 1, "grace", "grace", id="past due + 0 s = grace"),
        pytest.param("past_due", timedelta(days=3), 2, "grace", "grace", id="past due + 3 d = grace"),
        pytest.param("past_due", timedelta(days=7) - SECOND, 2, "grace", "grace", id="7 d - 1 s = grace"),
        pytest.param("past_due", timedelta(days=7), 2, "degraded", "degraded", id="7 d = degraded"),
        pytest.param(
            "past_due", timedelta(days=16) - SECOND, 4, "degraded", "degraded", id="16 d - 1 s = degraded"
        ),
        pytest.param("past_due", timedelta(days=16), 4, "ended", "ended", id="16 d = ended"),
        pytest.param("past_due", timedelta(days=400), 4, "ended", "ended", id="400 d = ended"),
        pytest.param("unpaid", timedelta(0), 4, "degraded", "degraded", id="unpaid + 0 s = degraded"),
        pytest.param("unpaid", timedelta(days=16), 4, "ended", "ended", id="unpaid + 16 d = ended"),
        pytest.param("active", timedelta(days=400), 1, None, "full", id="active = full, whatever is old"),
        pytest.param("trialing", timedelta(days=400), 1, None, "full", id="trial = full"),
        pytest.param("paused", timedelta(days=1), 1, None, "degraded", id="paused speaks for itself"),
        pytest.param("canceled", timedelta(days=1), 1, None, "ended", id="canceled = ended"),
    ],
)
def test_which_rule_counts(status, passed, attempts, state, access):
    debt, now = Debt(SINCE, attempts), SINCE + passed
    rule = rule_at(POLICY, status=status, debt=debt, now=now)
    assert (rule.state if rule else None) == state
    assert access_by(POLICY, status=status, debt=debt, now=now) == access


@pytest.mark.parametrize(
    ("status", "state"), [("past_due", "grace"), ("unpaid", "degraded"), ("active", None)]
)
def test_a_status_without_an_open_invoice_meets_the_first_day(status, state):
    rule = rule_at(POLICY, status=status, debt=None, now=SINCE)
    assert (rule.state if rule else None) == state


def test_several_debts_count_from_the_oldest():
    newer = SINCE + timedelta(days=30)
    assert debt_of([(newer, 1), (SINCE, 4)]) == Debt(SINCE, 4)
    assert debt_of([]) is None


@pytest.mark.parametrize(
    ("passed_days", "expected"),
    [
        pytest.param(
            0, [(0, "grace"), (7, "degraded"), (16, "ended")], id="day 0: grace, +7 degraded, +16 ended"
        ),
        pytest.param(5, [(5, "grace"), (7, "degraded"), (16, "ended")], id="day 5: 2 days of grace are left"),
        pytest.param(7, [(7, "degraded"), (16, "ended")], id="day 7: degraded already"),
        pytest.param(20, [(20, "ended")], id="day 20: ended already"),
    ],
)
def test_all_moments_are_known_in_advance(passed_days, expected):
    def day(number):
        return SINCE + timedelta(days=number)

    steps = steps_from(POLICY, status="past_due", debt=Debt(SINCE, 1), now=day(passed_days))
    assert [(one.at, one.rule.state) for one in steps] == [(day(at), state) for at, state in expected]


def test_attempts_are_a_condition_too():
    data = declared()
    data["rules"][1]["after_attempts"] = 3
    policy, now = read_policy(data), SINCE + timedelta(days=9)
    held = [
        rule_at(policy, status="past_due", debt=Debt(SINCE, count), now=now).state for count in (1, 2, 3, 4)
    ]
    assert held == ["grace", "grace", "degraded", "degraded"]


NOW = SINCE
DEGRADED, ENDED, SWITCH = NOW + timedelta(days=7), NOW + timedelta(days=16), NOW + timedelta(days=10)
LATER = [(DEGRADED, "degraded"), (ENDED, "degraded")]


@pytest.mark.parametrize(
    ("access", "later", "switch_at", "following", "expected"),
    [
        pytest.param("grace", [], None, None, [(NOW, None, "premium")], id="grace without more = the plan's"),
        pytest.param(
            "grace",
            LATER[:1],
            None,
            None,
            [(NOW, DEGRADED, "premium"), (DEGRADED, None, "free")],
            id="plan's until day 7, then free",
        ),
        pytest.param(
            "grace",
            LATER[:1],
            SWITCH,
            SMALL,
            [(NOW, DEGRADED, "premium"), (DEGRADED, SWITCH, "free"), (SWITCH, None, "free")],
            id="a switch on day 10 gives nothing while degraded",
        ),
        pytest.param(
            "grace",
            [(ENDED, "degraded")],
            SWITCH,
            SMALL,
            [(NOW, SWITCH, "premium"), (SWITCH, ENDED, "basic"), (ENDED, None, "free")],
            id="a switch on day 10 counts until day 16",
        ),
        pytest.param(
            "grace",
            LATER[:1],
            SWITCH,
            None,
            [(NOW, DEGRADED, "premium"), (DEGRADED, SWITCH, "free")],
            id="an end without a plan after it gives nothing",
        ),
        pytest.param(
            "degraded",
            [],
            SWITCH,
            SMALL,
            [(NOW, SWITCH, "free"), (SWITCH, None, "free")],
            id="degraded stays so",
        ),
    ],
)
def test_limits_are_written_with_their_moments(access, later, switch_at, following, expected):
    phases = timeline(
        now=NOW,
        access=access,
        later=later,
        current=PAID,
        switch_at=switch_at,
        following=following,
        without=FREE,
    )
    assert [(one.starts_at, one.ends_at, one.terms.code) for one in phases] == expected


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param(lambda d: d.pop("retries"), "[retries] is missing", id="no retries"),
        pytest.param(lambda d: d["retries"].update(days=[0]), "retries.days", id="a retry after 0 days"),
        pytest.param(lambda d: d["retries"].update(days="3"), "retries.days", id="days as text"),
        pytest.param(
            lambda d: d["retries"].update(after_last="x"), "retries.after_last", id="unknown status"
        ),
        pytest.param(lambda d: d["retries"].update(more=1), "retries.more: not known", id="unknown name"),
        pytest.param(lambda d: d.pop("rules"), "[[rules]] is missing", id="no rules"),
        pytest.param(lambda d: d.update(other=1), "unknown table 'other'", id="unknown table"),
        pytest.param(lambda d: d["rules"].append(5), "rule 5: a table is needed", id="a rule that is none"),
        pytest.param(lambda d: d["rules"][0].update(state="x"), "rule 1: state", id="unknown state"),
        pytest.param(lambda d: d["rules"][0].update(access="full"), "rule 1: access", id="another access"),
        pytest.param(
            lambda d: d["rules"][0].update(statuses=["active"]), "rule 1: statuses", id="not overdue"
        ),
        pytest.param(lambda d: d["rules"][0].update(statuses=[]), "rule 1: statuses", id="no status"),
        pytest.param(lambda d: d["rules"][0].update(after_days=-1), "rule 1: after_days", id="-1 days"),
        pytest.param(lambda d: d["rules"][0].update(after_days=True), "rule 1: after_days", id="true days"),
        pytest.param(lambda d: d["rules"][0].update(after_days=366), "rule 1: after_days", id="366 days"),
        pytest.param(
            lambda d: d["rules"][0].update(reminder="fax"), "rule 1: reminder", id="unknown reminder"
        ),
        pytest.param(lambda d: d["rules"][0].update(end=True), "rule 1: end", id="grace that ends"),
        pytest.param(lambda d: d["rules"][3].pop("end"), "rule 4: end", id="an end that does not end"),
        pytest.param(
            lambda d: d["rules"][0].update(plan_changes=["x"]), "rule 1: plan_changes", id="unknown change"
        ),
        pytest.param(lambda d: d["rules"][0].update(typo=1), "rule 1: typo: not known", id="a typing error"),
        pytest.param(
            lambda d: d["rules"][0].update(after_days=1), "past_due: a rule with after_days = 0", id="a gap"
        ),
        pytest.param(lambda d: d["rules"].reverse(), "does not come after", id="backwards"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_with_where(change, problem):
    data = declared()
    change(data)
    with pytest.raises(OverdueRulesInvalid) as raised:
        read_policy(data)
    assert any(problem in one for one in raised.value.problems), raised.value.problems


def test_the_sandbox_tries_as_often_as_is_declared():
    standard = StandInSettings()
    assert (standard.retry_days, standard.after_retries) == (POLICY.retry_days, POLICY.after_last)


def test_the_last_retry_comes_before_our_own_end():
    last = sum(POLICY.retry_days)
    ends = min(rule.after_days for rule in POLICY.rules if rule.ends)
    assert last < ends


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(None, "cannot be read", id="no file"),
        pytest.param("[retries", "overdue.toml", id="no TOML"),
        pytest.param("[retries]\ndays = [3]\n", "after_last", id="half of it"),
    ],
)
def test_a_wrong_file_stops_the_start(tmp_path, settings, text, problem):
    from billing.checks import overdue_rules

    assert overdue_rules() == []
    settings.OVERDUE_FILE = tmp_path / "overdue.toml"
    if text is not None:
        settings.OVERDUE_FILE.write_text(text, encoding="utf-8")
    assert any(problem in str(one.msg) for one in overdue_rules())
