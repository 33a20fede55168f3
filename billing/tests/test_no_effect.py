"""What Stripe has certainly not done is settled at once: who was told so can try again, or choose something else."""

from __future__ import annotations

import socket

import pytest

from billing.enums import PaymentStatus
from billing.errors import PaymentProviderUnavailable
from billing.models import PlanChange
from billing.tests.conftest import person
from billing.tests.helpers import ask, everything, fault, no_faults, preview, state, subscription
from billing.tests.overdue import (
    CURED,
    GOOD,
    GRACE,
    charged,
    new_card,
    overdue_person,
    pay,
    payment,
    standing,
)
from billing.tests.test_checkout import visit

pytestmark = pytest.mark.req("CR-8", "PC-6")
REFUSED_TRIES = 4


@pytest.fixture
def nobody_there(settings):
    """An address at which no connection comes about."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.STRIPE_API_BASE = f"http://127.0.0.1:{taken.getsockname()[1]}"
        yield


def _heard(act):
    with pytest.raises(PaymentProviderUnavailable) as raised:
        act()
    return raised.value


def _is_over(account, error):
    """Told as nothing, and nothing is open."""
    assert error.details["status"] == "failed"
    assert "try again" in str(error.message)
    assert not PlanChange.objects.filter(account=account, status="pending").exists()


@pytest.mark.parametrize("from_plan", ["free", "basic"])
def test_a_change_that_did_not_reach_stripe(catalog, request, settings, from_plan):
    account, there = person(), settings.STRIPE_API_BASE
    if from_plan == "basic":
        ask(account, "basic")
    before = everything(account, catalog)
    request.getfixturevalue("nobody_there")
    _is_over(account, _heard(lambda: ask(account, "premium")))
    settings.STRIPE_API_BASE = there
    assert everything(account, catalog) == before
    assert ask(account, "premium").change.status == "applied"


@pytest.mark.parametrize(
    ("path", "effect"),
    [("/v1/subscriptions", "rate_limit"), ("/v1/invoices/create_preview", "error_before")],
    ids=["too many calls", "a preview that fails"],
)
def test_a_change_that_stripe_has_not_begun(catalog, path, effect):
    """Another plan can be chosen at once."""
    account = person()
    quote = preview(account, "premium").quote
    before = everything(account, catalog)
    fault(catalog, path=path, method="POST", effect=effect, times=REFUSED_TRIES)
    _is_over(account, _heard(lambda: ask(account, "premium", quote=quote)))
    no_faults(catalog)
    assert everything(account, catalog) == before
    assert ask(account, "basic").change.status == "applied"
    assert len(state(catalog)["charges"]) == 1


def test_one_lost_answer_among_refusals_leaves_it_open(catalog):
    """The first try may have been carried out, whatever the others heard."""
    account = person()
    for effect, times in (("drop_after", 1), ("rate_limit", REFUSED_TRIES - 1)):
        fault(catalog, path="/v1/subscriptions", method="POST", effect=effect, times=times)
    assert _heard(lambda: ask(account, "premium")).details["status"] == "pending"
    assert PlanChange.objects.get(account=account).status == "pending"
    assert subscription(account).plan.code == "free"


def test_a_page_that_stripe_did_not_open(catalog):
    account = person(card=None)
    fault(catalog, path="/v1/checkout", method="POST", effect="rate_limit", times=REFUSED_TRIES)
    fault(catalog, path="/v1/customers", method="POST", effect="rate_limit", times=REFUSED_TRIES)
    _is_over(account, _heard(lambda: visit(account)))
    no_faults(catalog)
    assert visit(account, "premium").url


def test_a_payment_that_stripe_has_not_begun(travel):
    account, _ = overdue_person(travel)
    new_card(account, GOOD)
    fault(travel.stand_in, path="/v1/invoices", method="POST", effect="rate_limit", times=REFUSED_TRIES)
    assert _heard(lambda: pay(account)).details["status"] == PaymentStatus.FAILED
    assert (payment(account).status, standing(account), charged(travel)) == ("failed", GRACE, [500])
    no_faults(travel.stand_in)
    assert pay(account).status == "paid"
    assert (standing(account), charged(travel)) == (CURED, [500, 500])
