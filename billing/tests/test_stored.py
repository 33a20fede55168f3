"""Stored things that a smaller plan has no room for."""

from __future__ import annotations

import pytest

from billing.services import (
    plan_change_preview,
)
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    everything,
)
from common.clock import database_now


@pytest.mark.req("PC-10")
def test_preview_lists_what_would_exceed(catalog):
    from billing import stored

    account = person()
    ask(account, "premium")
    kept = dict(stored._providers)
    stored.register("personas", lambda _: [{"id": str(n), "name": f"Persona {n}"} for n in range(5)])
    try:
        seen = plan_change_preview(
            account=account, user=None, target_plan="basic", interval=None, now=database_now()
        )
    finally:
        stored._providers.clear()
        stored._providers.update(kept)
    (exceeding,) = seen.exceeding
    assert (exceeding.metric, exceeding.limit, exceeding.stored, exceeding.excess) == ("personas", 3, 5, 2)
    assert [one["name"] for one in exceeding.items] == ["Persona 3", "Persona 4"]


@pytest.mark.req("PC-10")
def test_what_is_to_be_kept_is_checked_and_remembered(catalog, monkeypatch):
    from billing import stored
    from billing.services import plan_change_request
    from common.errors import ValidationError

    account = person()
    ask(account, "premium")
    things = [{"id": f"p{n}", "name": f"Persona {n}"} for n in range(5)]
    monkeypatch.setitem(stored._providers, "personas", lambda _: things)

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
