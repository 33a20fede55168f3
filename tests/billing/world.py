"""A world for proofs about months and money: the database, the stand-in for Stripe, and one clock that stands still.

The clock moves only when a proof moves it, so that "the period's last second" is exactly that on any machine, and a
leap year costs nothing. The catalogue is published once; each proof begins with it and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from django.db import connection

from sandbox.stripe import StripeStandIn
from sandbox.stripe.store import copied

if TYPE_CHECKING:
    from tests.billing.post import PostOffice

TICK = timedelta(milliseconds=1)
BEGIN = datetime(2027, 1, 1, tzinfo=UTC)

# The same function with a standing clock. The meter's fastest statement does not call it: it adds the sandbox's shift
# to the real time by itself, so that is set as well, which is right to within the milliseconds since.
STANDING = """
CREATE TABLE palier_test.standing (now timestamptz NOT NULL);
INSERT INTO palier_test.standing VALUES (clock_timestamp());
CREATE OR REPLACE FUNCTION palier_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT now FROM palier_test.standing
$$
"""
SET = """
WITH standing AS (UPDATE palier_test.standing SET now = %(now)s RETURNING now)
INSERT INTO common_sandbox_clock (id, shift) SELECT 1, now - clock_timestamp() FROM standing
ON CONFLICT (id) DO UPDATE SET shift = excluded.shift
"""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StandingClock:
    """What the stand-in takes for its clock, and what the database says: both move when told to."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._now_us = 0
        self.set(BEGIN)

    def now_us(self) -> int:
        return self._now_us

    def now(self) -> int:
        return self._now_us // 1_000_000

    def move_to(self, at: int) -> None:
        if at * 1_000_000 > self._now_us:
            self.set(datetime.fromtimestamp(at, UTC))

    def set(self, moment: datetime) -> None:
        """Also back: at the beginning of a proof, when nothing is there to be confused."""
        self._now_us = (moment - EPOCH) // timedelta(microseconds=1)
        self._connection.execute(SET, {"now": moment})

    def close(self) -> None:
        self._connection.close()


class World:
    """`now`, and the ways to move it. Nobody is told what happens at Stripe unless the proof delivers it, or has opened
    a `post` office.
    """

    def __init__(self, stand_in: StripeStandIn, clock: StandingClock) -> None:
        self.stand_in = stand_in
        self.clock = clock
        self.post: PostOffice | None = None
        self._stock: list[dict[str, Any]] = []

    @property
    def now(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.clock.now_us())

    def keep_stock(self) -> None:
        """What the stand-in holds now is what each proof begins with."""
        objects = self.stand_in.core.store.objects
        self._stock = [copied(one) for kind in ("product", "price") for one in objects.get(kind, {}).values()]

    def begin(self, moment: datetime) -> None:
        """An empty stand-in with the catalogue, at any moment."""
        core = self.stand_in.core
        self.post = None
        with core.lock:
            core.reset()
            self.clock.set(moment)
            tx = core.begin()
            for one in self._stock:
                tx.add(copied(one))
            core.commit(tx)

    def tick(self) -> datetime:
        """A millisecond passes: between two requests there is always some time. Never into the next second."""
        self.clock.set(self.now + TICK)
        if self.post is not None:
            self.post.bring()
        return self.now

    def to(self, moment: datetime) -> None:
        """Time passes; what is due at Stripe on the way happens at its moment."""
        assert moment >= self.now.replace(microsecond=0), "time goes forward"
        if self.post is not None:
            self.post.live_to(moment)
        else:
            self.move(moment)

    def move(self, moment: datetime) -> None:
        """As `to`, and whatever the post brings stays where it is."""
        self.stand_in.core.move(int(moment.timestamp()))

    def stop(self) -> list[datetime]:
        """The next moment at which something is due at Stripe; none when nothing is."""
        due = self.stand_in.core.next_due()
        return [datetime.fromtimestamp(due.at, UTC)] if due else []

    # Reading -----------------------------------------------------------------------------------------------------

    def objects(self, kind: str, **equals: Any) -> list[dict[str, Any]]:
        """Stripe's objects as they are now, oldest first; for reading only."""
        with self.stand_in.core.lock:
            return [copied(one) for one in self.stand_in.core.begin().scan(kind, **equals)]


@contextmanager
def standing_clock(dsn: str) -> Iterator[StandingClock]:
    """The database's clock stands still inside, and is what it was afterwards."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('palier_now'::regproc)")
        (original,) = cursor.fetchone()
        cursor.execute(STANDING)
    clock = StandingClock(dsn)
    try:
        yield clock
    finally:
        clock.close()
        with connection.cursor() as cursor:
            cursor.execute(original)
            cursor.execute("DROP TABLE palier_test.standing")


# Only tables that hold rows: one that an earlier test filled and left empty still has a size, and taken for part of the
# catalogue it would be neither put back nor compared.
KEEP_CATALOGUE = """
DO $$
DECLARE
  found record;
BEGIN
  CREATE TABLE palier_test.catalogue AS SELECT name FROM palier_test.written, palier_test.mark(name) m
    WHERE m.rows > 0 AND name NOT IN (SELECT r.name FROM palier_test.reference r)
      AND name::text NOT IN ('common_sandbox_clock', 'common_auditentry', 'common_outboxmessage');
  FOR found IN SELECT name FROM palier_test.catalogue LOOP
    EXECUTE format('CREATE TABLE palier_test.%I AS TABLE %s', found.name::text, found.name);
    INSERT INTO palier_test.reference
      SELECT found.name, format('palier_test.%I', found.name::text)::regclass, m.* FROM palier_test.mark(found.name) m;
  END LOOP;
END $$
"""
FORGET_CATALOGUE = """
DO $$
DECLARE
  found record;
BEGIN
  FOR found IN SELECT name FROM palier_test.catalogue LOOP
    DELETE FROM palier_test.reference r WHERE r.name = found.name;
    EXECUTE format('DROP TABLE palier_test.%I', found.name::text);
  END LOOP;
  DROP TABLE palier_test.catalogue;
END $$
"""


def run_sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
