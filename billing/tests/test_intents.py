"""Between the intent and its outcome: lost answers, broken providers, dead processes, and how each is resolved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from unittest import mock

import pytest

from billing.errors import PaymentProviderUnavailable
from billing.gateways import stripe as gateway_module
from billing.gateways.stripe import StripeGateway
from billing.models import PlanChange
from billing.services import plan_changes_sweep
from billing.services.converge import Converged, subscription_refresh
from billing.services.sweep import SETTLE_AFTER
from billing.tests.conftest import person, republish
from billing.tests.helpers import (
    ask,
    cancel,
    everything,
    fault,
    forget_keys,
    invoices,
    messages_limit,
    no_faults,
    only,
    state,
    subscription,
    undo,
)
from common import books
from common.clock import database_now

LONG = SETTLE_AFTER + timedelta(minutes=1)


def sweep(later: timedelta = LONG):
    return plan_changes_sweep(now=database_now() + later)


def lose_answers(stand_in, times=4, path="/v1/subscriptions"):
    """The effect happens and nobody hears of it, for all retries."""
    fault(stand_in, path=path, method="POST", effect="drop_after", times=times)


@pytest.mark.req("CR-8", "PC-6")
@pytest.mark.parametrize("effect", ["drop_after", "error_before", "rate_limit"])
@pytest.mark.parametrize("from_plan", ["free", "basic"])
def test_one_lost_answer_is_retried_and_charged_once(catalog, effect, from_plan):
    account = person()
    if from_plan == "basic":
        ask(account, "basic")
    before = len(state(catalog)["charges"])
    fault(catalog, path="/v1/subscriptions", method="POST", effect=effect, times=1)
    assert ask(account, "premium").change.status == "applied"
    assert len(state(catalog)["charges"]) == before + 1


@pytest.mark.req("CR-8", "PC-6")
@pytest.mark.parametrize(("effect", "times"), [("drop_after", 4), ("error_after", 1)])
@pytest.mark.parametrize("from_plan", ["free", "basic"])
def test_an_effect_nobody_heard_of_is_found_by_asking(catalog, from_plan, effect, times):
    """A 500 is kept under its idempotency key: one is enough, and the SDK is told not to try again."""
    account = person()
    if from_plan == "basic":
        ask(account, "basic")
    fault(catalog, path="/v1/subscriptions", method="POST", effect=effect, times=times)
    with pytest.raises(PaymentProviderUnavailable) as raised:
        ask(account, "premium")
    assert raised.value.details["status"] == "pending"
    assert subscription(account).plan.code == from_plan  # not yet known here
    no_faults(catalog)
    report = sweep(timedelta(seconds=10))
    assert report.applied == [raised.value.details["plan_change"]]
    change = PlanChange.objects.get(pk=report.applied[0])
    assert (change.status, change.stripe_invoice_id) == ("applied", invoices(catalog)[-1]["id"])
    assert change.charged_minor == invoices(catalog)[-1]["amount_due"]
    assert (subscription(account).plan.code, messages_limit(account)) == ("premium", 1000)
    assert sweep().applied == []  # twice is once


@pytest.mark.req("CR-8", "PC-6")
@pytest.mark.parametrize("from_plan", ["free", "basic"])
def test_what_never_happened_is_not_guessed_and_given_up_late(catalog, from_plan):
    account = person()
    if from_plan == "basic":
        ask(account, "basic")
    before = everything(account, catalog)
    fault(catalog, path="/v1/subscriptions", method="POST", effect="error_before", times=4)
    with pytest.raises(PaymentProviderUnavailable):
        ask(account, "premium")
    no_faults(catalog)
    change = PlanChange.objects.get(status="pending")
    assert sweep(timedelta(seconds=10)).still_open == [str(change.pk)]  # a call might still be under way
    assert sweep().failed == [str(change.pk)]
    change.refresh_from_db()
    assert (change.status, change.error_code) == ("failed", "payment_provider_unavailable")
    assert everything(account, catalog) == before
    assert ask(account, "premium").change.status == "applied"


@pytest.mark.req("CR-8")
def test_while_stripe_is_away_nothing_is_decided(catalog):
    account = person()
    lose_answers(catalog)
    with pytest.raises(PaymentProviderUnavailable):
        ask(account, "premium")
    fault(catalog, path="/v1/", effect="error_before", times=50)
    assert len(sweep().still_open) == 1
    assert PlanChange.objects.get(status="pending")
    no_faults(catalog)
    assert len(sweep().applied) == 1


@pytest.mark.req("PC-6")
def test_a_request_meanwhile_joins_or_is_refused(catalog, monkeypatch):
    from billing.errors import PlanChangeNotAllowed
    from billing.services import changes

    account = person()
    lose_answers(catalog)
    with pytest.raises(PaymentProviderUnavailable):
        ask(account, "premium")
    no_faults(catalog)
    monkeypatch.setattr(changes, "JOIN_WAIT_S", 0.1)
    with pytest.raises(PaymentProviderUnavailable) as raised:
        ask(account, "premium")
    assert raised.value.details["status"] == "pending"
    with pytest.raises(PlanChangeNotAllowed) as refused:
        ask(account, "basic")
    assert refused.value.details["reason"] == "change_in_progress"
    sweep()
    assert len(state(catalog)["charges"]) == 1


@pytest.mark.req("PC-6")
def test_an_effect_that_lands_after_giving_up_is_adopted(catalog):
    """Given up because Stripe showed nothing; later it does. What Stripe shows is what holds."""
    account = person()
    fault(catalog, path="/v1/subscriptions", method="POST", effect="error_before", times=4)
    with pytest.raises(PaymentProviderUnavailable):
        ask(account, "premium", key="k")
    no_faults(catalog)
    sweep()
    change = PlanChange.objects.get(status="failed")
    from billing.services.carry_out import carry_out

    late, _ = carry_out(
        PlanChange.objects.select_related("account", "subscription", "to_price__version__plan").get(
            pk=change.pk
        )
    )
    assert subscription_refresh(stripe_subscription_id=late.id) is Converged.DONE
    change.refresh_from_db()
    assert (change.status, subscription(account).plan.code) == ("applied", "premium")


@pytest.mark.req("BI-1")
def test_a_customer_is_made_once_though_its_id_was_lost(catalog):
    from billing.services import customer_ensure

    account = person(card=None)
    fault(catalog, path="/v1/customers", method="POST", effect="drop_after", times=4)
    with pytest.raises(PaymentProviderUnavailable):
        customer_ensure(account=account)
    no_faults(catalog)
    forget_keys(catalog)  # a day later
    customer_ensure(account=account)
    assert list(state(catalog)["customers"]) == [account.stripe_customer_id]


# Every call and every commit ----------------------------------------------------------------------------------------


class Died(BaseException):
    """The process is gone; nothing that handles errors may catch it."""


CALLS = [name for name in dir(StripeGateway) if not name.startswith("_")]


class Killer:
    """Counts each call at Stripe twice, before and after its effect, and each commit; dies at the n-th."""

    def __init__(self, at: int | None) -> None:
        self.at, self.points = at, 0

    def point(self) -> None:
        self.points += 1
        if self.points == self.at:
            raise Died

    def wrap(self, original: Callable) -> Callable:
        def call(*args, **kwargs):
            self.point()
            result = original(*args, **kwargs)
            self.point()
            return result

        return call

    def run(self, act: Callable[[], object]) -> bool:
        """Whether it died."""
        from billing.services import changes, endings, starts

        with (
            mock.patch.multiple(
                gateway_module.gateway,
                **{name: self.wrap(getattr(gateway_module.gateway, name)) for name in CALLS},
            ),
            mock.patch.object(changes, "change_settle", self.wrap(changes.change_settle)),
            mock.patch.object(changes, "change_open", self._after(changes.change_open)),
            mock.patch.object(endings, "change_undone", self.wrap(endings.change_undone)),
            mock.patch.object(starts, "plan_change_run", self.wrap(starts.plan_change_run)),
        ):
            try:
                act()
            except Died:
                return True
        return False

    def _after(self, original: Callable) -> Callable:
        """Dies after the intent was written, in its transaction: it is rolled back."""

        def call(*args, **kwargs):
            result = original(*args, **kwargs)
            self.point()
            return result

        return call


def settled(account, catalog) -> tuple:
    """What an observer sees once all is quiet."""
    ours = subscription(account)
    there = state(catalog)
    running = [one for one in there["subscriptions"].values() if one["status"] != "canceled"]
    return (
        ours.plan.code,
        messages_limit(account),
        PlanChange.objects.filter(account=account, status="pending").count(),
        len(running),
        len(there["charges"]),
    )


JOURNEYS: dict[str, tuple[str, Callable, set]] = {
    "free to premium": (
        "free",
        lambda a: ask(a, "premium"),
        {("free", 5, 0, 0, 0), ("premium", 1000, 0, 1, 1)},
    ),
    "basic to premium": (
        "basic",
        lambda a: ask(a, "premium"),
        {("basic", 50, 0, 1, 1), ("premium", 1000, 0, 1, 2)},
    ),
    "premium to basic": ("premium", lambda a: ask(a, "basic"), {("premium", 1000, 0, 1, 1)}),
    "premium to free": ("premium", lambda a: ask(a, "free"), {("premium", 1000, 0, 1, 1)}),
    "undo": ("premium, then basic", undo, {("premium", 1000, 0, 1, 1)}),
    "cancel now": ("premium", lambda a: cancel(a, "now"), {("premium", 1000, 0, 1, 1), ("free", 5, 0, 0, 1)}),
}


def prepared(journey: str):
    account = person()
    for plan in journey.split(", then "):
        if plan != "free":
            ask(account, plan)
    return account


@pytest.mark.req("PC-1", "PC-6", "CR-8")
@pytest.mark.parametrize("journey", JOURNEYS)
def test_death_at_any_point_is_repaired_by_asking(catalog, journey):
    """N of N: at each point of each journey the process dies; the sweep alone brings both sides together."""
    begin, act, allowed = JOURNEYS[journey]
    counter = Killer(None)
    first = prepared(begin)
    counter.run(lambda: act(first))
    total = counter.points
    assert total >= 3
    survived = 0
    for point in range(1, total + 1):
        catalog.core.reset()
        republish()
        account = prepared(begin)
        assert Killer(point).run(lambda a=account: act(a)), f"point {point} of {total} was not reached"
        sweep()
        assert settled(account, catalog) in allowed, f"after death at point {point} of {total}"
        agree(account, catalog)
        assert books.verify_all() == []
        survived += 1
    assert survived == total


def agree(account, catalog) -> None:
    """Our row says what Stripe's subscription says."""
    ours = subscription(account)
    there = [one for one in state(catalog)["subscriptions"].values() if one["status"] != "canceled"]
    if ours.stripe_subscription_id is None:
        assert there == []
        return
    (theirs,) = there
    assert ours.stripe_subscription_id == theirs["id"]
    assert ours.price.stripe_price_id == theirs["items"]["data"][0]["price"]["id"]
    scheduled = PlanChange.objects.filter(account=account, status="scheduled").exists()
    assert scheduled == (theirs["schedule"] is not None or theirs["cancel_at_period_end"])
    assert (ours.cancel_at is not None) == theirs["cancel_at_period_end"]


@pytest.mark.req("PC-2")
def test_an_undo_whose_answer_was_lost_is_finished(catalog):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    fault(catalog, path="/v1/subscription_schedules", method="POST", effect="drop_after", times=4)
    with pytest.raises(PaymentProviderUnavailable):
        undo(account)
    no_faults(catalog)
    assert len(sweep().undone) == 1
    assert only(state(catalog)["subscriptions"])["schedule"] is None
    assert PlanChange.objects.get(to_price__version__plan__code="basic").status == "undone"
