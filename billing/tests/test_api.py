"""Billing over HTTP: the contract's names, statuses and codes; and that nobody sees another's."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from accounts.tests.factories import bearer
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    decline,
    everything,
    fault,
    no_faults,
    nobody,
    only,
    state,
    subscription,
)
from common.clock import database_now

ERROR_KEYS = {"code", "message", "details", "request_id"}


class Api:
    def __init__(self, account=None) -> None:
        self.headers = bearer(account.personal_owner) if account else {}

    def __call__(self, method: str, path: str, body=None, **headers):
        answer = Client(raise_request_exception=False).generic(
            method,
            path if path.startswith("/") else f"/v1/billing/{path}",
            b"" if body is None else json.dumps(body),
            content_type="application/json",
            **self.headers,
            **headers,
        )
        self.response = answer
        return answer.status_code, answer.json()

    def get(self, path, **headers):
        return self("GET", path, **headers)

    def post(self, path, body=None, **headers):
        return self("POST", path, body if body is not None else {}, **headers)

    def delete(self, path, **headers):
        return self("DELETE", path, **headers)


ROUTES = [
    ("GET", "plans"),
    ("GET", "subscription"),
    ("POST", "subscription"),
    ("POST", "subscription/cancel"),
    ("POST", "subscription/resume"),
    ("POST", "plan-change/preview"),
    ("POST", "plan-change"),
    ("DELETE", "plan-change"),
    ("GET", "plan-changes"),
    ("GET", "payment-methods"),
    ("POST", "payment-methods"),
    ("DELETE", "payment-methods/pm_x"),
    ("POST", "payment-methods/pm_x/default"),
    ("GET", "invoices"),
    ("GET", "invoices/in_x"),
    ("GET", "invoices/in_x/pdf"),
]


@pytest.mark.req("PC-7")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nobody_is_let_in_without_a_token(db, method, path):
    status, body = Api()(method, path)
    assert (status, body["error"]["code"]) == (401, "not_authenticated")
    assert set(body["error"]) == ERROR_KEYS


@pytest.mark.req("PC-1", "PC-7", "PC-8")
def test_the_whole_way(catalog):
    api = Api(person())
    _, plans = api.get("plans")
    assert [one["code"] for one in plans["data"]] == [
        "free",
        "basic",
        "premium",
        "starter",
        "growth",
        "scale",
    ]
    premium = plans["data"][2]
    assert premium["prices"] == [
        {"interval": "month", "amount_minor": 2000, "currency": "eur"},
        {"interval": "year", "amount_minor": 20000, "currency": "eur"},
    ]
    assert premium["limits"][0] == {"metric": "messages", "window": "day", "limit": 1000, "mode": "block"}
    status, seen = api.post("plan-change/preview", {"target_plan": "premium"})
    assert status == 200
    assert set(seen["data"]) >= {
        "kind",
        "effective_at",
        "due_now",
        "next_invoice",
        "lines",
        "quota_changes",
        "exceeding",
        "credits_granted",
        "quote",
        "quote_expires_at",
    }
    status, done = api.post("plan-change", {"target_plan": "premium", "quote": seen["data"]["quote"]})
    assert status == 200
    assert set(done["data"]) == {"plan_change", "subscription", "quota"}
    assert done["data"]["plan_change"]["status"] == "applied"
    assert done["data"]["plan_change"]["request_id"] == api.response["X-Request-Id"]
    assert done["data"]["quota"]["limit"] == 1000
    _, invoices = api.get("invoices")
    (invoice,) = invoices["data"]
    assert invoice["amount_due"] == seen["data"]["due_now"] == done["data"]["plan_change"]["amount"]
    assert invoice["status"] == "paid"
    assert [(line["description"], line["amount_minor"]) for line in invoice["lines"]] == [
        (line["description"], line["amount_minor"]) for line in seen["data"]["lines"]
    ]
    detail = api.get(f"invoices/{invoice['id']}")[1]["data"]
    assert {name: detail[name] for name in invoice} == invoice
    _, scheduled = api.post("plan-change", {"target_plan": "basic"})
    assert scheduled["data"]["subscription"]["pending_change"]["target_plan"] == "basic"
    assert (
        scheduled["data"]["plan_change"]["effective_at"]
        == scheduled["data"]["subscription"]["current_period_end"]
    )
    status, undone = api.delete("plan-change")
    assert (status, undone["data"]["subscription"]["pending_change"]) == (200, None)
    _, history = api.get("plan-changes")
    assert [(one["kind"], one["status"]) for one in history["data"]] == [
        ("downgrade", "undone"),
        ("upgrade", "applied"),
    ]


@pytest.mark.req("PC-6", "PC-7")
def test_the_same_key_replays_the_first_answer_byte_for_byte(catalog):
    api = Api(person())
    first = (
        api.post("plan-change", {"target_plan": "premium"}, HTTP_IDEMPOTENCY_KEY="k-1"),
        api.response.content,
    )
    again = (
        api.post("plan-change", {"target_plan": "premium"}, HTTP_IDEMPOTENCY_KEY="k-1"),
        api.response.content,
    )
    assert first == again
    assert api.response["Idempotent-Replayed"] == "true"
    status, body = api.post("plan-change", {"target_plan": "basic"}, HTTP_IDEMPOTENCY_KEY="k-1")
    assert (status, body["error"]["code"]) == (422, "idempotency_key_reused")
    assert len(state(catalog)["charges"]) == 1


@pytest.mark.req("PC-3", "PC-7")
@pytest.mark.parametrize(
    ("prepare", "call", "status", "code"),
    [
        ("free", ("plan-change", {"target_plan": "gold"}), 422, "invalid_target_plan"),
        ("free", ("plan-change", {"target_plan": "basic", "interval": "week"}), 422, "validation_error"),
        ("free", ("plan-change", {"target_plan": 7}), 422, "validation_error"),
        ("free", ("plan-change", {}), 422, "validation_error"),
        ("free", ("plan-change", {"target_plan": "basic", "sneaky": 1}), 422, "validation_error"),
        ("free", ("plan-change", {"target_plan": "basic", "quote": "no"}), 422, "validation_error"),
        ("free", ("plan-change", {"target_plan": "free"}), 409, "duplicate_plan_change"),
        ("free", ("plan-change", {"target_plan": "scale"}), 409, "plan_change_not_allowed"),
        ("nobody", ("plan-change", {"target_plan": "basic"}), 402, "no_active_subscription"),
        ("nobody", ("plan-change/preview", {"target_plan": "basic"}), 402, "no_active_subscription"),
        ("nobody", ("subscription/cancel", {}), 402, "no_active_subscription"),
        ("free", ("subscription/cancel", {"at": "yesterday"}), 422, "validation_error"),
        ("free", ("subscription/resume", {}), 409, "nothing_to_undo"),
        ("free", ("subscription", {"plan": "basic"}), 409, "already_subscribed"),
        ("declined", ("plan-change", {"target_plan": "basic"}), 402, "payment_failed"),
        ("free", ("plan-change", {"target_plan": "premium\x00"}), 400, "malformed_request"),
        ("free", ("payment-methods", {"payment_method": "pm_no_such"}), 422, "validation_error"),
    ],
)
def test_errors_have_their_code_and_move_nothing(catalog, prepare, call, status, code):
    account = person()
    if prepare == "nobody":
        nobody(account)
    elif prepare == "declined":
        decline(account)
    before = everything(account, catalog)
    answer, body = Api(account).post(*call)
    assert (answer, body["error"]["code"]) == (status, code)
    assert set(body["error"]) == ERROR_KEYS
    assert body["error"]["message"]
    after = everything(account, catalog)
    for kind in ("subscriptions", "done", "limits", "features"):
        assert after[kind] == before[kind]
    assert after["there"]["subscriptions"] == before["there"]["subscriptions"]


@pytest.mark.req("PC-7", "CR-8")
def test_a_provider_that_is_away(catalog):
    account = person()
    api = Api(account)
    fault(catalog, path="/v1/", effect="error_before", times=100)
    for path, body in (
        ("plan-change/preview", {"target_plan": "basic"}),
        ("plan-change", {"target_plan": "basic"}),
    ):
        status, answer = api.post(path, body)
        assert (status, answer["error"]["code"]) == (503, "payment_provider_unavailable")
        assert api.response["Retry-After"]
    assert answer["error"]["details"]["status"] == "failed", "nothing but reads: certainly nothing was done"
    status, answer = api.get("invoices")
    assert status == 503
    no_faults(catalog)
    assert subscription(account).plan.code == "free"


@pytest.mark.req("BI-4")
def test_payment_methods(catalog):
    account = person(card=None)
    api = Api(account)
    assert api.get("payment-methods")[1]["data"] == []
    _, first = api.post("payment-methods", {"payment_method": "pm_card_visa"})
    assert (first["data"]["brand"], first["data"]["last4"], first["data"]["is_default"]) == (
        "visa",
        "4242",
        True,
    )
    _, second = api.post("payment-methods", {"payment_method": "pm_card_mastercard"})
    assert second["data"]["is_default"] is False
    status, _ = api.post(f"payment-methods/{second['data']['id']}/default")
    assert status == 200
    ask(account, "basic")
    status, body = api.delete(f"payment-methods/{second['data']['id']}")
    assert (status, body["error"]["details"]["fields"][0]["code"]) == (422, "in_use")
    status, left = api.delete(f"payment-methods/{first['data']['id']}")
    assert [one["id"] for one in left["data"]] == [second["data"]["id"]]


@pytest.mark.req("BI-4", "EN-11")
def test_anothers_things_are_not_found(catalog):
    mine, theirs = person(), person()
    ask(theirs, "premium")
    api, other = Api(mine), Api(theirs)
    card = other.get("payment-methods")[1]["data"][0]["id"]
    invoice = other.get("invoices")[1]["data"][0]["id"]
    before = everything(theirs, catalog)

    def body_of(method, path):
        status, body = api(method, path)
        body["error"].pop("request_id")
        return status, body

    for method, path, unknown in (
        ("DELETE", f"payment-methods/{card}", "payment-methods/pm_unknown"),
        ("POST", f"payment-methods/{card}/default", "payment-methods/pm_unknown/default"),
        ("GET", f"invoices/{invoice}", "invoices/in_unknown"),
        ("GET", f"invoices/{invoice}/pdf", "invoices/in_unknown/pdf"),
    ):
        assert body_of(method, path) == body_of(method, unknown)
        assert body_of(method, path)[0] == 404
    assert everything(theirs, catalog) == before
    assert api.get("plan-changes")[1]["data"] == []
    assert api.get("invoices")[1]["data"] == []


@pytest.mark.req("BI-5")
def test_invoices_page_and_pdf(catalog):
    account = person()
    ask(account, "basic")
    ask(account, "premium")
    api = Api(account)
    _, first = api.get("invoices?limit=1")
    _, rest = api.get(f"invoices?limit=1&cursor={first['meta']['next_cursor']}")
    assert {first["data"][0]["id"], rest["data"][0]["id"]} == set(state(catalog)["invoices"])
    assert rest["meta"]["next_cursor"] is None
    assert api.get("invoices?cursor=forged")[0] == 422
    other = person()
    ask(other, "basic")
    theirs = f"invoices?limit=1&cursor={first['meta']['next_cursor']}"
    assert Api(other).get(theirs)[0] == 422, "another's cursor is none of this list's"
    answer = Client().get(f"/v1/billing/invoices/{rest['data'][0]['id']}/pdf", **api.headers)
    assert answer.status_code == 302


@pytest.mark.req("BI-5")
def test_invoices_by_state_and_year(catalog):
    account = person()
    ask(account, "basic")
    api = Api(account)
    year = database_now().year
    for query, count in (
        ("status=paid", 1),
        ("status=open", 0),
        (f"year={year}", 1),
        (f"year={year - 1}", 0),
    ):
        assert len(api.get(f"invoices?{query}")[1]["data"]) == count
    for query in ("status=odd", "year=12", "year=x", "color=red"):
        assert api.get(f"invoices?{query}")[0] == 422


@pytest.mark.req("BI-8")
def test_withdraw(catalog):
    account = person()
    api = Api(account)
    status, body = api.get("subscription/withdraw")
    assert (status, body["error"]["code"]) == (409, "withdrawal_not_allowed")
    ask(account, "basic")
    offer = api.get("subscription/withdraw")[1]["data"]
    assert (offer["plan"], offer["paid"]["amount_minor"]) == ("basic", 500)
    status, body = api.post("subscription/withdraw")
    assert (status, body["data"]["withdrawal"]["status"]) == (200, "done")
    assert body["data"]["subscription"]["plan"]["code"] == "free"
    (invoice,) = api.get("invoices")[1]["data"]
    detail = api.get(f"invoices/{invoice['id']}")[1]["data"]
    assert detail["refunded"] == detail["credited"] == body["data"]["withdrawal"]["refund"]
    assert [one["status"] for one in detail["refunds"]] == ["succeeded"]
    assert len(detail["credit_notes"]) == 1
    status, body = api.post("subscription/withdraw")
    assert (status, body["error"]["details"]["reason"]) == (409, "already_withdrawn")


@pytest.mark.req("PC-13")
def test_cancel_and_resume(catalog):
    account = person()
    ask(account, "premium")
    api = Api(account)
    status, body = api.post("subscription/cancel")
    assert (status, body["data"]["plan_change"]["status"]) == (200, "scheduled")
    assert body["data"]["subscription"]["cancel_at"] == body["data"]["subscription"]["current_period_end"]
    assert body["data"]["subscription"]["pending_change"]["target_plan"] == "free"
    status, body = api.post("subscription/resume")
    assert (status, body["data"]["cancel_at"], body["data"]["pending_change"]) == (200, None, None)
    status, body = api.post("subscription/cancel", {"at": "now"})
    assert (status, body["data"]["subscription"]["plan"]["code"]) == (200, "free")
    assert only(state(catalog)["subscriptions"])["status"] == "canceled"


@pytest.mark.req("BI-3")
def test_start(catalog):
    account = nobody(person(card=None))
    api = Api(account)
    assert api.get("subscription")[0] == 402
    for path in ("subscription", "quota"):
        error = api.get(path)[1]["error"]
        assert error["code"] == "no_active_subscription"
        assert error["details"]["remedies"] == [{"action": "upgrade", "url": "/account/billing/plans/"}]
    status, body = api.post("subscription", {"plan": "basic", "payment_method": "pm_card_visa"})
    assert (status, body["data"]["plan"]["code"]) == (200, "basic")
    assert api.get("subscription")[1]["data"] == body["data"]


@pytest.mark.req("AC-2")
def test_names_in_french(catalog):
    _, body = Api(person()).get("plans", HTTP_ACCEPT_LANGUAGE="fr")
    assert [one["name"] for one in body["data"]][:2] == ["Gratuit", "Basique"]


@pytest.mark.req("PC-7")
def test_the_document_says_which_errors_there_are(db):
    status, document = Api().get("/v1/openapi.json")
    assert status == 200
    answers = document["paths"]["/v1/billing/plan-change"]["post"]["responses"]
    assert set(answers) >= {"200", "401", "402", "403", "409", "422", "429", "503"}


@pytest.mark.req("PC-11")
def test_attempts_are_counted(catalog):
    from billing import metrics

    def value(counter, *labels):
        return counter.labels(*labels)._value.get()

    account = person()
    applied = value(metrics.plan_change_total, "upgrade", "applied")
    refused = value(metrics.plan_change_failure_total, "duplicate_plan_change")
    api = Api(account)
    api.post("plan-change", {"target_plan": "free"})
    assert value(metrics.plan_change_failure_total, "duplicate_plan_change") == refused + 1
    assert value(metrics.plan_change_total, "upgrade", "applied") == applied
