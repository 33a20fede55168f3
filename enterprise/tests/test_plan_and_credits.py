"""An organisation's plan and credits by key."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.tests.factories import bearer
from billing import services
from billing.errors import OverageCapReached
from billing.models import OverageCharge, PlanChange, SpendCap
from billing.services import changes, plan_credits
from billing.services import outcomes as outcome_services
from billing.tests.conftest import person
from billing.tests.helpers import fault, no_faults
from billing.tests.stores import credits_of, items, moves, spend, store
from common.clock import database_now
from common.idempotency import LOCK_S
from common.models import AuditEntry, IdempotencyRecord
from enterprise.tests.conftest import Holder, key_of, organisation

SUBSCRIPTION, PREVIEW, CHANGE = "/v1/b2b/subscription", "/v1/b2b/plan-change/preview", "/v1/b2b/plan-change"
CREDITS = "/v1/b2b/credits"
TRANSACTIONS, OVERAGE, CAP = f"{CREDITS}/transactions", f"{CREDITS}/overage", f"{CREDITS}/cap"


def trader(plan="starter", **more) -> Holder:
    account = store(plan, **more)
    return key_of(account, account.members.get())


def data(answer, status=200):
    assert answer.status_code == status, answer.content
    return answer.json()["data"]


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.req("PC-1", "PC-8", "PC-12", "CR-4")
class TestPlan:
    def test_read_preview_change_and_undo(self, trading, stand_in):
        holder = trader()
        assert data(holder.client.get(SUBSCRIPTION))["plan"]["code"] == "starter"
        preview = data(holder.client.post(PREVIEW, {"target_plan": "growth"}, "json"))
        assert (preview["kind"], preview["credits_granted"]) == ("upgrade", 400)
        body = {"target_plan": "growth", "quote": preview["quote"]}
        changed = data(holder.client.post(CHANGE, body, "json"))
        assert changed["plan_change"]["amount"] == preview["due_now"]
        assert changed["subscription"]["plan"]["code"] == "growth"
        assert data(holder.client.get(CREDITS))["balance_units"] == 500
        planned = data(holder.client.post(CHANGE, {"target_plan": "starter"}, "json"))
        assert planned["subscription"]["pending_change"]["target_plan"] == "starter"
        assert data(holder.client.delete(CHANGE))["subscription"]["pending_change"] is None
        assert credits_of(holder.account) == 500

    def test_the_same_key_changes_once(self, trading, stand_in):
        holder = trader()
        body = {"target_plan": "growth"}
        first = holder.client.post(CHANGE, body, "json", HTTP_IDEMPOTENCY_KEY="up")
        again = holder.client.post(CHANGE, body, "json", HTTP_IDEMPOTENCY_KEY="up")
        assert data(first)
        assert again.content == first.content
        assert moves(holder.account) == [("grant", 100, 0), ("grant", 400, 0)]

    def test_another_api_keys_idempotency_key_is_another(self, trading, stand_in):
        holder = trader()
        data(holder.client.post(CHANGE, {"target_plan": "growth"}, "json", HTTP_IDEMPOTENCY_KEY="k"))
        other = holder.another("billing:write").client
        assert data(other.post(CHANGE, {"target_plan": "scale"}, "json", HTTP_IDEMPOTENCY_KEY="k"))
        assert credits_of(holder.account) == 2000

    @pytest.mark.parametrize(
        ("body", "refused"),
        [
            ({"target_plan": "premium"}, (409, "plan_change_not_allowed")),
            ({"target_plan": "no such"}, (422, "invalid_target_plan")),
            ({"target_plan": "starter"}, (409, "duplicate_plan_change")),
            ({"target_plan": ""}, (422, "validation_error")),
            ({"target_plan": "growth", "quote": "forged"}, (422, "validation_error")),
            ({}, (422, "validation_error")),
        ],
    )
    def test_refusals_move_nothing(self, trading, stand_in, body, refused):
        holder = trader()
        assert code(holder.client.post(CHANGE, body, "json")) == refused
        assert moves(holder.account) == [("grant", 100, 0)]
        assert data(holder.client.get(SUBSCRIPTION))["plan"]["code"] == "starter"

    def test_without_a_subscription(self, trading, stand_in):
        holder = trader(None)
        for answer in (
            holder.client.get(SUBSCRIPTION),
            holder.client.post(PREVIEW, {"target_plan": "growth"}, "json"),
            holder.client.post(CHANGE, {"target_plan": "growth"}, "json"),
        ):
            assert code(answer) == (402, "no_active_subscription")
        assert not PlanChange.objects.filter(account=holder.account, status="applied").exists()


class Died(BaseException):
    """The process is gone."""


STEPS = {
    "before Stripe is called": (changes, "carry_out"),
    "after Stripe, before the tier is written": (changes, "change_settle"),
    "within the transaction that writes the tier": (outcome_services, "change_record"),
    "after the tier, before the grant": (changes, "plan_credits_promptly"),
    "at the grant": (plan_credits, "wallet_grant"),
}


@pytest.mark.req("PC-12", "PC-6", "CR-1")
@pytest.mark.parametrize("resumed_by", ["the same request", "the sweep", "both"])
@pytest.mark.parametrize("where", STEPS.values(), ids=STEPS)
def test_an_upgrade_that_dies_anywhere_gives_its_credits_once(
    trading,
    stand_in,
    monkeypatch,
    where,
    resumed_by,
):
    """By the API: the request dies; it is sent again, or swept, or both. One upgrade, one invoice, 400 credits."""
    holder = trader()

    def up():
        body = {"target_plan": "growth"}
        return holder.client.post(CHANGE, body, "json", HTTP_IDEMPOTENCY_KEY="up")

    with monkeypatch.context() as crash:
        crash.setattr(*where, lambda *_, **__: (_ for _ in ()).throw(Died))
        with pytest.raises(Died):
            up()
    later = timedelta(seconds=LOCK_S + 1)
    IdempotencyRecord.objects.update(locked_until=database_now() - later)
    if resumed_by != "the same request":
        services.plan_changes_sweep(now=database_now() + timedelta(minutes=10))
        services.plan_credits_sweep(now=database_now())
    if resumed_by != "the sweep":
        monkeypatch.setattr(changes, "JOIN_WAIT_S", 0.1)
        up()
    services.plan_changes_sweep(now=database_now() + timedelta(minutes=10))
    services.plan_credits_sweep(now=database_now())
    if data(holder.client.get(SUBSCRIPTION))["plan"]["code"] == "starter":
        assert where == STEPS["before Stripe is called"]
        assert credits_of(holder.account) == 100
        assert data(holder.client.post(CHANGE, {"target_plan": "growth"}, "json"))
    assert data(holder.client.get(SUBSCRIPTION))["plan"]["code"] == "growth"
    assert moves(holder.account) == [("grant", 100, 0), ("grant", 400, 0)]
    assert PlanChange.objects.filter(account=holder.account, kind="upgrade", status="applied").count() == 1


@pytest.mark.req("CR-1", "CR-4", "CR-5", "CR-10")
class TestCredits:
    def test_balance_grants_and_overage(self, trading, stand_in):
        holder = trader("growth", credits_left=1)
        spend(holder.account, 3)
        told = data(holder.client.get(CREDITS))
        assert (told["balance_units"], told["grants"]) == (0, [])
        overage = told["overage"]
        assert overage["minor_per_credit"] == 14
        assert overage["spent"] == {"amount_minor": 28, "currency": "usd"}
        assert overage["projected"]["amount_minor"] >= 28
        assert overage["cap"] is None

    def test_grants_with_their_end(self, trading, stand_in):
        holder = trader("growth")
        (grant,) = data(holder.client.get(CREDITS))["grants"]
        period_end = data(holder.client.get(SUBSCRIPTION))["current_period_end"]
        assert (grant["source"], grant["units"], grant["remaining_units"]) == ("plan", 500, 500)
        assert grant["expires_at"] == period_end

    def test_ledger_by_kind_and_page(self, trading, stand_in):
        holder = trader("growth", credits_left=1)
        spend(holder.account, 3)
        rows = data(holder.client.get(TRANSACTIONS))
        assert [row["type"] for row in rows] == ["overage", "use", "adjustment", "grant"]
        assert sum(row["units"] for row in rows) == 0
        assert (rows[0]["overage_units"], rows[0]["balance_units"]) == (2, 0)
        (only,) = data(holder.client.get(TRANSACTIONS, {"type": "adjustment"}))
        assert (only["units"], only["reason"]) == (-499, "as the test needs it")
        first = holder.client.get(TRANSACTIONS, {"limit": 3}).json()
        cursor = first["meta"]["next_cursor"]
        rest = holder.client.get(TRANSACTIONS, {"limit": 3, "cursor": cursor}).json()
        assert [row["id"] for row in first["data"] + rest["data"]] == [row["id"] for row in rows]
        assert code(holder.client.get(TRANSACTIONS, {"type": "gift"})) == (422, "validation_error")

    def test_overage_history_shows_each_state(self, trading, stand_in):
        holder = trader("growth", credits_left=0)
        made = spend(holder.account, 1, key="taken back")
        services.spend_reverse(account_id=holder.account.pk, spend=made, reason="no work", now=database_now())
        fault(stand_in, path="/v1/invoiceitems", effect="error_before", times=99)
        spend(holder.account, 2, key="unsure")
        no_faults(stand_in)
        spend(holder.account, 3, key="charged")
        rows = data(holder.client.get(OVERAGE))
        assert [(row["work"], row["status"], row["amount_minor"]) for row in rows] == [
            ("charged", "accepted", 42),
            ("unsure", "pending", 28),
            ("taken back", "reversed", 14),
        ]
        assert rows[2]["reversal_reason"] == "no work"
        OverageCharge.objects.filter(work_ref="unsure").delete()

    def test_the_cap_is_set_holds_and_goes(self, trading, stand_in):
        holder = trader("growth", credits_left=0)
        told = data(holder.client.put(CAP, {"cap_minor": 20}, "json"))
        assert told["cap"] == {"amount_minor": 20, "currency": "usd"}
        assert data(holder.client.get(CAP))["cap"]["amount_minor"] == 20
        spend(holder.account, 1, key="a")
        with pytest.raises(OverageCapReached):
            spend(holder.account, 1, key="b")
        entry = AuditEntry.objects.get(action="spend_cap.set")
        assert entry.actor_label == f"key {holder.credential.prefix}"
        assert data(holder.client.put(CAP, {"cap_minor": None}, "json"))["cap"] is None
        assert spend(holder.account, 1, key="c").charge.status == "accepted"
        assert len(items(stand_in)) == 2

    @pytest.mark.parametrize("cap", [-1, 2**63, 1.5, "20", True, [], 100_000_000])
    def test_a_cap_that_is_none(self, trading, stand_in, cap):
        holder = trader("growth")
        assert code(holder.client.put(CAP, {"cap_minor": cap}, "json")) == (422, "validation_error")
        assert code(holder.client.put(CAP, {}, "json")) == (422, "validation_error")
        assert not SpendCap.objects.exists()

    def test_without_a_plan_that_sells_credits(self, trading, stand_in):
        holder = trader(None)
        assert data(holder.client.get(CREDITS)) == {"balance_units": 0, "grants": [], "overage": None}
        assert data(holder.client.get(TRANSACTIONS)) == []
        assert data(holder.client.get(OVERAGE)) == []
        assert code(holder.client.get(CAP)) == (402, "no_active_subscription")
        assert code(holder.client.put(CAP, {"cap_minor": 1}, "json")) == (402, "no_active_subscription")

    @pytest.mark.req("EN-11")
    def test_nobody_sees_anothers(self, trading, stand_in):
        holder, other = trader("growth", credits_left=0), key_of(*organisation())
        spend(holder.account, 1)
        assert data(other.client.get(TRANSACTIONS)) == []
        assert data(other.client.get(OVERAGE)) == []
        assert data(other.client.get(CREDITS))["overage"] is None


@pytest.mark.req("CR-1", "CR-10")
def test_the_same_for_people(trading, stand_in, client):
    """A person's plan sells no credits; an organisation's owner sees the organisation's."""
    alone = bearer(person().personal_owner)
    empty = client.get("/v1/billing/credits", **alone).json()["data"]
    assert empty == {"balance_units": 0, "grants": [], "overage": None}
    account = store("growth", credits_left=0)
    spend(account, 2)
    owner = bearer(account.members.get())
    told = client.get("/v1/billing/credits", **owner).json()["data"]
    assert told["overage"]["spent"]["amount_minor"] == 28
    ledger = client.get("/v1/billing/credits/transactions?type=overage", **owner).json()["data"]
    assert [row["overage_units"] for row in ledger] == [2]
    (charge,) = client.get("/v1/billing/credits/overage", **owner).json()["data"]
    assert charge["status"] == "accepted"
    path = "/v1/billing/credits/cap"
    put = client.put(path, {"cap_minor": 100}, content_type="application/json", **owner)
    assert put.json()["data"]["cap"]["amount_minor"] == 100
    assert client.get(path, **owner).json()["data"]["cap"]["amount_minor"] == 100
