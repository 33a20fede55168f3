"""Every plan change there is, at awkward moments, with cards that pay or do not, with things pending, with credit,
coupon and trial: what is previewed is what is invoiced, to the cent, and all who keep a record of it say the same.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from billing.errors import (
    DuplicatePlanChange,
    PaymentActionRequired,
    PaymentFailed,
    PaymentProviderUnavailable,
    PlanChangeNotAllowed,
)
from billing.models import PlanChange
from billing.services import Preview, awaiting
from billing.tests.helpers import ask, everything, fault, no_faults
from common import outbox
from common.errors import DomainError
from quotas.services import usage_consume
from tests.billing.cases import BEFORE, Case, cases
from tests.billing.reference import FREE, Subscriber, interval_of, is_upgrade, months_after, plan_of
from tests.billing.subscribers import Life
from tests.billing.world import World

TABLE = cases()
LEAST_CASES = 200
USED = 3

BEGINNINGS = {
    "from leap day": datetime(2028, 2, 29, 12, tzinfo=UTC),
    "on leap day": datetime(2028, 2, 10, 8, tzinfo=UTC),
    "from the 31st": datetime(2027, 1, 31, 22, 30, 1, tzinfo=UTC),
}
BEGINNING = datetime(2027, 4, 15, 10, tzinfo=UTC)  # a period of 30 days
CARDS = {
    "declined": "chargeCustomerFail",
    "insufficient": "visa_chargeDeclinedInsufficientFunds",
    "needs action": "authenticationRequired",
}
REFUSALS = {
    "declined": (PaymentFailed, "generic_decline"),
    "insufficient": (PaymentFailed, "insufficient_funds"),
    "provider down": (PaymentProviderUnavailable, None),
}
UNHEARD = ("from the 31st", "after the switch")  # the request itself finds that a period has begun
BALANCES = {"credit": -1_234, "debt": 37}


def test_the_table_is_as_large_as_it_says(record_property):
    counted = Counter((case.moment, case.payment, case.pending, case.extra) for case in TABLE)
    print(f"\n{len(TABLE)} plan-change cases, {len(counted)} combinations of circumstances")  # noqa: T201
    record_property("cases", len(TABLE))
    assert len(TABLE) >= LEAST_CASES
    assert len({str(case) for case in TABLE}) == len(TABLE)


@pytest.mark.req("PC-1", "PC-2", "PC-4", "PC-5", "PC-8", "PC-13")
@pytest.mark.parametrize("case", TABLE, ids=str)
def test_a_change_of_plan(world: World, case: Case):
    life = arrived(world, case)
    for _ in range(USED):
        assert usage_consume(account_id=life.account.pk, metric="messages").allowed
    if case.moment not in UNHEARD:
        life.agree()
    if case.pending != "nothing pending":
        _refused_for_what_is_pending(life, case)
    elif case.upgrades:
        _upgraded(life, case)
    else:
        _scheduled(life, case)
    _and_the_period_after(life)


# The way to the case -------------------------------------------------------------------------------------------------


def arrived(world: World, case: Case) -> Life:
    """Somebody who has the source, at the case's moment, with the case's circumstances."""
    begin = BEGINNINGS.get(case.moment, BEGINNING)
    world.begin(begin)
    life = Life(world)
    _take_source(life, case)
    if case.extra == "coupon":
        life.has_coupon(25)
        life.live_to(
            life.model.end or begin, told=True
        )  # so that what is credited was billed with the coupon
    life.live_to(max(_moment(life, case, begin), world.now.replace(microsecond=0)))
    if case.extra in BALANCES:
        life.has_balance(BALANCES[case.extra])
    _set_pending(life, case)
    if case.payment in CARDS:
        life.card_becomes(CARDS[case.payment])
    return life


def _take_source(life: Life, case: Case) -> None:
    if case.moment == "after the switch":
        life.change(BEFORE[case.source])
        life.change(case.source) if case.source != FREE else life.cancel()
    elif case.moment == "second of the day":
        _take_in_two_steps(life, case.source)
    elif case.source != FREE:
        life.change(case.source)


def _take_in_two_steps(life: Life, source: str) -> None:
    """The source since this morning; before that, something else since ten days ago."""
    if source == FREE:
        life.change("basic/month")
        from billing.tests.helpers import cancel

        life.world.tick()
        cancel(life.account, "now")
        life.model.ended()
        return
    first = "basic/year" if source == "premium/year" else "basic/month"
    if is_upgrade(first, source):
        life.change(first)
        life.live_to(life.second + timedelta(days=10))
    life.change(source)


def _moment(life: Life, case: Case, begin: datetime) -> datetime:
    start, end = life.model.start or begin, life.model.end or months_after(begin, 1)
    if case.moment in ("first second", "middle") and case.source == FREE:
        return begin
    moments = {
        "first second": start,
        "middle": start + (end - start) / 2,
        "last second": end - timedelta(seconds=1),
        "from leap day": begin + timedelta(days=10, seconds=7),
        "on leap day": datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
        "from the 31st": datetime(2027, 3, 15, 6, tzinfo=UTC),
        "second of the day": life.second + timedelta(hours=6),
        "after the switch": end,
    }
    return moments[case.moment].replace(microsecond=0)


def _set_pending(life: Life, case: Case) -> None:
    if case.pending == "scheduled downgrade":
        life.change(_lower(case.source))
    elif case.pending == "cancel at end":
        life.cancel()
    elif case.pending == "end set at Stripe":
        life.ends_by_hand()


def _lower(source: str) -> str:
    return {"basic/year": "basic/month", "premium/month": "basic/month", "premium/year": "premium/month"}.get(
        source, FREE
    )


# What comes of it ----------------------------------------------------------------------------------------------------


def _upgraded(life: Life, case: Case) -> None:
    seen = life.preview(case.target)
    if case.payment != "paid":
        outbox.run_due(now=life.world.tick())  # what a switch that was found left to do
    before = _all_of(life)
    as_it_was = deepcopy(life.model)
    bill = life.model.upgraded(case.target, life.second)
    due = bill.due if bill else 0
    assert seen.due_now.amount_minor == due
    assert [line.amount_minor for line in seen.lines] == list(bill.lines if bill else ())
    # nothing due: neither the card nor a 3-D Secure has anything to refuse
    if case.payment == "needs action" and due:
        _confirmed_by_the_payer(life, case, seen, before, as_it_was)
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
    assert life.used() == USED
    _next_invoice_is(seen, life)


def _next_invoice_is(seen: Preview, life: Life) -> None:
    """The price of the next period, what a coupon that runs takes off it taken off."""
    assert seen.next_amount is not None
    assert (seen.next_at, seen.next_amount.amount_minor) == (life.model.end, life.model.next_total())


def _confirmed_by_the_payer(
    life: Life, case: Case, seen: Preview, before: dict, as_it_was: Subscriber
) -> None:
    """The bank asks. Nothing moves until the payer says yes; once they leave it, and then they come back and do."""
    as_it_will_be, life.model = life.model, as_it_was
    left = _waits_for_the_payer(life, case, seen, before, as_it_will_be.balance)
    awaiting.change_replace(PlanChange.objects.get(pk=left["plan_change"]))
    life.unpaid.append("void")
    assert "canceled" in _pay(life, left), "who left it could still pay"
    life.agree()
    again = life.preview(case.target)
    begun_again = _waits_for_the_payer(life, case, again, before, as_it_will_be.balance)
    assert _pay(life, begun_again) == "succeeded"
    life.hear()
    life.model = as_it_will_be
    change = PlanChange.objects.get(pk=begun_again["plan_change"])
    assert (change.status, change.charged_minor) == ("applied", seen.due_now.amount_minor)
    life.agree()
    assert life.used() == USED
    _next_invoice_is(seen, life)


def _waits_for_the_payer(life: Life, case: Case, seen: Preview, before: dict, balance: int) -> dict[str, Any]:
    """What the payer is told. Besides the change that waits and its open invoice, which holds what credit there is, all
    is as before.
    """
    life.world.tick()
    with pytest.raises(PaymentActionRequired) as raised:
        ask(life.account, plan_of(case.target), interval_of(case.target), quote=seen.quote)
    told = raised.value.details
    assert told["amount"] == {"amount_minor": seen.due_now.amount_minor, "currency": "eur"}
    after = _all_of(life)
    for kind in ("subscriptions", "limits", "features"):
        assert after[kind] == before[kind]
    waiting = PlanChange.objects.get(account=life.account, status="pending")
    assert (str(waiting.pk), waiting.awaits_payer) == (told["plan_change"], True)
    life.unpaid.append("open")
    life.model.balance, credit = balance, life.model.balance
    life.agree()
    life.model.balance = credit
    life.unpaid.pop()
    assert life.used() == USED
    return told


def _pay(life: Life, told: dict[str, Any]) -> str:
    """What the payer does in the browser; the payment's status afterwards, or why it cannot be paid."""
    body = {"intent": told["client_secret"], "authenticate": True}
    answer = requests.post(f"{life.world.stand_in.url}/_sandbox/payer", json=body, timeout=20).json()
    return str(answer.get("status") or answer)


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


def _all_of(life: Life) -> dict[str, Any]:
    """All rows and Stripe's objects, but for when they were last read."""
    found = everything(life.account, life.world.stand_in)
    for row in found["subscriptions"]:
        del row["stripe_read_at"]
    return found


def _nothing_moved(life: Life, before: dict, error: DomainError) -> None:
    assert _all_of(life) == before
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


def _unreachable(life: Life, case: Case, quote: str) -> None:
    before = _all_of(life)
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
    before = _all_of(life)
    with pytest.raises(expected):
        life.preview(case.target)
    life.world.tick()
    with pytest.raises(expected) as raised:
        ask(life.account, plan_of(case.target), interval_of(case.target))
    _nothing_moved(life, before, raised.value)


def _and_the_period_after(life: Life) -> None:
    """At the period's end what was said comes true, first in the meter by its own clock, then, once heard, in all."""
    if life.model.end is None:
        return
    life.card_becomes("visa")
    life.live_to(life.model.end)
    life.world.tick()
    assert life.limit() == {"free": 5, "basic": 50, "premium": 1000}[plan_of(life.model.offer)]
    life.hear()
    life.agree()
    assert not PlanChange.objects.filter(account=life.account, status__in=["pending", "scheduled"]).exists()
