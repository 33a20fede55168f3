"""Past use under other terms: the arithmetic."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.rules.changes import LimitTerms, PlanTerms
from billing.rules.replay import (
    FAR,
    Credit,
    Offer,
    OtherLimit,
    Replay,
    Stretch,
    Use,
    period_credits,
    recurring,
    window_of,
)

pytestmark = pytest.mark.req("OP-4")

START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 4, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def offer(*limits, amount=900, rate=None, credit_count=0, credit_metrics=(), currency="eur"):
    terms = PlanTerms(
        "plan",
        tuple(LimitTerms(*one) for one in limits),
        credits_per_period=credit_count,
        credit_metrics=tuple(credit_metrics),
    )
    return Offer(terms, "month", amount, currency, rate)


def stretch(the_offer, starts=START, ends=END, anchor=START):
    return Stretch(starts, ends, anchor, starts, the_offer)


def replay(*stretches, others=(), seed=lambda *_: 0, **more):
    return Replay(stretches=stretches, others=others, since=START, seed=seed, **more)


def uses(*spec, metric="messages", every=HOUR, first=START):
    return [Use(first + every * n, n + 1, metric, units) for n, units in enumerate(spec)]


def run(one, *events):
    for event in events:
        (one.credit if isinstance(event, Credit) else one.use)(event)
    return {metric: (r.operations, r.units) for metric, r in one.outcome.refused.items()}


def test_a_limit_that_refuses_refuses_what_does_not_fit_and_lets_the_rest_pass():
    one = replay(stretch(offer(("messages", "day", 5))))
    assert run(one, *uses(3, 3, 2, 1)) == {"messages": (2, 4)}, "3 fit, 3 do not, 2 do, 1 does not"
    assert one.outcome.refused["messages"].first_at == START + HOUR


def test_stacked_windows_must_all_allow_and_each_starts_anew_by_itself():
    one = replay(stretch(offer(("messages", "day", 3), ("messages", "month", 5))))
    assert run(one, *uses(3, 3, 3, every=DAY)) == {"messages": (2, 6)}
    assert run(one, Use(START + 3 * DAY, 9, "messages", 2)) == {"messages": (2, 6)}, (
        "2 were left of the month"
    )


def test_what_the_plan_does_not_name_is_refused():
    one = replay(stretch(offer(("messages", "day", None))))
    assert run(one, *uses(10**12), *uses(1, metric="exports")) == {"exports": (1, 1)}


def test_a_window_that_began_before_starts_with_what_was_used_in_it():
    asked = []

    def seed(metric, since):
        asked.append((metric, since))
        return 4

    anchor = START - 10 * DAY
    one = replay(stretch(offer(("messages", "period", 5), ("messages", "day", 9)), anchor=anchor), seed=seed)
    assert run(one, *uses(1, 1)) == {"messages": (1, 1)}
    assert asked == [("messages", anchor)], "a day that begins with what is replayed needs no looking back"


def test_an_open_period_keeps_its_bounds_when_the_anchor_moves():
    first, second = offer(("messages", "period", 5)), offer(("messages", "period", 8))
    turn = START + 10 * DAY
    one = replay(stretch(first, ends=turn), stretch(second, starts=turn, anchor=turn))
    assert run(one, Use(START, 1, "messages", 5), Use(turn, 2, "messages", 4)) == {"messages": (1, 4)}
    assert run(one, Use(turn, 3, "messages", 3)) == {"messages": (1, 4)}


def test_a_limit_that_is_new_counts_what_its_window_had_before():
    turn = START + 2 * HOUR
    one = replay(
        stretch(offer(("messages", "month", 50)), ends=turn),
        stretch(offer(("messages", "day", 5)), starts=turn),
    )
    assert run(one, *uses(3, 1), Use(turn, 9, "messages", 2)) == {"messages": (1, 2)}


def test_support_and_contracts_stand_before_the_plan():
    other = OtherLimit(START, START + DAY, 20, LimitTerms("messages", "day", 10), START, 1)
    one = replay(stretch(offer(("messages", "day", 1))), others=[other])
    assert run(one, Use(START, 1, "messages", 10)) == {}
    assert run(one, Use(START + DAY, 2, "messages", 2)) == {"messages": (1, 2)}, "it has ended"


def test_a_weaker_limit_stands_behind_the_plan():
    other = OtherLimit(START, FAR, -10, LimitTerms("messages", "day", 10), START, 1)
    one = replay(stretch(offer(("messages", "day", 1))), others=[other])
    assert run(one, Use(START, 1, "messages", 2)) == {"messages": (1, 2)}


def test_credits_then_the_rate_then_the_cap():
    paid = offer(rate=16, credit_metrics=[("generations", 2)])
    one = replay(stretch(paid), cap_minor=64, cap_from=START)
    events = [Credit(START, 5), *uses(3, 1, 1, metric="generations")]
    assert run(one, *events) == {"generations": (1, 1)}, "2 by credits, 1 + 1 at 2 x 16 each, the cap is full"
    assert (one.outcome.overage_units, one.outcome.overage_minor) == (2, {"eur": 64})


def test_without_a_rate_credits_are_the_end():
    one = replay(stretch(offer(credit_metrics=[("generations", 1)])))
    assert run(one, Credit(START, 2), *uses(1, 2, 1, metric="generations")) == {"generations": (1, 2)}
    assert one.outcome.overage_minor == {}


def test_credits_end_and_the_soonest_are_spent_first():
    one = replay(stretch(offer(credit_metrics=[("generations", 1)])))
    events = [Credit(START, 2), Credit(START, 2, START + DAY), *uses(2, metric="generations")]
    assert run(one, *events, Use(START + DAY, 8, "generations", 2)) == {}
    assert run(one, Use(START + DAY, 9, "generations", 1)) == {"generations": (1, 1)}


def test_what_is_reversed_is_undone_with_its_charge():
    one = replay(stretch(offer(("messages", "day", 2), rate=10, credit_metrics=[("generations", 1)])))
    spent = Use(START, 1, "generations", 3)
    assert run(one, Credit(START, 1), spent, Use(START, 2, "generations", -3, reverses=1)) == {}
    assert one.outcome.overage_minor == {"eur": 0}
    assert run(one, Use(START, 3, "generations", 1)) == {}
    assert one.outcome.overage_units == 0, "the credit came back"


def test_what_was_refused_here_cannot_be_given_back():
    made = [Use(START + HOUR * n, n, "personas", 1, f"persona:{n}") for n in range(3)]
    one = replay(stretch(offer(("personas", "capacity", 2))))
    assert run(one, *made) == {"personas": (1, 1)}
    gone = Use(START + 4 * HOUR, 4, "personas", -1, "persona:2")
    again = Use(START + 5 * HOUR, 5, "personas", 1, "persona:5")
    assert run(one, gone, again) == {"personas": (2, 2)}, "the third was never there"
    gone = replace(gone, at=START + 6 * HOUR, subject="persona:1")
    assert run(one, gone, replace(again, at=START + 7 * HOUR)) == {"personas": (2, 2)}


@pytest.mark.parametrize(
    ("starts", "ends", "paid_from", "expected"),
    [
        pytest.param(START, END, START, 3100, id="a whole month"),
        pytest.param(START, START + 10 * DAY, START, 1000, id="10 of 31 days"),
        pytest.param(START - 3 * DAY, START + 10 * DAY, START, 1000, id="only what is looked at"),
        pytest.param(START, END, START + 21 * DAY, 1000, id="a trial of 21 days"),
        pytest.param(START, START + HOUR, START, 4, id="3100 / 31 / 24 = 4.17"),
    ],
)
def test_the_list_price_for_the_time_on_the_plan(starts, ends, paid_from, expected):
    one = Stretch(starts, ends, START, paid_from, offer(amount=3100))
    share = recurring([one], START, END)["eur"]
    assert round(share) == expected


def test_two_plans_share_a_month_without_a_rest():
    turn = START + 7 * DAY + timedelta(seconds=1)
    parts = [
        stretch(offer(amount=1000), ends=turn),
        stretch(offer(amount=1000), starts=turn),
    ]
    assert recurring(parts, START, END) == {"eur": 1000}
    assert recurring([stretch(offer(amount=0))], START, END) == {}


def test_a_plans_credits_come_with_each_paid_period():
    long = stretch(offer(credit_count=7), ends=START + 70 * DAY)
    assert [(one.at, one.units) for one in period_credits([long], START, START + 70 * DAY)] == [
        (START, 7),
        (END, 7),
        (datetime(2026, 5, 1, tzinfo=UTC), 7),
    ]


@pytest.mark.parametrize("window", ["hour", "day", "month", "capacity", "period"])
def test_an_instant_lies_in_its_window(window):
    at = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
    start, end = window_of(window, at, datetime(2025, 12, 31, tzinfo=UTC), 1)
    assert start <= at < end


SPEC = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4)), max_size=40)


@settings(deadline=None)
@given(SPEC, st.integers(0, 9), st.integers(0, 20), st.integers(0, 9), st.integers(0, 9))
def test_what_was_let_pass_passes_again_under_the_same_terms(spec, daily, monthly, given_credits, other):
    """Use that these terms accepted, replayed under them, refuses nothing and charges the same."""

    def fresh(day_limit=daily):
        terms = offer(
            ("messages", "day", day_limit),
            ("messages", "month", monthly),
            rate=3,
            credit_metrics=[("jobs", 1)],
        )
        one = replay(stretch(terms))
        one.credit(Credit(START, given_credits))
        return one

    at, wanted = START, []
    for number, (hours, units) in enumerate(spec):
        at += HOUR * hours
        if at < END:
            wanted.append(Use(at, number, "jobs" if number % 3 == 0 else "messages", units))
    first = fresh()
    accepted = []
    for use in wanted:
        before = sum(one.operations for one in first.outcome.refused.values())
        first.use(use)
        if sum(one.operations for one in first.outcome.refused.values()) == before:
            accepted.append(use)
    again, tighter = fresh(), fresh(min(daily, other))
    assert run(again, *accepted) == {}
    assert again.outcome.overage_minor == first.outcome.overage_minor
    run(tighter, *accepted)
    passed = sum(use.units for use in accepted if use.metric == "messages")
    refused = tighter.outcome.refused.get("messages")
    assert 0 <= passed - (refused.units if refused else 0) <= max(monthly, 0)
