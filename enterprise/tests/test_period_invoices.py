"""A contract's overage becomes an invoice at the stand-in: to the cent, once, whatever breaks in between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db import DatabaseError, transaction

from billing.tests.helpers import state
from common import clock
from enterprise.enums import PeriodInvoiceStatus
from enterprise.models import PeriodInvoice, PeriodInvoiceLine
from enterprise.services.period_invoices import period_invoices_carry_out, periods_close
from enterprise.tests.conftest import Holder, key_of, organisation
from enterprise.tests.helpers import METRIC, charged, contract
from quotas.engine.meter import meter
from quotas.services import usage_consume, usage_reserve, usage_settle

pytestmark = pytest.mark.req("EN-4")


@pytest.fixture
def globex(travel) -> Any:
    """Past its limit of 100 a day by 37, at 1.5 cents."""
    holder = key_of(*organisation("Globex"))
    begin = clock.database_now().replace(hour=0, minute=0, second=0, microsecond=0)
    contract(holder.account, charged(100, "1.5"), title="Globex 2026", starts_at=begin)
    use(holder, 137)
    yield holder
    meter.close()


def use(holder: Holder, units: int) -> None:
    assert usage_consume(
        account_id=holder.account.pk, metric=METRIC, units=units, credential_id=holder.credential.pk
    ).allowed


def over(travel) -> None:
    """A month later, without anybody at work."""
    travel.by(days=32, sweep=False)


def work() -> dict[str, int]:
    now = clock.database_now()
    periods_close(now=now)
    return period_invoices_carry_out(now=now)


def invoices(travel) -> list[dict]:
    return list(state(travel.stand_in)["invoices"].values())


def test_to_the_cent(globex, travel):
    over(travel)
    assert work() == {"invoiced": 1, "waiting": 0}
    (invoice,) = invoices(travel)
    assert (invoice["total"], invoice["currency"], invoice["status"]) == (
        56,
        "usd",
        "open",
    )  # 37 x 1.5 = 55.5
    assert invoice["collection_method"] == "send_invoice"
    (item,) = state(travel.stand_in)["invoiceitems"].values()
    assert (item["amount"], item["invoice"]) == (56, invoice["id"])
    row = PeriodInvoice.objects.get()
    assert (row.status, row.stripe_invoice_id, row.amount_minor) == (
        PeriodInvoiceStatus.INVOICED,
        invoice["id"],
        56,
    )
    assert (row.lines.get().units, row.lines.get().stripe_item_id) == (37, item["id"])
    assert work() == {"invoiced": 0, "waiting": 0}
    assert len(invoices(travel)) == 1


def test_not_before_it_is_over(globex, travel):
    assert work() == {"invoiced": 0, "waiting": 0}
    assert not PeriodInvoice.objects.exists()


def test_nothing_to_ask_for(travel):
    holder = key_of(*organisation())
    contract(holder.account, charged(100), starts_at=clock.database_now())
    use(holder, 100)
    over(travel)
    assert work() == {"invoiced": 0, "waiting": 0}
    assert PeriodInvoice.objects.get().status == PeriodInvoiceStatus.NOTHING
    assert invoices(travel) == []
    meter.close()


def test_each_period_for_itself(globex, travel):
    over(travel)
    use(globex, 110)
    over(travel)
    work()
    assert sorted(PeriodInvoice.objects.values_list("amount_minor", flat=True)) == [15, 56]
    assert sorted(invoice["total"] for invoice in invoices(travel)) == [15, 56]


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/invoices", "/v1/invoiceitems"])
@pytest.mark.parametrize("effect", ["drop_after", "error_after", "error_before", "rate_limit"])
@pytest.mark.parametrize("times", [1, 8])
def test_whatever_stripe_does_there_is_one_invoice(globex, travel, path, effect, times):
    over(travel)
    travel.stand_in.core.faults.add({"path": path, "method": "POST", "effect": effect, "times": times})
    work()
    travel.stand_in.core.faults.clear()
    for _ in range(2):
        work()
    (invoice,) = invoices(travel)
    assert (invoice["total"], invoice["status"]) == (56, "open")
    assert PeriodInvoice.objects.get().status == PeriodInvoiceStatus.INVOICED


STEPS = (
    "customer_ensure",
    "gateway.manual_invoice_create",
    "gateway.manual_invoice_item_add",
    "gateway.manual_invoice_issue",
    "_finish",
)


@pytest.mark.parametrize("forgotten", [False, True], ids=["keys known", "keys forgotten"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_step(globex, travel, monkeypatch, step, when, forgotten):
    """A crash before or after each call; also when Stripe has forgotten our idempotency keys by the next run."""
    from enterprise.services import period_invoices

    class Died(BaseException):
        pass

    owner: Any = period_invoices
    *path, name = step.split(".")
    for part in path:
        owner = getattr(owner, part)
    real = getattr(owner, name)

    def die(*args, **kwargs):
        if when == "after":
            real(*args, **kwargs)
        raise Died

    over(travel)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, die)
        with pytest.raises(Died):
            work()
    if forgotten:
        requests.post(f"{travel.stand_in.url}/_sandbox/forget_keys", json={}, timeout=10).raise_for_status()
    work()
    (invoice,) = invoices(travel)
    assert (invoice["total"], invoice["status"]) == (56, "open")
    assert len(state(travel.stand_in)["invoiceitems"]) == 1
    assert PeriodInvoice.objects.get().status == PeriodInvoiceStatus.INVOICED


def test_a_reservation_of_the_period_is_waited_for(globex, travel):
    end = period_end(globex)
    travel.to(end - timedelta(minutes=10), sweep=False)
    use(globex, 100)
    held = usage_reserve(account_id=globex.account.pk, metric=METRIC, units=5, ttl_s=3600)
    travel.to(end + timedelta(minutes=5), sweep=False)
    work()
    assert not PeriodInvoice.objects.exists()
    assert usage_settle(account_id=globex.account.pk, reservation_id=held.reservation_id).allowed
    work()
    assert PeriodInvoice.objects.get().amount_minor == 63  # 42 x 1.5


def period_end(holder: Holder):
    from common.periods import add_months

    return add_months(holder.account.contracts.get().starts_at, 1)


def test_what_was_asked_for_is_never_rewritten(globex, travel):
    over(travel)
    work()
    for rows, change in (
        (PeriodInvoice.objects, {"amount_minor": 1}),
        (PeriodInvoice.objects, {"period_end": clock.database_now()}),
        (PeriodInvoiceLine.objects, {"units": 1}),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(**change)
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.get().delete()


def test_by_the_clock_command(globex, travel):
    from django.core.management import call_command

    call_command("clock", "advance", "32d")
    assert [invoice["total"] for invoice in invoices(travel)] == [56]
