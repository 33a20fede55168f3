"""What Stripe tells us, in order, reversed, doubled, shuffled and three days late: the same end each time.

First it is told at once, as things happen: how that ends is what every other way has to end in.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from zlib import crc32

import pytest

from billing.services import overdue_apply
from common import books
from tests.billing.business_sequences import BUSINESS_HAPPENINGS
from tests.billing.endstates import Row, end_state, told, waiting, wrongly_mirrored
from tests.billing.payer_sequences import PAYER_HAPPENINGS
from tests.billing.post import Event, PostOffice
from tests.billing.sequences import HAPPENINGS, Happening
from tests.billing.snapshots import Snapshot
from tests.billing.subscribers import Life
from tests.billing.table_sequences import NAMED, SEQUENCES, of_case

LATE = timedelta(days=3)


def _shuffled(events: list[Event]) -> list[Event]:
    seed = crc32(" ".join(one["type"] for one in events).encode())
    return random.Random(seed).sample(events, len(events))


ORDERS: dict[str, Callable[[list[Event]], list[Event]]] = {
    "in order, doubled": lambda events: [*events, *events],
    "reversed": lambda events: events[::-1],
    "shuffled": _shuffled,
}


@pytest.mark.req("BI-2", "BI-7")
@pytest.mark.parametrize("name", HAPPENINGS)
def test_the_order_makes_no_difference(world, name: str):
    _prove(Proof(HAPPENINGS[name], world))


@pytest.mark.req("BI-2", "BI-3")
@pytest.mark.parametrize("name", PAYER_HAPPENINGS)
def test_the_order_makes_no_difference_where_the_bank_asks(world, name: str):
    _prove(Proof(PAYER_HAPPENINGS[name], world))


@pytest.mark.req("BI-2", "CR-1", "CR-5")
@pytest.mark.parametrize("name", BUSINESS_HAPPENINGS)
def test_the_order_makes_no_difference_to_an_organisation(world, name: str):
    _prove(Proof(BUSINESS_HAPPENINGS[name], world))


@pytest.mark.req("BI-2", "PC-1")
@pytest.mark.parametrize("name", SEQUENCES)
def test_the_order_makes_no_difference_to_a_change_of_plan(world, name: str):
    _prove(Proof(of_case(NAMED[name]), world))


def _prove(proof: Proof) -> None:
    at_once = proof.told_at_once()
    differences = _differences("three days late", proof.three_days_later(), proof.told_late())
    for order, end in proof.told_at_the_end():
        differences += _differences(order, at_once, end)
    assert not differences, "\n".join(differences)


class End:
    """Where one way has led to."""

    def __init__(self, life: Life, post: PostOffice, answer: object) -> None:
        overdue_apply(now=life.world.tick())
        assert post.undelivered() == []
        assert waiting() == []
        if post.mirror:
            about = {one["data"]["object"]["id"] for one in post.delivered}
            assert wrongly_mirrored(life.world, about) == []
        assert books.verify_all() == []
        self.rows: dict[str, list[Row]] = end_state(life.world)
        self.told = told()
        self.answer = answer


class Proof:
    """The way to where it begins is gone once."""

    def __init__(self, happening: Happening, world) -> None:
        self.happening = happening
        self.life = happening.before(world)
        self._model = deepcopy(self.life.model)
        self._start = Snapshot.keep(world)

    def _begin(self, delay: timedelta | None) -> tuple[PostOffice, object]:
        world = self.life.world
        self._start.put_back(world)
        self.life.model = deepcopy(self._model)
        self.life.account.refresh_from_db()
        world.post = PostOffice(world, delay)
        return world.post, self.happening.act(self.life)

    def told_at_once(self) -> End:
        """How it ends, which is what must be."""
        post, answer = self._begin(timedelta())
        self.life.world.tick()
        if self.happening.agrees:
            self.life.agree()
        self._told = (post, answer)
        return End(self.life, post, answer)

    def three_days_later(self) -> End:
        """The same when three more days have passed."""
        self._three_days_pass()
        return End(self.life, *self._told)

    def told_late(self) -> End:
        post, answer = self._begin(LATE)
        self._three_days_pass()
        post.deliver(post.undelivered())
        return End(self.life, post, answer)

    def _three_days_pass(self) -> None:
        self.life.live_to(self.life.second + LATE)

    def told_at_the_end(self) -> Iterator[tuple[str, End]]:
        """Nothing is heard until all has happened; what then is told leads to more, which is told at once."""
        post, answer = self._begin(None)
        events, at_the_end = post.undelivered(), Snapshot.keep(self.life.world)
        assert events
        for name, order in ORDERS.items():
            at_the_end.put_back(self.life.world)
            post = PostOffice(
                self.life.world, timedelta(), mirror=self.happening.mirrors and name == "reversed"
            )
            post.deliver(order(events))
            post.bring()
            yield name, End(self.life, post, answer)


def _differences(order: str, expected: End, found: End) -> list[str]:
    """Rows that only one of them has; and what only the second one tells."""
    wrong = [] if expected.answer == found.answer else [f"{order}: answers {found.answer}"]
    for table in sorted(expected.rows.keys() | found.rows.keys()):
        one, other = (Counter(map(repr, end.rows.get(table, []))) for end in (expected, found))
        wrong += [f"{order}: {table} lacks {row}" for row in (one - other).elements()]
        wrong += [f"{order}: {table} has {row}" for row in (other - one).elements()]
    return wrong + [f"{order}: tells {what}" for what in (found.told - expected.told).elements()]
