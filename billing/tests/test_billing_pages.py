"""The pages of billing: dashboard, invoices, cancelling, withdrawing, as a browser without JavaScript meets them."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from billing.errors import PaymentFailed
from billing.gateways.client import api
from billing.models import PlanChange, Subscription, Withdrawal
from billing.pages import panels
from billing.services import invoice_refund, payment_method_add, subscription_refresh
from billing.tests.conftest import person
from billing.tests.helpers import ask, cancel, everything, fault, invoices, no_faults, state, subscription
from billing.tests.stores import store
from billing.tests.test_pages import browser_of, form_of
from common.clock import database_now

pytestmark = pytest.mark.django_db

BILLING = "/account/billing/"
CANCEL, RESUME, WITHDRAW = f"{BILLING}cancel/", f"{BILLING}resume/", f"{BILLING}withdraw/"
INVOICES = f"{BILLING}invoices/"


def page(client, path, status=200):
    answer = client.get(path)
    assert answer.status_code == status, answer
    return answer.content.decode()


# Dashboard ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("AC-5", "BI-5")
def test_the_dashboard_tells_plan_next_charge_card_and_invoices(catalog):
    account = person()
    ask(account, "basic")
    text = page(browser_of(account), BILLING)
    for words in ("Basic", "To be charged", "€5.00", "Visa ending in 4242", "is charged", "Latest invoices"):
        assert words in text
    assert invoices(catalog)[0]["number"] in text


@pytest.mark.req("AC-5")
def test_the_next_charge_is_that_of_the_plan_to_come(catalog):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    text = page(browser_of(account), BILLING)
    section = re.search(r'aria-labelledby="next-title".*?</section>', text, re.DOTALL)
    assert section is not None
    assert "€5.00" in section.group()
    assert "€20.00" not in section.group()


@pytest.mark.req("AC-5")
@pytest.mark.parametrize("ending", ["free", "cancelled"])
def test_without_a_charge_to_come_none_is_told(catalog, ending):
    account = person()
    if ending == "cancelled":
        ask(account, "basic")
        cancel(account)
    assert "To be charged" not in page(browser_of(account), BILLING)


@pytest.mark.req("AC-5")
def test_a_silent_payment_service_does_not_take_the_page_with_it(catalog):
    account = person()
    ask(account, "basic")
    fault(catalog, path="/v1/customers", method="GET", effect="error_before", times=20)
    text = page(browser_of(account), BILLING)
    no_faults(catalog)
    assert "The payment service does not answer at the moment." in text
    assert "Basic" in text


@pytest.mark.req("AC-5")
def test_other_parts_add_their_sections(catalog, monkeypatch):
    account = person()
    seen = []

    def provider(of):
        seen.append(of.pk)
        return panels.Panel("components/crumbs.html", {})

    monkeypatch.setattr(panels, "_providers", {})
    panels.register("nothing", lambda _account: None, position=1)
    panels.register("example", provider, position=0)
    page(browser_of(account), BILLING)
    assert seen == [account.pk]


# Invoices -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("BI-5")
def test_invoices_are_listed_filtered_and_shown_with_lines(catalog):
    account = person()
    client = browser_of(account)
    assert "No invoices yet" in page(client, INVOICES)
    ask(account, "basic")
    ask(account, "premium")
    first, second = invoices(catalog)
    year = database_now().year
    assert second["number"] in page(client, f"{INVOICES}?status=paid&year={year}")
    offered = re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)</option>', page(client, INVOICES))
    assert (str(year), str(year)) in offered, "a year is a number without a separator"
    assert "No invoice fits" in page(client, f"{INVOICES}?status=void")
    for query in ("status=odd", "year=1999", "year=x", "cursor=forged"):
        assert client.get(f"{INVOICES}?{query}").status_code == 422
    text = page(client, f"{INVOICES}{second['id']}/")
    assert "Unused time on Basic" in text
    assert "€15.00" in text
    answer = client.get(f"{INVOICES}{first['id']}/pdf/")
    assert (answer.status_code, answer["Location"]) == (302, first["invoice_pdf"])


@pytest.mark.req("BI-5")
def test_credit_notes_and_refunds_stand_on_the_invoice(catalog):
    account = person()
    ask(account, "basic")
    (invoice,) = invoices(catalog)
    invoice_refund(
        account=account,
        invoice_id=invoice["id"],
        amount_minor=120,
        reason="sold by mistake",
        actor=None,
        idempotency_key=None,
        request_id="",
        now=database_now(),
    )
    client = browser_of(account)
    text = page(client, f"{INVOICES}{invoice['id']}/")
    for words in ("Credit notes", f"{invoice['number']}-CN-01", "to your card", "Refunds", "€1.20"):
        assert words in text
    assert "€1.20 credited" in page(client, INVOICES)


@pytest.mark.req("BI-5", "EN-11")
def test_foreign_invoices_and_receipts_are_unknown(catalog):
    owner, stranger = person(), person()
    ask(owner, "basic")
    ask(stranger, "basic")
    own = next(one for one in invoices(catalog) if one["customer"] == owner.stripe_customer_id)
    browser_of(owner).post(WITHDRAW)
    receipt = Withdrawal.objects.get()
    client = browser_of(stranger)
    for path in (f"invoices/{own['id']}/", f"invoices/{own['id']}/pdf/", f"withdrawals/{receipt.pk}/"):
        assert client.get(BILLING + path).status_code == 404
        assert browser_of(owner).get(BILLING + path).status_code in (200, 302)


# Cancelling ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("BI-8", "PC-13")
def test_three_clicks_from_the_account_page_and_one_back(catalog):
    account = person()
    ask(account, "basic")
    client = browser_of(account)
    assert f'href="{CANCEL}"' in page(client, "/account/")  # click 1
    text = page(client, CANCEL)
    assert "50 a day" in text
    assert "5 a day" in text
    form = form_of(text, CANCEL)
    answer = client.post(CANCEL, form | {"at": "period_end", "reason": "too dear"}, follow=True)  # click 2
    assert "You keep Basic until" in answer.content.decode()
    change = PlanChange.objects.get(account=account, status="scheduled")
    assert change.reason == "too dear"
    text = page(client, "/account/")
    assert f'action="{RESUME}"' in text
    back = client.post(RESUME, form_of(text, RESUME), follow=True)
    assert (
        "Your subscription goes on: you keep Basic. Nothing was charged now. The next charge is €5.00 on "
        in back.content.decode()
    )
    assert subscription(account).cancel_at is None


@pytest.mark.req("BI-8", "PC-13")
def test_cancelling_now(catalog):
    account = person()
    ask(account, "basic")
    client = browser_of(account)
    form = form_of(page(client, CANCEL), CANCEL) | {"at": "now"}
    first, again = client.post(CANCEL, form), client.post(CANCEL, form)
    assert (first.status_code, again.status_code) == (302, 302)
    assert subscription(account).plan.code == "free"
    assert PlanChange.objects.filter(account=account, kind="cancel", status="applied").count() == 1


@pytest.mark.req("BI-8")
def test_what_cannot_be_cancelled_or_resumed_says_so(catalog):
    account = person()
    client = browser_of(account)
    for act in (lambda: client.get(CANCEL), lambda: client.post(CANCEL), lambda: client.post(RESUME)):
        before = everything(account, catalog)
        assert act().status_code == 302
        assert everything(account, catalog) == before
    ask(account, "basic")
    before = everything(account, catalog)
    assert client.post(CANCEL, {"at": "yesterday"}).status_code == 422
    assert client.post(RESUME).status_code == 302
    assert everything(account, catalog) == before


@pytest.mark.req("BI-8", "PC-13")
@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        ("downgrade", "Another change is scheduled. Take it back first."),
        ("end", "The end of the subscription is scheduled already."),
        ("end at Stripe", "The end of the subscription is scheduled already."),
    ],
)
def test_what_is_scheduled_is_told_instead_of_a_page_that_leads_nowhere(catalog, prepare, said):
    account = person()
    ask(account, "premium")
    if prepare == "downgrade":
        ask(account, "basic")
    elif prepare == "end":
        cancel(account)
    else:
        stripe_id = str(subscription(account).stripe_subscription_id)
        api().subscriptions.update(stripe_id, {"cancel_at_period_end": True})
        subscription_refresh(stripe_subscription_id=stripe_id)
    before = everything(account, catalog)
    answer = browser_of(account).get(CANCEL, follow=True)
    assert answer.redirect_chain == [(BILLING, 302)]
    assert said in answer.content.decode()
    assert everything(account, catalog) == before


@pytest.mark.req("BI-8", "BI-6")
def test_cancelling_while_a_payment_is_overdue_promises_no_whole_period(catalog):
    account = person()
    ask(account, "basic")
    Subscription.objects.filter(account=account, ended_at=None).update(status="past_due")
    text = page(browser_of(account), CANCEL)
    assert "or earlier when its invoice stays unpaid" in text
    assert "You keep Basic until" not in text


@pytest.mark.req("BI-8", "EN-1")
def test_an_organisation_that_cancels_hears_that_no_plan_follows(catalog):
    account = store("growth")
    client = Client()
    owner = account.memberships.get().user
    client.force_login(owner)
    text = page(client, CANCEL)
    assert "Afterwards you have no plan; what you stored is kept." in text
    assert "no plan afterwards" not in text


@pytest.mark.req("PC-13", "PC-9")
def test_from_the_year_to_the_month_both_are_named(catalog):
    account = person()
    ask(account, "basic", "year")
    change = ask(account, "basic", "month").change
    client = browser_of(account)
    text = page(client, "/account/")
    assert re.search(r"Basic yearly until .*?, then Basic monthly\.", text)
    assert "smaller plan" not in text
    assert "Basic monthly from" in page(client, f"{BILLING}changes/{change.pk}/")


# Withdrawing --------------------------------------------------------------------------------------------------------


@pytest.mark.req("BI-8")
def test_withdrawing_has_a_page_a_confirmation_and_a_receipt(catalog):
    account = person()
    ask(account, "basic")
    client = browser_of(account)
    french = {"Accept-Language": "fr"}
    assert "Withdraw from the contract here" in page(client, "/account/")
    text = page(client, WITHDRAW)
    assert "Confirm the withdrawal" in text
    before = everything(account, catalog)
    assert client.get(WITHDRAW, headers=french).status_code == 200
    assert everything(account, catalog) == before, "looking withdraws nothing"
    answer = client.post(WITHDRAW, form_of(text, WITHDRAW), follow=True)
    assert "You have withdrawn from Basic" in answer.content.decode()
    assert str(Withdrawal.objects.get().pk) in answer.content.decode()
    assert sum(note["total"] for note in state(catalog)["credit_notes"].values()) == 500
    again = client.post(WITHDRAW, follow=True)
    assert "You have withdrawn from your contract already." in again.content.decode()
    assert "Withdraw from the contract here" not in page(client, "/account/")


@pytest.mark.req("BI-8")
def test_strangers_are_sent_to_the_sign_in(client):
    for path in (BILLING, INVOICES, CANCEL, WITHDRAW):
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/")


# What an invoice says ------------------------------------------------------------------------------------------------


def sums(text: str) -> dict[str, str]:
    """The invoice's rows below its lines."""
    foot = re.search(r"<tfoot>(.*?)</tfoot>", text, re.DOTALL)
    assert foot is not None
    rows = re.findall(r'<th scope="row">(.*?)</th><td class="money">(.*?)</td>', foot.group(1), re.DOTALL)
    return {re.sub(r" on .*", "", name): value for name, value in rows}


@pytest.mark.req("BI-5")
@pytest.mark.parametrize(
    ("balance", "said"),
    [
        (0, {"Total": "€5.00", "Paid": "€5.00"}),
        (-200, {"Total": "€5.00", "Your credit": "−€2.00", "Due": "€3.00", "Paid": "€3.00"}),
        (20, {"Total": "€5.00", "Owed from before": "€0.20", "Due": "€5.20", "Paid": "€5.20"}),
        (-900, {"Total": "€5.00", "Your credit": "−€5.00", "Due": "€0.00", "Paid": "€0.00"}),
        (
            -480,
            {
                "Total": "€5.00",
                "Your credit": "−€4.80",
                "Carried over to your next invoice": "−€0.20",
                "Due": "€0.00",
                "Paid": "€0.00",
            },
        ),
    ],
)
def test_an_invoice_says_what_became_of_credit_and_debt(catalog, balance, said):
    account = person()
    account.refresh_from_db()
    api().customers.update(account.stripe_customer_id, {"balance": balance})
    ask(account, "basic")
    invoice = invoices(catalog)[-1]
    assert sums(page(browser_of(account), f"{INVOICES}{invoice['id']}/")) == said


@pytest.mark.req("BI-5", "PC-8")
def test_an_invoice_below_nothing_is_credit(catalog):
    account = person()
    ask(account, "basic", "year")
    ask(account, "premium", "month")
    invoice = invoices(catalog)[-1]
    assert invoice["total"] < 0
    said = sums(page(browser_of(account), f"{INVOICES}{invoice['id']}/"))
    assert list(said) == ["Total", "Credit for your next invoices", "Due", "Paid"]
    assert said["Total"] == "−" + said["Credit for your next invoices"]
    assert said["Due"] == said["Paid"] == "€0.00"


@pytest.mark.req("BI-5", "AC-6")
def test_an_invoices_state_is_feminine_in_french(catalog):
    account = person(language="fr")
    ask(account, "basic")
    text = page(browser_of(account), INVOICES)
    assert re.search(r'badge ok">.*?Payée</span>', text, re.DOTALL)


# What went wrong with a card ----------------------------------------------------------------------------------------


@pytest.mark.req("BI-4", "AC-7")
def test_a_card_that_is_not_taken_is_no_payment(catalog):
    account = person(card=None)
    client = browser_of(account)
    before = everything(account, catalog)
    answer = client.post("/account/billing/card/", {"payment_method": "pm_card_chargeDeclined"})
    text = answer.content.decode()
    assert answer.status_code == 402
    assert "The card was not added." in text
    assert "The bank refused it." in text
    assert "payment was refused" not in text
    assert everything(account, catalog) == before


@pytest.mark.req("BI-4", "CR-9")
def test_the_api_says_so_too(catalog):
    account = person(card=None)
    with pytest.raises(PaymentFailed) as raised:
        payment_method_add(account=account, payment_method_id="pm_card_chargeDeclinedInsufficientFunds")
    assert str(raised.value.message) == (
        "The card was not added: there is not enough money on the card. Nothing was charged; try another card."
    )
    assert raised.value.details["decline_code"] == "insufficient_funds"


@pytest.mark.req("BI-3", "AC-7")
def test_without_a_card_it_is_said_that_there_is_none(catalog):
    account = person(card=None)
    before = everything(account, catalog)
    with pytest.raises(PaymentFailed) as raised:
        ask(account, "basic")
    assert str(raised.value.message).startswith("No card is on file.")
    assert raised.value.details["decline_code"] == "payment_method_missing"
    assert everything(account, catalog) == before
    text = page(browser_of(account), "/account/")
    assert "there was no card to charge, nothing was charged" in text
    assert "payment was refused" not in text
