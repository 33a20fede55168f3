"""What plans give: once for each paid period, the difference at once with an upgrade, gone with the period."""

from datetime import timedelta

import pytest

from billing import services
from billing.services import changes, plan_credits
from billing.services import outcomes as outcome_services
from billing.tests.helpers import ask, fault, no_faults, preview, subscription
from billing.tests.stores import credits_of, moves, period_start, store
from common.clock import database_now
from quotas.models import Grant
from quotas.services import grants_expire


class DiedError(BaseException):
    """The process is gone: nothing after it runs, whatever is caught."""


@pytest.mark.req("CR-2", "CR-4")
def test_a_paid_period_gives_its_plans_credits_once(catalog):
    account = store("starter")
    assert moves(account) == [("grant", 100, 0)]
    grant = Grant.objects.get(account=account)
    assert grant.expires_at == subscription(account).current_period_end
    assert grant.request_id == f"plan:{subscription(account).pk}:{period_start(account)}"
    for _ in range(2):
        assert services.plan_credits_ensure(account_id=account.pk, now=database_now()) == 0
        assert services.plan_credits_sweep(now=database_now()) == 0
    assert credits_of(account) == 100


@pytest.mark.req("CR-2")
def test_each_renewal_gives_anew_and_ends_what_was_left(travel):
    account = store("starter")
    for _ in range(2):
        travel.by(days=32)
        services.plan_credits_sweep(now=database_now())
        assert credits_of(account) == 100, "what was left has ended, by the clock"
        grants_expire(now=database_now())
        services.plan_credits_sweep(now=database_now())
        assert credits_of(account) == 100
    assert [kind for kind, _, _ in moves(account)] == ["grant", "grant", "expiry", "grant", "expiry"]


@pytest.mark.req("CR-2", "BI-6")
def test_a_period_that_is_not_paid_gives_nothing_until_it_is(travel):
    account = store("starter")
    bad = services.payment_method_add(account=account, payment_method_id="pm_card_chargeCustomerFail")
    services.payment_method_make_default(account=account, payment_method_id=bad.id)
    travel.by(days=32)
    assert subscription(account).status == "past_due"
    assert services.plan_credits_sweep(now=database_now()) == 0
    assert credits_of(account) == 0


@pytest.mark.req("PC-12", "PC-2")
def test_an_upgrade_gives_the_difference_at_once(catalog):
    account = store("starter")
    assert preview(account, "growth").credits_granted == 400
    ask(account, "growth")
    assert credits_of(account) == 500
    assert moves(account) == [("grant", 100, 0), ("grant", 400, 0)]
    upgrade = Grant.objects.get(account=account, source="upgrade")
    assert upgrade.expires_at == subscription(account).current_period_end
    ask(account, "scale")
    assert credits_of(account) == 2000


STEPS = {
    "before Stripe is called": (changes, "carry_out"),
    "after Stripe, before the tier is written": (changes, "change_settle"),
    "within the transaction that writes the tier": (outcome_services, "change_record"),
    "after the tier, before the grant": (changes, "plan_credits_promptly"),
    "at the grant": (plan_credits, "wallet_grant"),
}


@pytest.mark.req("PC-12", "PC-6")
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("heal", ["sweeps", "the same request again"])
def test_an_upgrade_that_dies_at_any_step_gives_its_credits_once(catalog, monkeypatch, step, heal):
    account = store("starter")
    module, name = STEPS[step]
    real = getattr(module, name)

    def die(*_args, **_kwargs):
        raise DiedError

    monkeypatch.setattr(module, name, die)
    with pytest.raises(DiedError):
        ask(account, "growth", key="up")
    monkeypatch.setattr(module, name, real)
    assert credits_of(account) == 100, "not before the tier is there"
    later = database_now() + timedelta(hours=1)
    for _ in range(2):
        services.plan_changes_sweep(now=later)
        if heal == "the same request again" and subscription(account).plan.code == "starter":
            ask(account, "growth", key="up-again")
        services.plan_credits_sweep(now=database_now())
    happened = subscription(account).plan.code == "growth"
    assert happened == (step != "before Stripe is called" or heal != "sweeps")
    assert credits_of(account) == (500 if happened else 100)
    assert Grant.objects.filter(account=account, source="upgrade").count() == happened


@pytest.mark.req("PC-12", "CR-2")
def test_the_first_periods_credits_are_right_even_when_an_upgrade_came_first(catalog, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(changes, "plan_credits_promptly", lambda **_: None)
        account = store("starter")
        ask(account, "growth")
    assert credits_of(account) == 0
    assert services.plan_credits_sweep(now=database_now()) == 500
    assert moves(account) == [("grant", 100, 0), ("grant", 400, 0)]


@pytest.mark.req("PC-12")
def test_while_stripe_does_not_say_that_the_period_is_paid_nothing_is_given(catalog, stand_in, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(changes, "plan_credits_promptly", lambda **_: None)
        account = store("starter")
    fault(stand_in, path="/v1/invoices", method="GET", effect="error_before", times=9)
    assert services.plan_credits_sweep(now=database_now()) == 0
    no_faults(stand_in)
    assert services.plan_credits_sweep(now=database_now()) == 100
    assert credits_of(account) == 100
