"""Whatever support looks for is found by an index: no search reads a table that grows from one end to the other."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from accounts.admin import account, story
from accounts.models import User
from common import audit, clock
from common.admin import base
from common.admin.records import AuditEntryAdmin
from common.models import AuditEntry
from sandbox import databases
from tests.admin.test_roles import client_of
from tests.conftest import SERVER_URL

pytestmark = [pytest.mark.req("OP-1"), pytest.mark.django_db]

QUOTED = {
    "address": ["Ada@example.test"],
    "number": ["17", "0b5a9a6e-6a5a-4d3c-8f0e-1f4b8f8d2a11", "cus_1"],
    "name": ["Lovelace"],
    "stripe": ["sub_1", "in_1", "ch_1", "pi_1", "cn_1", "evt_1"],
    "card": ["4242"],
    "key": ["plr_test_abc"],
    "invoice": ["ABCD-0001"],
    "contract": ["0b5a9a6e-6a5a-4d3c-8f0e-1f4b8f8d2a11"],
}
SMALL = {
    "billing_unpaidinvoice",  # what is owed at this moment
    "billing_dispute",  # a bank's claim is rare
    "billing_drift",
    "common_anomaly",
    "quotas_metric",
    "django_content_type",
    "auth_permission",
    "auth_group",
}


@pytest.fixture(scope="module")
def untouched(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database of its own, of whose rows the planner has learned nothing: what earlier tests left would change plans."""
    used, name = connection.settings_dict["NAME"], f"palier_searches_{uuid.uuid4().hex[:12]}"
    with django_db_blocker.unblock():
        databases.clone(SERVER_URL, databases.ensure_template(SERVER_URL), name)
        connection.close()
        connection.settings_dict["NAME"] = name
    yield
    with django_db_blocker.unblock():
        connection.close()
        connection.settings_dict["NAME"] = used
        databases.drop(SERVER_URL, name)


@pytest.fixture
def large(untouched: None, db: None) -> None:
    """The planner looks rows up as it would in tables of a million: it reads no table from one end to the other."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")


def scans(statement: str) -> Iterator[tuple[str, bool]]:
    """(table, whether it is found by an index's condition) for every scan that PostgreSQL plans for a statement."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
        row = cursor.fetchone()
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    yield from _scans(plan[0]["Plan"])


def _scans(node: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    if "Relation Name" in node and node["Node Type"] != "Bitmap Heap Scan":
        yield node["Relation Name"], "Index Cond" in node
    for below in node.get("Plans", []):
        if below["Node Type"] == "Bitmap Index Scan":
            yield node.get("Relation Name", "?"), "Index Cond" in below
        yield from _scans(below)


def selects(queries: CaptureQueriesContext) -> list[str]:
    return [one["sql"] for one in queries.captured_queries if one["sql"].startswith("SELECT")]


def unindexed(statements: list[str]) -> set[str]:
    return {
        table
        for statement in statements
        for table, by_index in scans(statement)
        if not by_index and table not in SMALL and not table.startswith("django_session")
    }


@pytest.mark.parametrize("name", sorted(QUOTED))
def test_finders(large, name):
    finder = story.finders[name]
    User.objects.create_user(
        "ada@example.test", None
    )  # found, so that what is asked of her next is looked at too
    for text in QUOTED[name]:
        with CaptureQueriesContext(connection) as queries:
            list(finder.find(text))
        asked = selects(queries)
        assert asked, text
        assert unindexed(asked) == set(), text


def test_every_finder_is_tried():
    assert set(QUOTED) == set(story.finders)


def test_what_a_request_did(large):
    for source in story.sources.values():
        if source.of_request is not None:
            with CaptureQueriesContext(connection) as queries:
                list(source.of_request("req-1"))
            assert unindexed(selects(queries)) == set(), source.name


@pytest.mark.parametrize("model", sorted(admin.site._registry, key=str), ids=lambda model: model._meta.label)
def test_searches_of_the_lists(large, model):
    """Each field that a list's search looks at, by itself: joined by OR they would hide one another."""
    page = admin.site._registry[model]
    request = RequestFactory().get("/admin/")
    request.user = User(is_staff=True, is_superuser=True, is_active=True)
    for field in page.get_search_fields(request):
        for text in ("7", "0b5a9a6e-6a5a-4d3c-8f0e-1f4b8f8d2a11"):
            statement = _by_field(page, request, field, text)
            if statement is not None:
                assert unindexed([statement]) == set(), f"{model._meta.label}, {field}: {statement}"


def _by_field(page: admin.ModelAdmin[Any], request: Any, field: str, text: str) -> str | None:
    only = type("Only", (type(page),), {"get_search_fields": lambda *_: [field]})(page.model, page.admin_site)
    rows, _ = only.get_search_results(request, page.model._default_manager.all(), text)
    with CaptureQueriesContext(connection) as queries:
        list(rows.order_by()[:50])
    asked = selects(queries)
    return asked[0] if asked else None


def test_a_search_that_takes_too_long_is_ended_and_named(db, monkeypatch):
    def slow(_text: str) -> list[story.Found]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")
        return []

    monkeypatch.setattr(account, "LONGEST_SEARCH_S", 1)
    monkeypatch.setitem(story.finders, "slow", story.Finder("slow", "accounts.view_account", slow))
    root = User.objects.create_user("root@staff.test", None, is_staff=True, is_superuser=True)
    page = client_of(root).post("/admin/accounts/account/", {"q": "nobody@example.test"}).content.decode()
    assert "Looking by slow took too long" in page


def test_a_list_that_takes_too_long_is_ended(db, monkeypatch):
    monkeypatch.setattr(base, "LONGEST_LIST_S", 1)
    monkeypatch.setattr(
        AuditEntryAdmin,
        "get_queryset",
        lambda *_: AuditEntry.objects.extra(where=["pg_sleep(30) IS NOT NULL"]),
    )
    audit.record(actor=None, account_id=None, action="thing.done", now=clock.now())
    root = User.objects.create_user("root@staff.test", None, is_staff=True, is_superuser=True)
    answer = client_of(root).get("/admin/common/auditentry/", follow=True)
    assert "That list took too long" in answer.content.decode()
