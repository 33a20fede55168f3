"""What has to come of each case of the tables, whatever way led to it.

What was previewed is what is invoiced, to the cent; what was refused moved nothing; what was scheduled comes true at the
period's end. And all who keep a record of it say what the reference reckons.
"""

from __future__ import annotations

from copy import deepcopy

import pytest

from accounts.models import Notification
from billing.errors import (
    DuplicatePlanChange,
    PaymentFailed,
    PaymentProviderUnavailable,
    PlanChangeNotAllowed,
)
from billing.models import PlanChange
from billing.services import Preview
from billing.tests.helpers import ask, cancel, fault, no_faults
from common import outbox
from common.errors import DomainError
from quotas.services import usage_consume
from tests.billing.cases import LATE_PAYERS, Case
from tests.billing.payers import WHAT_THEY_DO, Upgrade, all_of
from tests.billing.reference import FREE, MESSAGES_A_DAY, interval_of, plan_of
from tests.billing.subscribers import Life

USED = 3
CARDS = {
    "declined": "chargeCustomerFail",
    "insufficient": "visa_chargeDeclinedInsufficientFunds",
    **dict.fromkeys(WHAT_THEY_DO, "authenticationRequired"),
}
REFUSALS = {
    "declined": (PaymentFailed, "generic_decline"),
    "insufficient": (PaymentFailed, "insufficient_funds"),
    "no card": (PaymentFailed, "payment_method_missing"),
    "provider down": (PaymentProviderUnavailable, None),
}


def uses_some(life: Life) -> None:
    """What was used stays used, whatever comes of the change. The meter's clock does not stand still (world.STANDING): set
    just before, it has not come to the next second, in which a period may be over.
    """
    life.world.tick()
    for _ in range(USED):
        assert usage_consume(account_id=life.account.pk, metric="messages").allowed


def comes_of(life: Life, case: Case) -> None:
    """The change is previewed and asked for."""
    if case.pending != "nothing pending":
        _refused_for_what_is_pending(life, case)
    elif case.upgrades:
        _upgraded(life, case)
    else:
        _scheduled(life, case)


def _upgraded(life: Life, case: Case) -> None:
    seen = life.preview(case.target)
    if case.payment != "paid":
        outbox.run_due(now=life.world.tick())  # what a switch that was found left to do
    before = all_of(life)
    as_it_was = deepcopy(life.model)
    bill = life.model.upgraded(case.target, life.second)
    due = bill.due if bill else 0
    assert seen.due_now.amount_minor == due
    assert [line.amount_minor for line in seen.lines] == list(bill.lines if bill else ())
    # nothing due: neither the card nor a 3-D Secure has anything to refuse
    if case.payment in WHAT_THEY_DO and due:
        WHAT_THEY_DO[case.payment](Upgrade(life, case.target, seen, before, as_it_was, life.model))
        if case.payment not in LATE_PAYERS:
            _is_as_foretold(seen, life)
        return
    if case.payment != "paid" and (due or case.payment == "provider down"):
        life.model = as_it_was
        _refused_by_payment(life, case, seen.quote, before)
        return
    life.world.tick()
    change = ask(life.account, plan_of(case.target), interval_of(case.target), quote=seen.quote).change
    assert (change.status, change.kind, change.due_minor, change.charged_minor) == (
        "applied",
        "upgrade",
        due,
        due,
    )
    assert change.proration_at == life.second
    if bill:
        invoice = life.invoices()[-1]
        assert invoice["id"] == change.stripe_invoice_id
        assert [(one["description"], one["amount"]) for one in life.lines(invoice)] == [
            (line.description, line.amount_minor) for line in seen.lines
        ]
    life.agree()
    _is_as_foretold(seen, life)


def _is_as_foretold(seen: Preview, life: Life) -> None:
    assert life.used() == USED
    _next_invoice_is(seen, life)


def _next_invoice_is(seen: Preview, life: Life) -> None:
    """The price of the next period, what a coupon that runs takes off it taken off. A trial without a card has none."""
    assert seen.next_at == life.model.end
    if life.model.trial_end is not None and not life.model.has_card:
        assert seen.next_amount is None
        return
    assert seen.next_amount is not None
    assert seen.next_amount.amount_minor == life.model.next_total()


def _refused_by_payment(life: Life, case: Case, quote: str, before: dict) -> None:
    error, decline_code = REFUSALS[case.payment]
    if case.payment == "provider down":
        fault(life.world.stand_in, path="/v1/subscriptions", method="POST", effect="error_before", times=4)
    life.world.tick()
    with pytest.raises(error) as raised:
        ask(life.account, plan_of(case.target), interval_of(case.target), quote=quote)
    if case.payment == "provider down":
        no_faults(life.world.stand_in)
        assert raised.value.details["status"] == "pending"
        life.hear()
    assert raised.value.details.get("decline_code") == decline_code
    _nothing_moved(life, before, raised.value)


def _nothing_moved(life: Life, before: dict, error: DomainError) -> None:
    assert all_of(life) == before
    failed = PlanChange.objects.filter(account=life.account, status="failed").get()
    assert failed.error_code == error.code
    assert failed.charged_minor is None
    life.agree()
    assert life.used() == USED


def _scheduled(life: Life, case: Case) -> None:
    seen = life.preview(case.target)
    assert (seen.due_now.amount_minor, seen.lines, seen.effective_at) == (0, (), life.model.end)
    if case.payment == "provider down":
        _unreachable(life, case, seen.quote)
        return
    change = life.change(case.target, quote=seen.quote)
    assert (change.status, change.kind, change.effective_at) == ("scheduled", "downgrade", life.model.end)
    life.agree()
    if case.target == FREE:
        assert (seen.next_amount, seen.next_at) == (None, None)
    else:
        _next_invoice_is(seen, life)


def ends_at_once(life: Life) -> None:
    """What was paid stays paid, nothing more is."""
    life.world.tick()
    assert cancel(life.account, "now").change.status == "applied"
    life.model.ended()
    life.agree()


def _unreachable(life: Life, case: Case, quote: str) -> None:
    before = all_of(life)
    path = "/v1/subscriptions" if case.target == FREE else "/v1/subscription_schedules"
    fault(life.world.stand_in, path=path, method="POST", effect="error_before", times=4)
    life.world.tick()
    with pytest.raises(PaymentProviderUnavailable) as raised:
        ask(life.account, plan_of(case.target), interval_of(case.target), quote=quote)
    no_faults(life.world.stand_in)
    life.hear()
    _nothing_moved(life, before, raised.value)


def _refused_for_what_is_pending(life: Life, case: Case) -> None:
    """Another change waits: the same one is a duplicate, any other one has to wait until it is taken back."""
    same = case.target == life.model.following and case.pending != "end set at Stripe"
    expected = DuplicatePlanChange if same else PlanChangeNotAllowed
    before = all_of(life)
    with pytest.raises(expected):
        life.preview(case.target)
    life.world.tick()
    with pytest.raises(expected) as raised:
        ask(life.account, plan_of(case.target), interval_of(case.target))
    _nothing_moved(life, before, raised.value)


def and_the_period_after(life: Life) -> None:
    """At the period's end what was said comes true, first in the meter by its own clock, then, once heard, in all. Only
    that a trial ends for want of a card nobody can know before Stripe says so.
    """
    if life.model.end is None:
        return
    life.card_becomes("visa")
    waits_for_a_card = life.model.trial_end is not None and not life.model.has_card
    is_planned = life.model.following == FREE
    life.live_to(life.model.end)
    life.world.tick()
    if not waits_for_a_card:
        assert life.limit() == MESSAGES_A_DAY[plan_of(life.model.offer)]
    life.hear()
    life.agree()
    assert not PlanChange.objects.filter(account=life.account, status__in=["pending", "scheduled"]).exists()
    if waits_for_a_card:
        _nothing_followed(life, is_planned=is_planned)


def _nothing_followed(life: Life, *, is_planned: bool) -> None:
    """What was to follow a trial that ended for want of a card never came: neither history nor mail says that it did."""
    mine = PlanChange.objects.filter(account=life.account, kind="downgrade", to_price__amount_minor__gt=0)
    assert {one.status for one in mine} <= {"undone"}
    told = [one.template for one in Notification.objects.filter(account=life.account)]
    assert told.count("subscription_ended") == (0 if is_planned else 1)
    assert "plan_change_undone" not in told
