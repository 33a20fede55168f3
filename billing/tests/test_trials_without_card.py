"""A trial that asks for no card: nothing is ever charged unless one is added, and every page and mail says so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import Notification
from accounts.notifications.messages import message_of
from billing.errors import PaymentFailed
from billing.pages.changes import recent_rows
from billing.services import payment_method_add, upcoming
from billing.services.moves import _next
from billing.services.reminders import reminders_notify
from billing.tests.conftest import person
from billing.tests.helpers import ask, cancel, everything, fault, no_faults, preview, subscription
from billing.tests.overdue import refresh
from billing.tests.test_api import Api
from billing.tests.test_pages import browser_of
from billing.tests.test_trials import charged, trials  # noqa: F401 - a fixture
from common import books
from common.clock import database_now

pytestmark = pytest.mark.req("PC-13", "AC-5")

BILLING, OVERVIEW = "/account/billing/", "/account/"


@pytest.fixture(autouse=True)
def _listening():
    upcoming.breaker.reset()
    yield
    upcoming.breaker.reset()


@pytest.fixture
def trying(trials):  # noqa: F811 - the fixture
    account = person(card=None)
    ask(account, "lite")
    return account


def page(account, path=BILLING) -> str:
    answer = browser_of(account).get(path)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("path", [BILLING, OVERVIEW, "/account/billing/plans/", "/account/billing/cancel/"])
def test_the_pages_open_and_say_that_nothing_is_charged(trying, path):
    text = page(trying, path)
    assert "does not answer" not in text
    if path in (BILLING, OVERVIEW):
        assert "without a card the plan ends with the trial" in text
        assert "and nothing is charged." in text
        assert "€5.00 <small>on" not in text


@pytest.mark.req("PC-8")
@pytest.mark.parametrize("card", [None, "pm_card_visa"])
def test_before_it_begins_the_preview_foretells_a_charge_only_with_a_card(trials, card):  # noqa: F811
    shown = preview(person(card=card), "lite").as_json()
    assert shown["trial_end"] is not None
    assert (shown["next_invoice"] is not None) == (card is not None)


def test_with_a_card_the_pages_say_what_is_charged(trying):
    payment_method_add(account=trying, payment_method_id="pm_card_visa")
    text = page(trying)
    assert "€5.00" in text
    assert "without a card" not in text


@pytest.mark.parametrize("path", [BILLING, OVERVIEW])
def test_while_stripe_does_not_answer_the_page_does_not_guess(trying, trials, path):  # noqa: F811
    fault(trials.stand_in, path="/v1/invoices", effect="error_before", times=99)
    text = page(trying, path)
    no_faults(trials.stand_in)
    assert "the amount cannot be told at the moment" in text
    assert "without a card" not in text


def test_cancelled_it_only_says_that_it_ends(trying):
    cancel(trying)
    assert "without a card" not in page(trying)


@pytest.mark.req("PC-8")
def test_an_upgrade_to_a_trial_that_needs_a_card_waits_for_one(trying, trials):  # noqa: F811
    """The preview is that of somebody who has given the card by then; without one nothing begins."""
    ends = subscription(trying).trial_end
    shown = preview(trying, "pro")
    assert (shown.due_now.amount_minor, shown.trial_end, shown.next_amount.amount_minor) == (0, ends, 2000)
    assert "Add a card first" in page(trying, "/account/billing/plans/pro/month/")
    before = everything(trying, trials.stand_in)
    with pytest.raises(PaymentFailed) as raised:
        ask(trying, "pro", quote=shown.quote)
    assert raised.value.details["decline_code"] == "payment_method_missing"
    assert everything(trying, trials.stand_in) == before
    payment_method_add(account=trying, payment_method_id="pm_card_visa")
    assert ask(trying, "pro").change.status == "applied"
    assert (subscription(trying).plan.code, subscription(trying).status) == ("pro", "trialing")
    trials.by(days=7, hours=1)
    assert charged(trials) == [2000]
    assert books.verify_all() == []


@pytest.mark.req("PC-8")
def test_an_upgrade_to_a_plan_without_a_trial_asks_for_a_card_first(trying, trials):  # noqa: F811
    assert preview(trying, "max").due_now.amount_minor == 5000
    assert "Add a card first" in page(trying, "/account/billing/plans/max/month/")
    before = everything(trying, trials.stand_in)
    with pytest.raises(PaymentFailed):
        ask(trying, "max")
    assert everything(trying, trials.stand_in) == before


@pytest.mark.req("PC-8")
def test_a_preview_within_two_trials_without_a_card_foretells_no_charge(trying, trials):  # noqa: F811
    """From one such plan to another: nothing now, and nothing later."""
    from billing.models import Plan

    Plan.objects.filter(code="pro").update(trial_needs_card=False)
    _status, answer = Api(trying).post("plan-change/preview", {"target_plan": "pro"})
    told = answer["data"]
    assert (told["due_now"]["amount_minor"], told["next_invoice"], told["lines"]) == (0, None, [])
    assert ask(trying, "pro", quote=told["quote"]).change.status == "applied"
    trials.by(days=7, hours=1)
    assert subscription(trying).plan.code == "free"
    assert charged(trials) == []


def test_a_move_to_new_terms_has_no_next_invoice_to_compare(trying):
    assert _next(subscription(trying), None) is None
    assert _next(subscription(trying), subscription(trying).price) is None


# What is told -------------------------------------------------------------------------------------------------------


def told() -> list[tuple[str, str]]:
    rows = Notification.objects.filter(kind="trial_ending").order_by("created_at")
    found = [message_of(one.template, one.context) for one in rows]
    return [(one.subject.split(" on ")[0], one.lines[0]) for one in found]


NEAR = ("Your trial of Lite ends", "No card is on file, so nothing is charged, and you go on with Free.")
OVER = ("Your trial of Lite has ended", "No card was on file, so nothing was charged.")


@pytest.mark.req("NO-2")
def test_its_end_is_told_before_and_after_once(trying, trials):  # noqa: F811
    trials.by(days=4, hours=12)
    for _twice in range(2):
        reminders_notify(now=database_now())
    assert told() == [NEAR]
    trials.by(days=3, sweep=False)
    for _twice in range(2):
        refresh(trying)
    assert subscription(trying).plan.code == "free"
    assert told() == [NEAR, OVER]
    last = recent_rows(trying.pk, limit=1)[0]
    assert (last.title, last.note) == ("Lite has ended", "no card was on file at its trial’s end")


@pytest.mark.req("NO-2")
def test_with_a_card_by_then_it_is_told_what_is_charged(trying, trials):  # noqa: F811
    payment_method_add(account=trying, payment_method_id="pm_card_visa")
    trials.by(days=4, hours=12)
    reminders_notify(now=database_now())
    ((_subject, line),) = told()
    assert "€5.00 will be charged" in line


@pytest.mark.req("NO-2")
def test_cancelled_nobody_is_reminded_of_a_trials_end(trying, trials):  # noqa: F811
    cancel(trying)
    trials.by(days=4, hours=12)
    reminders_notify(now=database_now())
    assert told() == []
    trials.by(days=3, sweep=False)
    refresh(trying)
    assert told() == [], "the change that was asked for is told instead"


@pytest.mark.req("NO-2")
def test_a_trial_that_goes_on_paid_has_not_ended(trials):  # noqa: F811
    account = person()
    ask(account, "lite")
    trials.by(days=7, hours=1)
    assert subscription(account).status == "active"
    trials.to(subscription(account).current_period_end - timedelta(days=1))
    from billing.gateways.client import api

    api().subscriptions.cancel(subscription(account).stripe_subscription_id)
    refresh(account)
    (ended,) = Notification.objects.filter(template="subscription_ended")
    assert message_of(ended.template, ended.context).subject == "Lite has ended"
    assert [row.note for row in recent_rows(account.pk, limit=1)] == ["ended by the payment service"]
