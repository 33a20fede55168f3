"""Where a proof stands, kept and put back: our database and the stand-in, so that a way to it is gone only once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sandbox.stripe.store import copied
from tests.billing.world import World, run_sql

# A copy of each table, empty until something is kept in it.
PREPARE = """
DO $$
DECLARE
  found record;
BEGIN
  IF to_regnamespace('palier_kept') IS NOT NULL THEN
    RETURN;
  END IF;
  CREATE SCHEMA palier_kept;
  FOR found IN SELECT oid::regclass AS name, relname FROM pg_class
               WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
    EXECUTE format('CREATE UNLOGGED TABLE palier_kept.%I (LIKE %s)', found.relname, found.name);
  END LOOP;
END $$
"""
KEEP = """
DO $$
DECLARE
  found record;
BEGIN
  FOR found IN SELECT oid::regclass AS name FROM pg_class
               WHERE relnamespace = 'palier_kept'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0 LOOP
    EXECUTE format('DELETE FROM %s', found.name);
  END LOOP;
  FOR found IN SELECT c.oid::regclass AS name, c.relname FROM palier_test.written w JOIN pg_class c ON c.oid = w.name LOOP
    EXECUTE format('INSERT INTO palier_kept.%I TABLE %s', found.relname, found.name);
  END LOOP;
END $$
"""
PUT_BACK = """
DO $$
DECLARE
  found record;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR found IN SELECT c.oid::regclass AS name, c.relname FROM pg_class c
               JOIN pg_class kept ON kept.relname = c.relname AND kept.relnamespace = 'palier_kept'::regnamespace
               WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
                 AND (pg_relation_size(c.oid) > 0 OR pg_relation_size(kept.oid) > 0)
                 AND c.oid NOT IN (SELECT r.name FROM palier_test.reference r) LOOP
    EXECUTE format('DELETE FROM %s', found.name);
    EXECUTE format('INSERT INTO %s OVERRIDING SYSTEM VALUE TABLE palier_kept.%I', found.name, found.relname);
  END LOOP;
END $$
"""


@dataclass(frozen=True)
class Snapshot:
    """`keep` one, then `put_back` as often as wanted, in later proofs too, until another one is kept (`is_kept`). Tables
    that hold only what migrations or the catalogue wrote are taken to be unchanged.
    """

    now: datetime
    objects: list[tuple[str, dict[str, Any]]]
    newest: ClassVar[Snapshot | None] = None

    @classmethod
    def keep(cls, world: World) -> Snapshot:
        run_sql(PREPARE)
        run_sql(KEEP)
        core = world.stand_in.core
        with core.lock:
            found = [(kind, copied(one)) for (kind, _id), one in core.store.everything()]
        cls.newest = cls(world.now, found)
        return cls.newest

    @property
    def is_kept(self) -> bool:
        """The database keeps one at a time."""
        return self is Snapshot.newest

    def put_back(self, world: World) -> None:
        assert self.is_kept, "another one was kept since"
        run_sql(PUT_BACK)
        core = world.stand_in.core
        with core.lock:
            core.reset()
            world.clock.set(self.now)
            tx = core.begin()
            for kind, one in self.objects:
                tx.add(copied(one), kind)
            core.commit(tx)
