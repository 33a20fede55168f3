"""Somebody leaves: afterwards no table knows who it was, and the books still balance."""

from __future__ import annotations

import pytest
import requests

from tests.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.req("AC-3")]

TEXT = "Where is the Moon for Zebulon?"
TABLES = """
SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
"""


def tables_naming(stack: Stack, words: tuple[str, ...]) -> set[str]:
    """The tables in which one of these words stands anywhere."""
    found = set()
    for (table,) in stack.sql(TABLES):
        for word in words:
            if stack.sql(f'SELECT 1 FROM "{table}" AS row WHERE row::text ILIKE %s LIMIT 1', f"%{word}%"):
                found.add(f"{table}: {word}")
    return found


def test_nobody_knows_who_it_was(stack: Stack):
    name, email = "premium", "premium@palier.test"
    caller = stack.caller(name)
    settings = caller.get("/v1/account/settings").json()["data"]
    words = (email, settings["display_name"], "Zebulon", "Zora the persona")
    assert caller.post("/v1/chat/messages", {"text": TEXT}, key="kept-answer").status_code in (200, 201)
    assert caller.post("/v1/personas", {"name": "Zora the persona", "traits": ["calm"]}).ok
    (account_id,) = stack.sql("SELECT id FROM accounts_account WHERE billing_email = %s", email)[0]
    exported = caller.get("/v1/account/export").json()["data"]
    assert exported["showcase"]["messages"][0]["text"] == TEXT
    assert exported["billing"]["invoices"]
    assert exported["account"]["email"] == email
    stack.wait_quiet()
    assert tables_naming(stack, words), "the search finds what is there"

    wrong = caller.post("/v1/account/deletion", {"password": "wrong", "confirm": True})
    assert (wrong.status_code, caller.get("/v1/account/settings").status_code) == (422, 200)
    unsure = caller.post("/v1/account/deletion", {"password": "palier-demo", "confirm": False})
    assert (unsure.status_code, caller.get("/v1/account/settings").status_code) == (422, 200)

    answer = caller.post("/v1/account/deletion", {"password": "palier-demo", "confirm": True})
    assert (answer.status_code, answer.json()["data"]) == (200, {"status": "deleted"})
    assert caller.get("/v1/account/settings").status_code == 401
    again = requests.post(
        f"{stack.base_url}/v1/auth/token", json={"email": email, "password": "palier-demo"}, timeout=30
    )
    assert again.status_code == 401
    stack.wait_quiet()
    stack.advance("5d")
    assert tables_naming(stack, words) == set()
    at_stripe = stack.stripe("state")
    mine = [one for one in at_stripe["subscriptions"].values() if one["status"] != "canceled"]
    assert not [one for one in mine if one["customer"] not in live_customers(at_stripe)]
    assert stack.sql("SELECT 1 FROM billing_planchange WHERE account_id = %s", account_id), "history stays"
    stack.manage("verify_books")


def live_customers(state):
    return {id_ for id_, one in state["customers"].items() if not one.get("deleted")}
