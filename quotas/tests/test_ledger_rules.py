"""A damaged ledger is made right by what stands in more than one place, or left alone."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quotas.ledger_rules import Entry, mending

pytestmark = pytest.mark.req("CR-1", "OP-4")

# Two grants, and what was spent of them.
BOOK = [
    Entry(10, 50, 50, 1),
    Entry(11, -20, 30, 1),
    Entry(14, 40, 70, 2),
    Entry(15, -30, 40, 1),
    Entry(19, -5, 35, 2),
]
LEFT = {1: 0, 2: 35}


def mend(entries, *, remaining=LEFT, wallet=35, owed=(), room=True):
    return mending(entries, remaining=remaining, wallet=wallet, owed=owed, has_room=lambda *_: room)


def test_right_books_are_left_alone():
    found = mend(BOOK)
    assert (found.units, found.balances, found.lost, found.remaining, found.wallet, found.unclear) == (
        {}, {}, [], {}, None, [],
    )  # fmt: skip


@pytest.mark.parametrize("at", range(5))
def test_a_balance(at):
    damaged = [replace(one, balance=99) if n == at else one for n, one in enumerate(BOOK)]
    assert mend(damaged).balances == {BOOK[at].id: BOOK[at].balance}


@pytest.mark.parametrize("at", range(5))
def test_what_an_entry_moved(at):
    damaged = [replace(one, units=one.units - 3) if n == at else one for n, one in enumerate(BOOK)]
    found = mend(damaged, room=False)
    assert found.units == {BOOK[at].id: BOOK[at].units}
    assert (found.lost, found.remaining, found.unclear) == ([], {}, [])


@pytest.mark.parametrize("at", range(5))
def test_an_entry_that_is_gone(at):
    gone = BOOK[at]
    left = [one for one in BOOK if one is not gone]
    found = mend(left, owed=[gone.units])
    assert [(one.units, one.grant_id) for one in found.lost] == [(gone.units, gone.grant_id)]
    assert found.lost[0].before_id == (BOOK[at + 1].id if at < 4 else None)
    assert (found.units, found.balances, found.remaining, found.unclear) == ({}, {}, {}, [])


def test_of_two_grants_that_lack_as_much_none_is_chosen():
    left = [
        Entry(10, 100, 100, 1),
        Entry(11, 5, 105, 2),
        Entry(13, -1, 99, 1),  # before it five of grant 2 were spent
        Entry(14, -1, 98, 1),
        Entry(16, -1, 92, 1),  # and before this one five of grant 1
    ]
    found = mend(left, remaining={1: 92, 2: 0}, wallet=92, owed=[-5, -5])
    assert len(found.unclear) == 2
    assert (found.units, found.lost) == ({}, [])


def test_an_entry_of_several_that_one_operation_made():
    """The next entry is of the same grant: it could have moved as much more, did the operation not say otherwise."""
    left = [Entry(10, 50, 50, 1), Entry(12, -3, 40, 1)]
    assert mend(left, remaining={1: 40}, wallet=40).units == {12: -10}
    found = mend(left, remaining={1: 40}, wallet=40, owed=[-7])
    assert ([(one.units, one.grant_id) for one in found.lost], found.units) == ([(-7, 1)], {})


@pytest.mark.parametrize("last", [True, False])
def test_all_entries_of_one_operation(last):
    left = [Entry(10, 50, 50, 1), Entry(11, 40, 90, 2), *([] if last else [Entry(16, -1, 75, 2)])]
    end = {2: 34 + last, 1: 41 - last}
    wanted = [(2, end[2] - 40 + (not last)), (1, end[1] - 50)]
    found = mend(left, remaining=end, wallet=sum(end.values()), owed=[sum(units for _, units in wanted)])
    assert [(one.grant_id, one.units) for one in found.lost] == wanted
    assert not found.unclear
    assert mend(left, remaining=end, wallet=sum(end.values())).unclear, "no operation says so"


def test_a_grant_and_the_wallet():
    assert mend(BOOK, remaining={1: 7, 2: 35}).remaining == {1: 0}
    assert mend(BOOK, wallet=36).wallet == 35


def test_what_is_not_determined_is_left_to_a_person():
    twice = [replace(BOOK[0], units=51, balance=77), *BOOK[1:]]
    assert mend(twice).unclear
    of_nobody = [BOOK[0], replace(BOOK[1], units=-21), *BOOK[2:]]
    assert mend(of_nobody, remaining={1: -1, 2: 35}).unclear, "the grant was damaged the same way"


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(-9, 30).filter(bool)), min_size=1, max_size=12),
    st.integers(0, 11),
    st.integers(1, 50),
    st.sampled_from(["units", "balance"]),
)
def test_any_one_figure_is_found_again(moves, at, delta, name):
    entries, balance, left = [], 0, {}
    for number, (grant, units) in enumerate(moves):
        balance += units
        left[grant] = left.get(grant, 0) + units
        entries.append(Entry(number + 1, units, balance, grant))
    at %= len(entries)
    damaged = list(entries)
    damaged[at] = replace(entries[at], **{name: getattr(entries[at], name) + delta})
    found = mend(damaged, remaining=left, wallet=balance, room=False)
    mended = {"units": found.units, "balance": found.balances}[name]
    assert mended == {entries[at].id: getattr(entries[at], name)}
    assert (found.lost, found.remaining, found.wallet, found.unclear) == ([], {}, None, [])
