"""A test's database after the test: empty where the migrations left it empty, and as they left it elsewhere."""

import os

import psycopg
import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from sandbox import databases


def everything():
    """Each table's number of rows, and of reference data the rows themselves."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        tables = [name for (name,) in cursor.fetchall()]
        counts = {}
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table}")
            counts[table] = cursor.fetchone()[0]
    return counts, sorted(Permission.objects.values_list("id", "codename", "name"))


def clean():
    with connection.cursor() as cursor:
        cursor.execute(databases.CLEAN)


def test_rows_of_the_test_go_and_reference_data_comes_back(committed_db):
    before = everything()
    assert before[0]["auth_permission"] > 50
    Group.objects.create(name="temporary").permissions.set(Permission.objects.all()[:3])
    ContentType.objects.create(app_label="temporary", model="temporary")
    Permission.objects.filter(codename__startswith="add_").delete()
    Permission.objects.filter(codename__startswith="view_").update(name="changed")
    assert everything() != before
    clean()
    assert everything() == before
    clean()
    assert everything() == before


def test_rows_of_append_only_tables_go_too(committed_db):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO common_auditentry (id, at, actor_label, action, subject, reason, request_id, data, tags)"
            " VALUES (gen_random_uuid(), now(), 'a', 'b', '', '', '', '{}', '{}')"
        )
    clean()
    assert everything()[0]["common_auditentry"] == 0


@pytest.mark.parametrize("turn", ["first", "second"])
def test_each_test_starts_clean(committed_db, turn):
    assert not Group.objects.filter(name__in=["first", "second"]).exists()
    Group.objects.create(name=turn)


@pytest.mark.parametrize("turn", ["first", "second"])
def test_no_test_has_what_the_session_of_another_kept(committed_db, turn):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('enable_seqscan'), current_setting('TimeZone'), to_regclass('pg_temp.left_behind'),"
            " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
        )
        assert cursor.fetchone() == ("on", "UTC", None, 0)
        cursor.execute("SET enable_seqscan = off; SET TimeZone = 'Europe/Paris'; SELECT pg_advisory_lock(7)")
        cursor.execute("CREATE TEMP TABLE left_behind ()")


def test_a_clone_has_the_template_and_its_own_rows(committed_db):
    server = os.environ["DATABASE_URL"]
    template = databases.ensure_template(server)
    name = f"palier_clone_{os.getpid()}"
    url = databases.clone(server, template, name)
    try:
        assert url.endswith(f"/{name}")
        Group.objects.create(name="here only")
        with psycopg.connect(url) as other:
            found = other.execute("SELECT count(*) FROM auth_group WHERE name = 'here only'").fetchone()
            assert found == (0,)
            assert other.execute("SELECT count(*) FROM auth_permission").fetchone()[0] > 50
    finally:
        databases.drop(server, name)
