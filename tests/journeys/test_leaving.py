"""Somebody leaves: afterwards no table knows who it was, and the books still balance."""

from __future__ import annotations

import re

import pytest
import requests

from tests.callers import Caller
from tests.personal_data import personal_fields, tables_without_rows, words_found
from tests.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.req("AC-3")]

TEXT = "Where is the Moon for Zebulon?"
REASON = "I move to Kyrgyzstan"
DETAILS = {
    "name": "Zinnia & Zebra Ltd",
    "email": "invoices@zinnia.test",
    "line1": "7 Zeppelin Lane",
    "line2": "Floor Zero",
    "postal_code": "8011ZQ",
    "city": "Zwolle",
    "country": "NL",
}
MOST_PERSONAS = 20
TAX_ID = "NL123456789B01"
PAGE = "/account/billing/details/"
# Of organisations and staff, of credits, and of disputes and refunds: nothing of this person's life before it leaves.
NOT_FILLED = {
    "accounts_accountdeletion",
    "accounts_membership",
    "accounts_user_groups",
    "accounts_user_user_permissions",
    "billing_cardchoice",
    "billing_dispute",
    "billing_invoicepayment",
    "billing_overagecharge",
    "billing_overagecollection",
    "billing_refund",
    "billing_spendcap",
    "billing_withdrawal",
    "common_anomaly",
    "django_admin_log",
    "enterprise_closing",
    "enterprise_contract",
    "enterprise_credential",
    "enterprise_invitation",
    "mfa_authenticator",
    "quotas_grant",
    "quotas_ledgerentry",
    "quotas_wallet",
    "showcase_generation",
}
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


def send(browser: requests.Session, url: str, at: str, **fields: str) -> None:
    """A form of the page, without a script."""
    found = TOKEN.search(browser.get(at, timeout=30).text)
    assert found is not None
    data = {"csrfmiddlewaretoken": found.group(1), **fields}
    answer = browser.post(url, data, headers={"Referer": at}, timeout=60, allow_redirects=False)
    assert answer.status_code == 302, answer.text


def give_details(stack: Stack, email: str) -> None:
    """What stands on invoices, and an invoice on which it stands."""
    with requests.Session() as browser:
        sign_in, page = f"{stack.base_url}/accounts/login/", stack.base_url + PAGE
        send(browser, sign_in, sign_in, login=email, password="palier-demo")
        send(browser, page, page, **DETAILS)
        send(browser, f"{page}tax-ids/", page, key="0" * 32, kind="eu_vat", value=TAX_ID)


def be_invited(stack: Stack, email: str) -> None:
    """An organisation asks the person in, who has not answered yet."""
    with requests.Session() as browser:
        sign_in, members = f"{stack.base_url}/accounts/login/", f"{stack.base_url}/organisation/members/"
        send(browser, sign_in, sign_in, login="acme@palier.test", password="palier-demo")
        send(browser, members, members, email=email, role="viewer")


def be_refused(caller: Caller) -> None:
    """One persona more than the plan has room for."""
    for number in range(MOST_PERSONAS + 1):
        last = caller.post("/v1/personas", {"name": f"Zora the persona {number}", "traits": ["calm"]})
    assert last.json()["error"]["code"] == "quota_exceeded"


def test_nobody_knows_who_it_was(stack: Stack):
    name, email = "premium", "premium@palier.test"
    caller = stack.caller(name)
    settings = caller.get("/v1/account/settings").json()["data"]
    on_invoices = (
        *(DETAILS[one] for one in ("name", "email", "line1", "line2", "postal_code", "city")),
        TAX_ID,
    )
    words = (email, settings["display_name"], "Zebulon", "Zora the persona", "Kyrgyzstan", *on_invoices)
    give_details(stack, email)
    be_invited(stack, email)
    be_refused(caller)
    assert caller.post("/v1/billing/plan-change", {"target_plan": "premium", "interval": "year"}).ok
    assert caller.post("/v1/chat/messages", {"text": TEXT}, key="kept-answer").status_code in (200, 201)
    assert caller.post("/v1/billing/subscription/cancel", {"at": "period_end", "reason": REASON}).ok
    account_id, user_id, customer = stack.sql(
        "SELECT id, personal_owner_id, stripe_customer_id FROM accounts_account WHERE billing_email = %s",
        DETAILS["email"],
    )[0]
    owners = {"account_id": account_id, "user_id": user_id, "actor_id": user_id}
    exported = caller.get("/v1/account/export").json()["data"]
    assert exported["showcase"]["messages"][0]["text"] == TEXT
    assert exported["billing"]["invoices"]
    assert exported["account"]["email"] == email
    billing = exported["billing"]
    assert billing["billing_details"]["address"]["line1"] == DETAILS["line1"]
    assert [one["value"] for one in billing["billing_details"]["tax_ids"]] == [TAX_ID]
    assert billing["payment_methods"][0]["last4"]
    assert billing["payments"][0]["card_last4"] == billing["payment_methods"][0]["last4"]
    assert REASON in [one["reason"] for one in billing["plan_changes"]]
    cards = [one["id"] for one in billing["payment_methods"]]
    stack.wait_quiet()
    before = words_found(stack, words)
    assert {word for word in words if any(one.endswith(word) for one in before)} == set(words)
    assert "billing_paymentattempt.card_last4" in personal_fields(stack, owners, (customer, *cards))

    assert tables_without_rows(stack, owners) == NOT_FILLED, "a new table: fill it above, or say why not"

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
    assert words_found(stack, words) == set()
    refused = "SELECT 1 FROM quotas_refusedcall WHERE account_id = %s"
    assert stack.sql(refused, account_id), "counts name nobody and stay"
    assert personal_fields(stack, owners, (customer, *cards)) == set()
    at_stripe = stack.stripe("state")
    gone = at_stripe["customers"][customer]
    assert gone.get("deleted"), "with all its details; invoices keep theirs, as the law wants"
    assert set(gone) == {"id", "object", "deleted"}
    mine = [one for one in at_stripe["subscriptions"].values() if one["status"] != "canceled"]
    assert not [one for one in mine if one["customer"] not in live_customers(at_stripe)]
    assert stack.sql("SELECT 1 FROM billing_planchange WHERE account_id = %s", account_id), "history stays"


def live_customers(state):
    return {id_ for id_, one in state["customers"].items() if not one.get("deleted")}
