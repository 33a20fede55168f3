"""An organisation with a contract and a plan: each unit is asked for once, and the costs are those of both."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from billing.models import OverageCharge
from billing.tests.stores import GENERATIONS, credits_of, items, spend, store
from common import clock
from enterprise.books import periods_are_invoiced_as_used
from enterprise.models import Contract, PeriodInvoice
from enterprise.selectors.contracts import overage_lines, period_at
from enterprise.services.period_invoices import period_close
from enterprise.tests.conftest import Holder, key_of
from enterprise.tests.helpers import METRIC, charged, contract
from quotas.services import usage_consume

pytestmark = pytest.mark.req("EN-4", "EN-5")


def trader(*limits: Any, credits_left: int = 0, currency: str = "usd") -> tuple[Holder, Contract]:
    account = store("growth", credits_left=credits_left)
    made = contract(account, *limits, currency=currency, starts_at=clock.database_now() - timedelta(days=1))
    return key_of(account, account.members.get()), made


def use(holder: Holder, units: int) -> None:
    assert usage_consume(account_id=holder.account.pk, metric=METRIC, units=units).allowed


def summary(holder: Holder, metric: str = METRIC) -> dict[str, Any]:
    answer = holder.client.get("/v1/b2b/usage/summary", {"metric": metric})
    assert answer.status_code == 200, answer.content
    return dict(answer.json()["data"])


def usd(amount_minor: int) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "currency": "usd"}


def test_costs_are_of_both(trading, stand_in):
    holder, _contract = trader(charged(5, "2"))
    use(holder, 8)
    spend(holder.account, 3)
    told = summary(holder)
    assert told["cost_so_far"] == usd(3 * 2 + 3 * 14)
    parts = {part["source"]: part for part in told["costs"]}
    assert {source: part["so_far"] for source, part in parts.items()} == {"contract": usd(6), "plan": usd(42)}
    both = sum(part["projected"]["amount_minor"] for part in told["costs"])
    assert told["projected_cost"] == usd(both)
    assert parts["contract"]["period_end"] != parts["plan"]["period_end"]
    (day,) = [one for one in told["windows"] if one["window"] == "day"]
    assert day["overage_cost"] == usd(6)
    charged_for = {one["overage_cost"]["amount_minor"] for one in summary(holder, GENERATIONS)["windows"]}
    assert charged_for == {42}


def test_amounts_in_two_currencies_are_not_added(trading, stand_in):
    holder, _contract = trader(charged(5, "2"), currency="eur")
    use(holder, 8)
    spend(holder.account, 1)
    told = summary(holder)
    assert told["cost_so_far"] == {"amount_minor": 6, "currency": "eur"}
    assert [part["so_far"]["currency"] for part in told["costs"]] == ["eur", "usd"]


def test_a_contract_that_costs_nothing_does_not_hide_what_the_plan_costs(trading, stand_in):
    holder, _contract = trader(charged(5, "2"), currency="eur")
    spend(holder.account, 1)
    assert summary(holder)["cost_so_far"] == usd(14)


@pytest.mark.req("CR-3", "CR-7")
def test_a_unit_that_was_charged_when_used_is_not_on_the_contracts_invoice(trading, stand_in):
    """The contract's limit and the plan's credits bind the same metric: the unit past both is paid once."""
    holder, made = trader(charged(2, "50", metric=GENERATIONS), credits_left=1)
    spend(holder.account, 4)
    assert credits_of(holder.account) == 0
    assert [item["amount"] for item in items(stand_in)] == [3 * 14]
    now = clock.database_now()
    start, end = period_at(made, now)
    assert overage_lines(made, start, end) == []
    invoice = period_close(contract_id=made.pk, start=start, end=end, now=now)
    assert invoice is not None
    assert (invoice.amount_minor, invoice.status) == (0, "nothing")
    assert list(periods_are_invoiced_as_used()) == []
    assert OverageCharge.objects.get().amount_minor == 42
    assert PeriodInvoice.objects.count() == 1
