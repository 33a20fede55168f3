"""Refunds by support, and how they appear on the invoice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing.errors import PaymentProviderUnavailable, RefundNotAllowed
from billing.models import Refund
from billing.services import invoice_detail, invoice_refund, refunds, refunds_sweep
from billing.tests.conftest import person
from billing.tests.helpers import ask, fault, forget_keys, invoices, no_faults, state
from common.clock import database_now
from common.errors import IdempotencyKeyReused, NotFound, ValidationError
from common.models import AuditEntry

pytestmark = pytest.mark.req("BI-5")


def bought(plan="basic"):
    account = person()
    ask(account, plan)
    return account


def refund(account, invoice_id, amount=None, *, reason="sold by mistake", key=None):
    return invoice_refund(
        account=account,
        invoice_id=invoice_id,
        amount_minor=amount,
        reason=reason,
        actor=account.personal_owner,
        idempotency_key=key,
        request_id="req-refund",
        now=database_now(),
    )


def only_invoice(stand_in):
    (one,) = invoices(stand_in)
    return one["id"]


def test_in_part_then_the_rest(catalog):
    account = bought()
    invoice = only_invoice(catalog)
    first = refund(account, invoice, 120)
    assert (first.status, first.amount_minor) == ("done", 120)
    assert refund(account, invoice).amount_minor == 380
    detail = invoice_detail(account=account, invoice_id=invoice)
    assert [note.refunded_minor for note in detail.credit_notes] == [380, 120]
    assert detail.refunded_minor == detail.invoice.credited_minor == 500
    with pytest.raises(RefundNotAllowed) as raised:
        refund(account, invoice)
    assert raised.value.details["reason"] == "not_paid"
    entries = AuditEntry.objects.filter(action="refund.done").order_by("at")
    assert [(one.reason, one.data["amount_minor"]) for one in entries] == [
        ("sold by mistake", 120),
        ("sold by mistake", 380),
    ]


def test_more_than_was_paid_is_refused_and_moves_nothing(catalog):
    account = bought()
    with pytest.raises(RefundNotAllowed) as raised:
        refund(account, only_invoice(catalog), 501)
    details = raised.value.details
    assert (details["reason"], details["refundable_minor"]) == ("too_much", 500)
    assert not Refund.objects.exists()
    assert not state(catalog)["credit_notes"]


@pytest.mark.parametrize(
    ("amount", "reason", "field"), [(0, "x", "amount_minor"), (-1, "x", "amount_minor"), (1, " ", "reason")]
)
def test_bad_input(catalog, amount, reason, field):
    account = bought()
    with pytest.raises(ValidationError) as raised:
        refund(account, only_invoice(catalog), amount, reason=reason)
    assert raised.value.details["fields"][0]["field"] == field
    assert not Refund.objects.exists()


def test_somebody_elses_invoice_is_unknown(catalog):
    bought()
    other = bought("premium")
    foreign = next(one["id"] for one in invoices(catalog) if one["customer"] != other.stripe_customer_id)
    for invoice in (foreign, "in_unknown", "", "sub_1"):
        with pytest.raises(NotFound):
            refund(other, invoice, 1)
    assert not Refund.objects.exists()


def test_the_same_key_refunds_once(catalog):
    account = bought()
    invoice = only_invoice(catalog)
    first = refund(account, invoice, 100, key="k")
    assert refund(account, invoice, 100, key="k").pk == first.pk
    with pytest.raises(IdempotencyKeyReused):
        refund(account, invoice, 200, key="k")
    assert len(state(catalog)["credit_notes"]) == 1


@pytest.mark.parametrize("effect", ["drop_after", "error_after", "error_before"])
@pytest.mark.parametrize("keys", ["kept", "forgotten"])
def test_a_lost_answer_is_found_or_asked_again_and_never_paid_twice(catalog, effect, keys):
    account = bought()
    invoice = only_invoice(catalog)
    fault(catalog, path="/v1/credit_notes", method="POST", effect=effect, times=4)
    with pytest.raises(PaymentProviderUnavailable):
        refund(account, invoice, 100)
    no_faults(catalog)
    assert Refund.objects.get().status == "pending"
    with pytest.raises(RefundNotAllowed) as raised:
        refund(account, invoice, 100)
    assert raised.value.details["reason"] == "refund_in_progress"
    if keys == "forgotten":
        forget_keys(catalog)
    refunds_sweep(now=database_now() + timedelta(minutes=5))
    assert Refund.objects.get().status == "done"
    (note,) = state(catalog)["credit_notes"].values()
    assert note["total"] == 100


def test_what_stripe_refuses_is_failed_and_said(catalog, monkeypatch):
    account = bought()
    invoice = only_invoice(catalog)
    monkeypatch.setattr(refunds, "refundable", lambda _invoice: 900)
    assert refund(account, invoice, 900).status == "failed"
    assert Refund.objects.get().error_code
    assert not state(catalog)["credit_notes"]
