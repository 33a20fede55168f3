"""Stored things that a smaller plan has no room for."""

from __future__ import annotations

import pytest

from billing import stored
from billing.rules.stored import excess, has_grown, returning
from billing.services import plan_change_preview, plan_change_request
from billing.tests.conftest import person
from billing.tests.helpers import ask, everything
from common.clock import database_now
from common.errors import ValidationError


class Shelf:
    """Five things that nobody can move."""

    def in_use(self, account_id):
        return [{"id": f"p{n}", "name": f"Persona {n}"} for n in range(5)]

    def archived(self, account_id):
        return []


@pytest.fixture
def shelf(monkeypatch):
    monkeypatch.setitem(stored._stores, "personas", Shelf())


@pytest.mark.req("PC-10")
def test_preview_lists_what_would_exceed(catalog, shelf):
    account = person()
    ask(account, "premium")
    seen = plan_change_preview(
        account=account, user=None, target_plan="basic", interval=None, now=database_now()
    )
    (exceeding,) = seen.exceeding
    assert (exceeding.metric, exceeding.limit, exceeding.stored, exceeding.excess) == ("personas", 3, 5, 2)
    assert [one["name"] for one in exceeding.items] == ["Persona 3", "Persona 4"]


@pytest.mark.req("PC-10")
def test_what_is_to_be_kept_is_checked_and_remembered(catalog, shelf):
    account = person()
    ask(account, "premium")

    def downgrade(*keep):
        return plan_change_request(
            account=account,
            user=account.personal_owner,
            target_plan="basic",
            interval=None,
            quote=None,
            idempotency_key=None,
            request_id="req-keep",
            now=database_now(),
            keep=keep,
        )

    before = everything(account, catalog)
    for keep, code in ((("p1", "p9"), "unknown"), (("p0", "p1", "p2", "p3"), "too_many")):
        with pytest.raises(ValidationError) as raised:
            downgrade(*keep)
        assert raised.value.details["fields"][0]["code"] == code
    assert everything(account, catalog) == before
    assert downgrade("p4", "p2").change.keep_ids == ["p4", "p2"]


@pytest.mark.req("PC-10")
@pytest.mark.parametrize(
    ("chosen", "limit", "gone"),
    [
        ((), 3, ["e", "d"]),
        (("e",), 3, ["d", "c"]),
        (("e", "d", "c"), 3, ["b", "a"]),
        (("gone", "e"), 1, ["d", "c", "b", "a"]),
        ((), 5, []),
        ((), 0, ["e", "d", "c", "b", "a"]),
    ],
)
def test_what_goes_is_the_newest_that_was_not_chosen(chosen, limit, gone):
    assert excess(in_use=list("abcde"), chosen=chosen, limit=limit) == gone


@pytest.mark.req("PC-10")
def test_what_was_chosen_comes_back_first_then_the_oldest():
    assert returning(archived=list("abc"), chosen={"c"}) == ["c", "a", "b"]


@pytest.mark.req("PC-10")
@pytest.mark.parametrize(
    ("before", "now", "grown"),
    [(1, 2, True), (2, 2, False), (3, 2, False), (2, None, True), (None, 9, False)],
)
def test_room_grows(before, now, grown):
    assert has_grown(before=before, now=now) is grown
