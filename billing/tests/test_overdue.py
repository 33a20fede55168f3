"""A renewal that is not paid: graded as days pass, at the very instant, and cured at once by any way of paying."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import Notification
from accounts.notifications.messages import message_of
from billing.errors import PlanChangeNotAllowed
from billing.models import PlanChange, Subscription, UnpaidInvoice
from billing.pages.changes import recent_rows
from billing.selectors import subscription_json
from billing.selectors.overdue import overdue_notice
from billing.services import dunning, invoice_pay, overdue_apply, plan_changes_sweep
from billing.services.converge import subscription_refresh
from billing.services.recorded import attempts_refresh
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    cancel,
    invoices,
    leads,
    messages_limit,
    only,
    preview,
    state,
    subscription,
)
from billing.tests.overdue import (
    REFUSED,
    new_card,
    open_invoice,
    overdue_person,
    pay_elsewhere,
    refresh,
    standing,
    stripe_id,
)
from billing.tests.test_api import Api
from billing.tests.test_pages import browser_of
from common import books
from common.clock import database_now
from common.models import AuditEntry

pytestmark = pytest.mark.req("BI-6")

SECOND = timedelta(seconds=1)
GOOD = "pm_card_visa"


def apply():
    return overdue_apply(now=database_now())


def access_told(account) -> str:
    return subscription_json(subscription(account))["access"]


def test_access_is_graded_to_the_second_by_the_meters_own_clock(travel):
    """Nobody is told anything after the first failure: no event, no beat. Limits switch all the same."""
    account, failed_at = overdue_person(travel, "premium")
    assert standing(account) == ("premium", "past_due", "grace", 1000, 1)
    for passed, limit, access in [
        (timedelta(days=7) - 30 * SECOND, 1000, "grace"),
        (timedelta(days=7) + SECOND, 5, "degraded"),
        (timedelta(days=16) + SECOND, 5, "ended"),
    ]:
        travel.to(failed_at + passed, sweep=False)
        assert (messages_limit(account), access_told(account)) == (limit, access)
        assert subscription(account).access == "grace", "nobody has written it down yet"
        assert books.verify_all() == []


def test_beat_writes_access_down_once(travel):
    account, failed_at = overdue_person(travel)
    assert vars(apply()) == {"graded": [], "ended": [], "still_open": []}
    travel.to(failed_at + timedelta(days=7), sweep=False)
    assert apply().graded == [str(subscription(account).pk)]
    assert standing(account) == ("basic", "past_due", "degraded", 5, 1)
    assert apply().graded == []
    entry = AuditEntry.objects.get(action="subscription.access_changed")
    assert (entry.account_id, entry.data) == (account.pk, {"from": "grace", "to": "degraded"})


def test_what_is_told_what_when_until_when(travel):
    account, failed_at = overdue_person(travel)
    notice = overdue_notice(subscription(account), now=database_now())
    assert (notice.state, notice.amount_minor, notice.currency) == ("grace", 500, "eur")
    assert notice.since == failed_at
    assert notice.next_attempt_at == failed_at + timedelta(days=3)
    assert notice.full_until == failed_at + timedelta(days=7)
    assert notice.ends_at == failed_at + timedelta(days=16)
    travel.to(failed_at + timedelta(days=8, seconds=5), sweep=False)
    refresh(account)
    notice = overdue_notice(subscription(account), now=database_now())
    assert (notice.state, notice.full_until) == ("degraded", None)
    assert notice.next_attempt_at == failed_at + timedelta(days=3 + 5 + 7)


def cure_by_retry(travel, account, failed_at):
    new_card(account, GOOD)
    later = [failed_at + timedelta(days=day) for day in (3, 8, 15)]
    travel.to(next(at for at in later if at > database_now()), sweep=False)
    refresh(account)


def cure_by_paying_now(travel, account, failed_at):
    new_card(account, GOOD)
    pay(account)


def cure_with_another_card(travel, account, failed_at):
    pay(account, payment_method="pm_card_mastercard")


def cure_at_the_portal(travel, account, failed_at):
    pay_elsewhere(open_invoice(account), payment_method=new_card(account, GOOD))
    refresh(account)


def cure_out_of_band(travel, account, failed_at):
    pay_elsewhere(open_invoice(account), paid_out_of_band=True)
    refresh(account)


def pay(account, **more):
    return invoice_pay(
        account=account,
        user=account.personal_owner,
        invoice_id=open_invoice(account),
        request_id="req-pay-now",
        now=database_now(),
        **more,
    )


@pytest.mark.parametrize(
    "days", [pytest.param(0, id="cured on day 0, in grace"), pytest.param(9, id="cured on day 9, degraded")]
)
@pytest.mark.parametrize(
    "cure",
    [cure_by_retry, cure_by_paying_now, cure_with_another_card, cure_at_the_portal, cure_out_of_band],
)
def test_payment_by_any_way_gives_everything_back_at_once(travel, days, cure):
    account, failed_at = overdue_person(travel, "premium")
    before = subscription(account)
    if days:
        travel.to(failed_at + timedelta(days=days), sweep=False)
        refresh(account)
        assert (access_told(account), messages_limit(account)) == ("degraded", 5)
    cure(travel, account, failed_at)
    assert standing(account) == ("premium", "active", "full", 1000, 0)
    after = subscription(account)
    assert (after.pk, after.current_period_end) == (before.pk, before.current_period_end), "nothing is lost"
    assert overdue_notice(after, now=database_now()) is None
    paid = [one for one in invoices(travel.stand_in) if one["status"] == "paid"]
    assert [one["total"] for one in paid] == [2000, 2000]
    assert books.verify_all() == []


def test_unpaid_to_the_end_leaves_the_free_plan_and_what_was_stored(travel):
    account, failed_at = overdue_person(travel)
    travel.to(failed_at + timedelta(days=15, minutes=5))
    refreshed = Subscription.objects.get(stripe_subscription_id=stripe_id(account))
    if refreshed.ended_at is None:  # the sweep goes by periods; here an event would have told
        subscription_refresh(stripe_subscription_id=stripe_id(account))
    assert standing(account) == ("free", "active", "full", 5, 0)
    assert UnpaidInvoice.objects.count() == 0
    assert books.verify_all() == []
    ended = recent_rows(account.pk, limit=5)[0]
    assert (ended.title, ended.note) == ("Basic has ended", "it was not paid"), (
        "the history of the plan says why"
    )


@pytest.mark.parametrize("left", ["past_due", "unpaid"])
def test_what_stripe_leaves_standing_is_ended_by_us_once(travel, left):
    travel.stand_in.core.settings.change({"after_retries": left})
    account, failed_at = overdue_person(travel)
    travel.to(failed_at + timedelta(days=16), sweep=False)
    refresh(account)
    report = apply()
    assert report.ended == [str(Subscription.objects.get(stripe_subscription_id=stripe_id(account)).pk)]
    assert only(state(travel.stand_in)["subscriptions"])["status"] == "canceled"
    assert standing(account) == ("free", "active", "full", 5, 0)
    assert vars(apply()) == {"graded": [], "ended": [], "still_open": []}
    assert AuditEntry.objects.filter(action="subscription.ended", account_id=account.pk).count() == 1


def test_none_is_left_out_however_many_owe(travel, monkeypatch):
    monkeypatch.setattr(dunning, "BATCH", 1)
    travel.stand_in.core.settings.change({"after_retries": "past_due"})
    accounts = [person(), person(), person()]
    for account in accounts:
        ask(account, "basic")
        new_card(account, REFUSED)
    travel.by(days=32, sweep=False)
    for account in accounts:
        refresh(account)
    travel.by(days=16, sweep=False)
    assert len(apply().ended) == len(accounts)
    assert vars(apply()) == {"graded": [], "ended": [], "still_open": []}


def test_who_pays_in_the_last_moment_is_not_ended(travel):
    """Stripe is asked once more before anything is ended; we had not heard of the payment."""
    travel.stand_in.core.settings.change({"after_retries": "past_due"})
    account, failed_at = overdue_person(travel, "premium")
    travel.to(failed_at + timedelta(days=16), sweep=False)
    pay_elsewhere(open_invoice(account), payment_method=new_card(account, GOOD))
    report = apply()
    assert report.ended == []
    assert standing(account) == ("premium", "active", "full", 1000, 0)


def test_the_debt_counts_from_the_oldest_invoice(travel):
    """Stripe keeps the subscription past due over the next renewal: that begins no new grace."""
    travel.stand_in.core.settings.change({"after_retries": "past_due"})
    account, failed_at = overdue_person(travel)
    second = subscription(account).current_period_end
    travel.to(second, sweep=False)
    refresh(account)
    assert UnpaidInvoice.objects.filter(subscription__account=account).count() == 2
    assert overdue_notice(subscription(account), now=database_now()).since == failed_at
    assert overdue_notice(subscription(account), now=database_now()).amount_minor == 1000
    assert access_told(account) == "ended"


@pytest.mark.parametrize(
    ("days", "rule"), [pytest.param(0, "grace", id="in grace"), pytest.param(8, "degraded", id="degraded")]
)
def test_changes_while_overdue(travel, days, rule):
    """Up waits for the payment; down, and the end, are possible."""
    account, failed_at = overdue_person(travel, "basic")
    if days:
        travel.to(failed_at + timedelta(days=days), sweep=False)
        refresh(account)
    with pytest.raises(PlanChangeNotAllowed) as raised:
        ask(account, "premium")
    assert raised.value.details["reason"] == "payment_overdue"
    with pytest.raises(PlanChangeNotAllowed):
        preview(account, "premium")
    assert (
        PlanChange.objects.filter(account=account, to_price__version__plan__code="premium")
        .exclude(status="failed")
        .count()
        == 0
    )
    assert cancel(account).change.status == "scheduled"
    assert access_told(account) == rule
    assert books.verify_all() == []


def test_people_are_told_once_for_each_state(travel):
    account, failed_at = overdue_person(travel)
    for _ in range(3):
        refresh(account)
        apply()
    (told,) = Notification.objects.filter(kind="payment_failed")
    assert told.user == account.personal_owner
    words = message_of(told.template, told.context)
    assert words.subject == "Your payment for Basic failed"
    assert "€5.00" in words.lines[0]
    assert "You keep full access until" in words.lines[1]
    travel.to(failed_at + timedelta(days=7), sweep=False)
    apply()
    apply()
    _, later = Notification.objects.filter(kind="payment_failed").order_by("created_at")
    reduced = message_of(later.template, later.context)
    assert reduced.subject == "Basic is not paid: you have the free limits now"
    assert "free limits until it is paid" in reduced.lines[1]


def test_a_late_reading_does_not_take_a_payment_back(travel):
    """Asked before the payment, written after it: nothing moves back."""
    from billing.gateways.stripe import gateway
    from billing.services.converge import Converged, subscription_converge

    account, _ = overdue_person(travel, "premium")
    early = database_now()
    old = gateway.subscription_get(stripe_id(account))
    unpaid = gateway.invoices_open(subscription_id=old.id)
    new_card(account, GOOD)
    pay(account)
    assert subscription_converge(stripe_subscription=old, read_at=early, unpaid=unpaid) is Converged.STALE
    assert standing(account) == ("premium", "active", "full", 1000, 0)
    plan_changes_sweep(now=database_now() + timedelta(hours=1))
    assert standing(account) == ("premium", "active", "full", 1000, 0)


# One truth about what an end costs -----------------------------------------------------------------------------------


@pytest.mark.req("PC-8", "BI-8")
def test_page_preview_and_cancel_page_say_of_the_unpaid_invoice_what_happens(travel):
    """A retry before the end charges it; what is unpaid at the end is void."""
    account, _failed_at = overdue_person(travel)
    client = browser_of(account)
    to_free = client.get("/account/billing/plans/free/month/").content.decode()
    assert "€5.00 is unpaid." in to_free
    assert "and may still be charged; what is unpaid then is void." in to_free
    cancelling = client.get("/account/billing/cancel/").content.decode()
    assert (
        "The open invoice stays due until then and may still be charged; what is unpaid then is void."
        in cancelling
    )
    assert "the open invoice is void: it is not charged any more" in cancelling
    _status, answer = Api(account).post("plan-change/preview", {"target_plan": "free"})
    told = answer["data"]
    assert told["unpaid"] == {"amount_minor": 500, "currency": "eur"}
    assert (told["due_now"]["amount_minor"], told["next_invoice"]) == (0, None)
    ask(account, "free")
    new_card(account, GOOD)
    travel.by(days=3, hours=1)
    assert [one["status"] for one in invoices(travel.stand_in)] == ["paid", "paid"], "the retry charges"
    assert Api(account).post("plan-change/preview", {"target_plan": "free"})[0] == 409, "it is scheduled"


def test_without_debts_a_preview_says_nothing_of_them(catalog):
    account = person()
    ask(account, "premium")
    assert preview(account, "basic").as_json()["unpaid"] is None
    assert "unpaid" not in browser_of(account).get("/account/billing/plans/free/month/").content.decode()


# The bank asks ------------------------------------------------------------------------------------------------------


@pytest.mark.req("BI-6", "BI-9")
def test_where_the_bank_asks_the_banner_leads_to_confirming(travel):
    account, _failed_at = overdue_person(travel, card="pm_card_authenticationRequired")
    invoice_id = open_invoice(account)
    attempts_refresh(invoice_id=invoice_id)  # as its events do
    client = browser_of(account)
    banner = client.get("/account/billing/overdue/", headers={"HX-Request": "true"}).content.decode()
    assert "Your bank wants you to confirm the payment of €5.00 for Basic" in banner
    confirm = f"/account/billing/pay/{invoice_id}/confirm/"
    assert f'href="{confirm}"' in banner
    assert f'action="/account/billing/pay/{invoice_id}/' not in banner
    assert client.get(confirm)["Location"].startswith(travel.stand_in.url)
    pay_elsewhere(invoice_id, payment_method=new_card(account, GOOD))
    refresh(account)
    assert client.get(confirm)["Location"] == f"/account/billing/invoices/{invoice_id}/"
    assert (
        client.get("/account/billing/overdue/", headers={"HX-Request": "true"}).content.decode().strip() == ""
    )


@pytest.mark.req("BI-6", "NO-2")
def test_where_the_bank_asks_the_mail_leads_to_confirming_too(travel):
    """Whichever event comes first: what came of the attempt is asked for before anybody is told."""
    account, _failed_at = overdue_person(travel, card="pm_card_authenticationRequired")
    (told,) = Notification.objects.filter(kind="payment_failed")
    words = message_of(told.template, told.context)
    assert words.subject == "Confirm your payment for Basic"
    assert "Your bank wants you to confirm the payment of €5.00 for Basic" in words.lines[0]
    assert "did not go through" not in " ".join(words.lines)
    assert words.action.path == f"/account/billing/pay/{open_invoice(account)}/confirm/"


@pytest.mark.req("BI-6")
def test_a_refused_card_is_not_to_be_confirmed(travel):
    account, _failed_at = overdue_person(travel)
    attempts_refresh(invoice_id=open_invoice(account))
    banner = (
        browser_of(account).get("/account/billing/overdue/", headers={"HX-Request": "true"}).content.decode()
    )
    assert "did not go through" in banner
    assert "/confirm/" not in banner


@pytest.mark.req("BI-6", "EN-11")
def test_anothers_invoice_is_not_confirmed(travel):
    account, _failed_at = overdue_person(travel)
    path = f"/account/billing/pay/{open_invoice(account)}/confirm/"
    rival = browser_of(person())
    assert rival.get(path).status_code == rival.get(path.replace("in_", "in_x")).status_code == 404


@pytest.mark.req("BI-6", "PC-3")
def test_the_api_tells_where_to_confirm(travel):
    account, _failed_at = overdue_person(travel, card="pm_card_authenticationRequired")
    invoice_id = open_invoice(account)
    _status, answer = Api(account).post(f"invoices/{invoice_id}/pay", {})
    error = answer["error"]
    assert error["code"] == "payment_action_required"
    assert leads(error["details"]["remedies"]) == ["confirm", "change_card"]
    assert error["details"]["remedies"][0]["url"] == f"/account/billing/pay/{invoice_id}/confirm/"
