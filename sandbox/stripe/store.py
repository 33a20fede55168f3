"""All objects, in memory and, with a file, in SQLite; changed only by committing a unit of work.

Every commit is one SQLite transaction (WAL), so that a killed process continues from its last answered request.
Types are Stripe's object names; those beginning with an underscore are the stand-in's own bookkeeping.
"""

import json
import pickle
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.stripe.errors import missing
from sandbox.stripe.ids import Ids

Object = dict[str, Any]
Key = tuple[str, str]

# What the lists and the billing engine select by; other fields are scanned for.
INDEXED = ("customer", "invoice", "subscription", "product")

FORMAT = "3"  # of stored objects; changed when what is stored could no longer be read

SCHEMA = """
create table if not exists objects (type text, id text, seq integer, body text not null, primary key (type, id));
create table if not exists meta (name text primary key, value text not null);
"""


def copied(obj: Object) -> Object:
    result: Object = pickle.loads(pickle.dumps(obj, pickle.HIGHEST_PROTOCOL))
    return result


class Store:
    def __init__(self, path: Path | None = None) -> None:
        self.objects: dict[str, dict[str, Object]] = {}
        self._index: dict[tuple[str, str, str], dict[str, None]] = {}
        self._type_of: dict[str, str] = {}
        self._seq = 0
        self._db: sqlite3.Connection | None = None
        self.meta: dict[str, str] = {}
        if path is not None:
            self._open(path)

    def _open(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(SCHEMA)
        self.meta = dict(self._db.execute("select name, value from meta"))
        if self.meta.setdefault("format", FORMAT) != FORMAT:
            raise SystemExit(
                f"{path} was written by another version of the stand-in: remove it and begin again."
            )
        self._keep_format(self._db)
        for kind, seq, body in self._db.execute("select type, seq, body from objects order by seq"):
            self._put(kind, json.loads(body))
            self._seq = seq

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    # reading -----------------------------------------------------------------------------------------------------

    def peek(self, kind: str, object_id: str) -> Object | None:
        return self.objects.get(kind, {}).get(object_id)

    def type_of(self, object_id: str) -> str | None:
        return self._type_of.get(object_id)

    def everything(self) -> Iterator[tuple[Key, Object]]:
        for kind, rows in self.objects.items():
            for object_id, obj in rows.items():
                yield (kind, object_id), obj

    def candidates(self, kind: str, equals: dict[str, Any]) -> Iterator[str]:
        for field in INDEXED:
            if isinstance(equals.get(field), str):
                return iter(list(self._index.get((kind, field, equals[field]), {})))
        return iter(list(self.objects.get(kind, {})))

    # writing -----------------------------------------------------------------------------------------------------

    def _put(self, kind: str, obj: Object) -> None:
        self._reindex(kind, obj["id"], obj)
        self.objects.setdefault(kind, {})[obj["id"]] = obj
        if not kind.startswith("_"):
            self._type_of[obj["id"]] = kind

    def _reindex(self, kind: str, object_id: str, obj: Object) -> None:
        """An unchanged field keeps its place, so that what is selected by it stays in order of creation."""
        old = self.objects.get(kind, {}).get(object_id, {})
        for field in INDEXED:
            before, after = old.get(field), obj.get(field)
            if before == after:
                continue
            if isinstance(before, str):
                self._index[kind, field, before].pop(object_id, None)
            if isinstance(after, str):
                self._index.setdefault((kind, field, after), {})[object_id] = None

    def _drop(self, kind: str, object_id: str) -> None:
        self._reindex(kind, object_id, {})
        self.objects.get(kind, {}).pop(object_id, None)

    def apply(self, changes: dict[Key, Object | None], meta: dict[str, str]) -> None:
        """Commits: first to the file, then to memory, so that memory never knows more than the file."""
        if self._db is not None:
            self._write(self._db, changes, meta)
        for (kind, object_id), obj in changes.items():
            self._seq += 1
            if obj is None:
                self._drop(kind, object_id)
            else:
                self._put(kind, obj)
        self.meta |= meta

    def _write(self, db: sqlite3.Connection, changes: dict[Key, Object | None], meta: dict[str, str]) -> None:
        db.execute("begin immediate")
        try:
            for offset, ((kind, object_id), obj) in enumerate(changes.items(), start=1):
                if obj is None:
                    db.execute("delete from objects where type = ? and id = ?", (kind, object_id))
                    continue
                db.execute(
                    "insert into objects (type, id, seq, body) values (?, ?, ?, ?)"
                    " on conflict (type, id) do update set body = excluded.body",
                    (kind, object_id, self._seq + offset, json.dumps(obj)),
                )
            db.executemany(
                "insert into meta (name, value) values (?, ?)"
                " on conflict (name) do update set value = excluded.value",
                meta.items(),
            )
            db.execute("commit")
        except BaseException:
            db.execute("rollback")
            raise

    def clear(self) -> None:
        self.objects.clear()
        self._index.clear()
        self._type_of.clear()
        if self._db is not None:
            self._db.execute("delete from objects")

    def _keep_format(self, db: sqlite3.Connection) -> None:
        db.execute("insert or ignore into meta (name, value) values ('format', ?)", (FORMAT,))


class Tx:
    """A unit of work: reads give working copies, which `commit` compares with what they were.

    `now` (Unix seconds) stands still for as long as it lasts.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: int,
        ids: Ids,
        settings: Any,
        base_url: str = "",
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        self.store = store
        self.now = now
        self.ids = ids
        self.settings = settings
        self.base_url = base_url
        self.request_id = request_id
        self.idempotency_key = idempotency_key
        self.preview = False  # compute everything, charge nothing, keep nothing
        self.discard = False
        self.made_invoices: list[str] = []  # in order
        self.snapshots: dict[str, Object] = {}  # what the last event of this unit said of an object
        self._working: dict[Key, Object] = {}
        self._removed: set[Key] = set()
        self._types: dict[str, str] = {}

    # reading -----------------------------------------------------------------------------------------------------

    def peek(self, kind: str, object_id: str) -> Object | None:
        """The object as it now stands, for reading only."""
        key = (kind, object_id)
        if key in self._removed:
            return None
        return self._working.get(key) or self.store.peek(kind, object_id)

    def lookup(self, object_id: str) -> Object | None:
        """Any object by its id alone, for reading only."""
        kind = self._types.get(object_id) or self.store.type_of(object_id)
        return self.peek(kind, object_id) if kind else None

    def maybe(self, kind: str, object_id: str | None) -> Object | None:
        """A working copy, or None when there is no such object."""
        if object_id is None or self.peek(kind, object_id) is None:
            return None
        key = (kind, object_id)
        if key not in self._working:
            self._working[key] = copied(self.store.objects[kind][object_id])
        return self._working[key]

    def get(self, kind: str, object_id: str, *, param: str = "id") -> Object:
        """A working copy; Stripe's 404 when there is none."""
        obj = self.maybe(kind, object_id)
        if obj is None:
            raise missing(kind, object_id, param)
        return obj

    def find(self, kind: str, **equals: Any) -> list[Object]:
        """Working copies of all that have these field values, oldest first."""
        return [self.get(kind, obj["id"]) for obj in self.scan(kind, **equals)]

    def scan(self, kind: str, **equals: Any) -> list[Object]:
        """As `find`, for reading only: nothing is copied."""
        found = []
        ids = dict.fromkeys(self.store.candidates(kind, equals))
        ids |= dict.fromkeys(object_id for of, object_id in self._working if of == kind)
        for object_id in ids:
            obj = self.peek(kind, object_id)
            if obj is not None and all(obj.get(field) == value for field, value in equals.items()):
                found.append(obj)
        return found

    # writing -----------------------------------------------------------------------------------------------------

    def add(self, obj: Object, kind: str | None = None) -> Object:
        kind = kind or obj["object"]
        self._working[kind, obj["id"]] = obj
        self._removed.discard((kind, obj["id"]))
        if not kind.startswith("_"):
            self._types[obj["id"]] = kind
        return obj

    def remove(self, kind: str, object_id: str) -> None:
        self._working.pop((kind, object_id), None)
        self._removed.add((kind, object_id))

    def changes(self) -> dict[Key, Object | None]:
        changed: dict[Key, Object | None] = {
            key: obj for key, obj in self._working.items() if obj != self.store.peek(*key)
        }
        return changed | dict.fromkeys(self._removed)

    def commit(self) -> dict[Key, Object | None]:
        """Makes the work stand; answers what it changed, None for what is gone."""
        changes = self.changes()
        if changes:
            self.store.apply(changes, {"ids": str(self.ids.count)})
        self._working, self._removed = {}, set()
        return changes
