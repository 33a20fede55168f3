"""Databases for tests, by the dozen: migrated once into a template, then cloned in a tenth of a second.

The template carries a function that empties a database again. It deletes instead of truncating (new files for a
hundred tables cost far more than a few dead rows), skips what was never written, and restores what the migrations
put in (content types, permissions, reference data) when a test changed it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from sandbox.environment import ROOT, application_environment, child_environment, make_secrets

NO_REDIS_NEEDED = "redis://127.0.0.1:9/0"
TEMPLATE_LOCK = 7_025_411  # any number; every process that makes a template takes this one

CLEANING = """
CREATE SCHEMA palier_test;
-- What migrations wrote: a copy of each such table, and a mark by which an unchanged one is known.
CREATE TABLE palier_test.reference (name regclass PRIMARY KEY, copy regclass, rows bigint, newest bigint);

CREATE FUNCTION palier_test.mark(name regclass, OUT rows bigint, OUT newest bigint) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('SELECT count(*), coalesce(max(xmin::text::bigint), 0) FROM %s', name) INTO rows, newest;
END $$;

CREATE VIEW palier_test.written AS
  SELECT c.oid::regclass AS name FROM pg_class c
  WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND pg_relation_size(c.oid) > 0;

DO $$
DECLARE
  found record;
  copied text;
BEGIN
  FOR found IN SELECT name FROM palier_test.written LOOP
    copied := format('palier_test.%I', found.name::text);
    EXECUTE format('CREATE TABLE %s AS TABLE %s', copied, found.name);
    INSERT INTO palier_test.reference SELECT found.name, copied::regclass, m.* FROM palier_test.mark(found.name) m;
  END LOOP;
END $$;

-- Numbers as they are after years: four digits and more are written with separators where somebody forgot to say no.
DO $$
DECLARE
  counted record;
BEGIN
  FOR counted IN SELECT table_name, column_name FROM information_schema.columns
                 WHERE table_schema = 'public' AND is_identity = 'YES' AND data_type <> 'smallint' LOOP
    PERFORM setval(pg_get_serial_sequence(quote_ident(counted.table_name), counted.column_name), 1234);
  END LOOP;
END $$;

CREATE FUNCTION palier_test.clean() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  dirty regclass;
  kept palier_test.reference;
BEGIN
  -- Neither foreign keys nor triggers of append-only tables may stand in the way.
  SET LOCAL session_replication_role = replica;
  SET LOCAL lock_timeout = '10s';
  FOR dirty IN SELECT name FROM palier_test.written w WHERE name NOT IN (SELECT r.name FROM palier_test.reference r) LOOP
    EXECUTE format('DELETE FROM %s', dirty);
  END LOOP;
  FOR kept IN SELECT r.* FROM palier_test.reference r, palier_test.mark(r.name) m
              WHERE (m.rows, m.newest) IS DISTINCT FROM (r.rows, r.newest) LOOP
    EXECUTE format('DELETE FROM %s', kept.name);
    EXECUTE format('INSERT INTO %s OVERRIDING SYSTEM VALUE SELECT * FROM %s', kept.name, kept.copy);
    UPDATE palier_test.reference r SET (rows, newest) = (SELECT m.rows, m.newest FROM palier_test.mark(r.name) m)
    WHERE r.name = kept.name;
  END LOOP;
END $$;
"""
CLEAN = "SELECT palier_test.clean()"
FORGET_SESSION = "RESET ALL; SELECT pg_advisory_unlock_all(); DISCARD TEMP"
OTHERS = """SELECT pid, application_name, state, now() - xact_start AS in_transaction, wait_event, query
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def with_database(url: str, name: str) -> str:
    """The same server's address with another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def ensure_template(server_url: str) -> str:
    """The name of a database that has all migrations as they are now, made when it does not exist yet."""
    name = f"palier_template_{_fingerprint()}"
    with _administration(server_url) as server:
        server.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            unfinished = f"{name}_unfinished"
            drop(server_url, unfinished)
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
            _migrate(with_database(server_url, unfinished))
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            server.execute(rename.format(sql.Identifier(unfinished), sql.Identifier(name)))
    return name


def clone(server_url: str, template: str, name: str) -> str:
    """Make the database `name` as a copy of `template` and return its address. An old one of that name is dropped."""
    drop(server_url, name)
    with _administration(server_url) as server:
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        server.execute(command.format(sql.Identifier(name), sql.Identifier(template)))
    return with_database(server_url, name)


def drop(server_url: str, name: str) -> None:
    """Drop the database, ending whatever sessions are on it."""
    with _administration(server_url) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def _administration(server_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(with_database(server_url, "postgres"), autocommit=True) as connection:
        yield connection


def _migrate(database_url: str) -> None:
    command = [sys.executable, "-m", "sandbox.migrate"]
    values = application_environment(
        database_url=database_url, redis_url=NO_REDIS_NEEDED, kept=make_secrets()
    )
    subprocess.run(command, cwd=ROOT, env=child_environment(values), check=True)
    with psycopg.connect(database_url) as connection:
        connection.execute(CLEANING)


def _fingerprint() -> str:
    """Changes with any migration, with the pinned packages (they bring migrations too), and with this file."""
    digest = hashlib.sha256()
    sources = [
        *ROOT.glob("*/migrations/*.py"),
        ROOT / "requirements.txt",
        ROOT / "sandbox" / "databases.py",
        ROOT / "sandbox" / "migrate.py",
    ]
    for source in sorted(sources):
        digest.update(os.fsencode(source.relative_to(ROOT)) + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]
