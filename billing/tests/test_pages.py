"""The pages of plans and quotas, as a browser without JavaScript meets them: forms, redirects, words."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError
from django.test import Client

from accounts.models import Account, User
from billing.models import PlanChange, Subscription
from billing.pages import overview
from billing.tests.conftest import person
from billing.tests.helpers import ask, everything, invoices, nobody, subscription
from sandbox.stripe import StripeStandIn

pytestmark = pytest.mark.django_db
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


def browser_of(account: Account) -> Client:
    client = Client()
    client.force_login(account.personal_owner)
    return client


def form_of(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form that is sent to `action`."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert form is not None, f"no form for {action}"
    return dict(HIDDEN.findall(form.group()))


def plan_path(plan: str, interval: str = "month") -> str:
    return f"/account/billing/plans/{plan}/{interval}/"


@pytest.mark.req("PC-6", "PC-9")
def test_the_same_press_twice_is_one_change_and_one_charge(catalog: StripeStandIn):
    account = person()
    client = browser_of(account)
    path = plan_path("basic")
    form = form_of(client.get(path).content.decode(), path)
    first, second = client.post(path, form), client.post(path, form)
    assert first.status_code == second.status_code == 302
    assert first["Location"] == second["Location"]
    assert PlanChange.objects.filter(account=account).count() == 1
    assert [one["total"] for one in invoices(catalog)] == [500]
    page = client.get(first["Location"]).content.decode()
    assert "You are on Basic now" in page
    assert "€5.00 was charged, once" in page


@pytest.mark.req("PC-8", "PC-9")
def test_a_price_that_is_no_longer_true_is_shown_anew_and_asked_again(catalog: StripeStandIn):
    account = person()
    client = browser_of(account)
    path = plan_path("basic")
    form = form_of(client.get(path).content.decode(), path)
    live = subscription(account)
    Subscription.objects.filter(pk=live.pk).update(revision=live.revision + 1)
    answer = client.post(path, form)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "The price has been worked out again." in page
    assert "It was €5.00, it is €5.00 now." in page
    assert subscription(account).plan.code == "free"
    assert invoices(catalog) == []
    again = form_of(page, path)
    assert again["quote"] != form["quote"]
    assert again["key"] != form["key"]
    assert client.post(path, again).status_code == 302
    assert subscription(account).plan.code == "basic"


@pytest.mark.req("PC-2", "PC-6")
@pytest.mark.parametrize("missing", ["quote", "shown"])
def test_nothing_is_done_that_was_not_shown(catalog: StripeStandIn, missing: str):
    """A form without the price its page showed is answered with that page."""
    account = person() if missing == "quote" else nobody(person())
    path = plan_path("premium")
    client = browser_of(account)
    form = form_of(client.get(path).content.decode(), path)
    answer = client.post(path, {name: value for name, value in form.items() if name != missing})
    assert answer.status_code == 422
    assert form_of(answer.content.decode(), path)[missing], "it is asked again, with the price"
    assert not PlanChange.objects.filter(account=account, to_price__amount_minor__gt=0).exists()
    assert all(one["amount_paid"] == 0 for one in invoices(catalog))


@pytest.mark.req("PC-2", "AC-7")
def test_a_refused_payment_says_what_to_do_and_changes_nothing(catalog: StripeStandIn):
    account = person(card="pm_card_chargeCustomerFail")
    client = browser_of(account)
    path = plan_path("premium")
    form = form_of(client.get(path).content.decode(), path)
    answer = client.post(path, form)
    page = answer.content.decode()
    assert answer.status_code == 402
    assert "Nothing was charged." in page
    assert "Use another card" in page
    assert subscription(account).plan.code == "free"
    assert all(one["amount_paid"] == 0 for one in invoices(catalog))
    assert form_of(page, path)["key"] != form["key"], "a new try is a new request"
    assert "the payment was refused, nothing was charged" in client.get("/account/").content.decode()


@pytest.mark.req("PC-2", "PC-9")
def test_a_downgrade_is_scheduled_shown_and_taken_back(catalog: StripeStandIn):
    account = person()
    ask(account, "premium")
    client = browser_of(account)
    path = plan_path("basic")
    page = client.get(path).content.decode()
    assert "Switch on" in page
    done = client.post(path, form_of(page, path), follow=True).content.decode()
    assert "Nothing was charged" in done
    shown = client.get("/account/").content.decode()
    assert "Premium until" in shown
    plans = client.get("/account/billing/plans/").content.decode()
    assert "Undo the scheduled change to choose this one." in plans
    undone = client.post("/account/billing/changes/undo/", follow=True).content.decode()
    assert "Undone: you stay on Premium. The next charge is €20.00" in undone
    assert "Premium until" not in undone


def test_undoing_nothing_says_so_and_changes_nothing(catalog: StripeStandIn):
    account = person()
    before = everything(account, catalog)
    answer = browser_of(account).post("/account/billing/changes/undo/", follow=True)
    assert "No change is scheduled." in answer.content.decode()
    assert everything(account, catalog) == before


@pytest.mark.req("PC-3", "PC-9")
@pytest.mark.parametrize(
    ("path", "said"),
    [
        (plan_path("gold"), "There is no such plan."),
        (plan_path("basic", "week"), "This plan is not sold with that interval."),
        (plan_path("free"), "You are on this plan already."),
        (plan_path("scale"), "is for another kind of account"),
    ],
)
def test_what_is_not_possible_leads_back_to_the_plans(catalog: StripeStandIn, path: str, said: str):
    account = person()
    before = everything(account, catalog)
    answer = browser_of(account).get(path, follow=True)
    assert answer.redirect_chain == [("/account/billing/plans/", 302)]
    assert said in answer.content.decode()
    assert everything(account, catalog) == before


@pytest.mark.req("EN-11")
def test_another_ones_result_is_as_unknown_as_none(catalog: StripeStandIn):
    mine, theirs = person(), person()
    change = ask(theirs, "basic").change
    client = browser_of(mine)
    for found in (change.pk, uuid.uuid4()):
        assert client.get(f"/account/billing/changes/{found}/").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/account/",
        "/account/quotas/",
        "/account/billing/plans/",
        plan_path("basic"),
        "/account/billing/card/",
    ],
)
def test_a_stranger_is_asked_to_sign_in(catalog: StripeStandIn, client: Client, path: str):
    answer = client.get(path)
    assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={path}")


def test_a_part_of_a_page_never_holds_the_sign_in_form(catalog: StripeStandIn, client: Client):
    """Somebody whose session ended while a page was open: the page reloads, and that leads to the sign-in."""
    answer = client.get("/account/quotas/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Refresh"], answer.content) == (204, "true", b"")


@pytest.mark.req("AC-6")
@pytest.mark.parametrize(
    ("part", "page"), [("/account/quotas/", "/account/"), ("/account/billing/overdue/", "/account/billing/")]
)
def test_a_part_of_a_page_is_never_alone_on_the_screen(catalog: StripeStandIn, part: str, page: str):
    client = browser_of(person())
    assert client.get(part)["Location"] == page
    asked = client.get(part, headers={"HX-Request": "true"})
    assert (asked.status_code, "<html" in asked.content.decode()) == (200, False)


@pytest.mark.req("AC-1")
def test_a_form_sent_after_the_session_ended_is_said_to_have_done_nothing(
    catalog: StripeStandIn, client: Client
):
    answer = client.post("/account/usage/thresholds/", {"usage_thresholds": "50"}, follow=True)
    assert answer.redirect_chain == [("/accounts/login/?next=/account/usage/thresholds/", 302)]
    assert "nothing was changed" in answer.content.decode()


@pytest.mark.req("AC-7")
def test_too_many_previews_get_a_page_that_says_when(catalog: StripeStandIn, settings):
    _rate, key = settings.RATE_LIMITS["plan_change"]
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "plan_change": ("1/900", key)}
    client = browser_of(person())
    first, second = (client.get(plan_path("basic")) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 429)
    page = second.content.decode()
    assert "That was too fast" in page
    assert f"Try again in {second['Retry-After']} second" in page


def test_staff_without_an_account_get_a_page_that_says_so(catalog: StripeStandIn, client: Client):
    client.force_login(User.objects.create_user("staff@example.test", "x", is_staff=True))
    answer = client.get("/account/")
    assert answer.status_code == 403
    assert "You have no account to do this for." in answer.content.decode()


@pytest.mark.req("QU-10")
def test_quotas_that_cannot_be_read_do_not_take_the_page_with_them(
    catalog: StripeStandIn, monkeypatch: pytest.MonkeyPatch
):
    def fail(**_: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(overview, "quota_status", fail)
    answer = browser_of(person()).get("/account/")
    assert answer.status_code == 200
    assert "Your use could not be read just now." in answer.content.decode()


@pytest.mark.req("BI-3")
def test_a_card_outside_the_list_is_not_taken(catalog: StripeStandIn):
    account = person(card=None)
    before = everything(account, catalog)
    answer = browser_of(account).post("/account/billing/card/", {"payment_method": "pm_anything"})
    assert answer.status_code == 404
    assert everything(account, catalog) == before


@pytest.mark.req("BI-3")
def test_adding_a_card_leads_back_to_the_preview(catalog: StripeStandIn):
    client = browser_of(person(card=None))
    path = plan_path("basic")
    assert "How do you want to pay?" in client.get(path).content.decode()
    answer = client.post(f"/account/billing/card/?next={path}", {"payment_method": "pm_card_visa"})
    assert (answer.status_code, answer["Location"]) == (302, path)
    assert "Paid with Visa ending in 4242." in client.get(path).content.decode()


def test_a_way_back_to_another_site_is_not_taken(catalog: StripeStandIn):
    client = browser_of(person(card=None))
    answer = client.post(
        "/account/billing/card/?next=https://evil.example/", {"payment_method": "pm_card_visa"}
    )
    assert answer["Location"] == "/account/billing/payment-methods/"


@pytest.mark.req("PC-9")
def test_the_front_page_tells_every_plan_and_its_limits(catalog: StripeStandIn, client: Client):
    page = client.get("/").content.decode()
    for text in ("€0", "€5", "€20", "1,000 a day", "$0.16"):
        assert text in page
    yearly = client.get("/?interval=year", headers={"Accept-Language": "fr"}).content.decode()
    assert "50\u00a0€" in yearly
    assert "10\u00a0€ de moins que douze mois" in yearly


def test_the_front_page_without_a_catalogue_says_the_next_step(db: None, client: Client):
    assert "No plan is on offer yet" in client.get("/").content.decode()


ELSEWHERE = {
    "account_menu.html",  # needs somebody who is signed in
    "acting_for.html",
    "again_link.html",  # on error pages
    "contract_facts.html",
    "contract_history.html",
    "contract_limits.html",
    "credits.html",
    "credits_brief.html",
    "credits_burn.html",
    "credits_panel.html",
    "crumb.html",
    "demo_people.html",
    "hero_art.html",
    "key_uses.html",
    "spend_cap.html",
    "start_link.html",
}
"""Components that only their own pages show."""


@pytest.mark.urls("billing.tests.design_urls")
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_component_renders_in_every_state(catalog: StripeStandIn, client: Client, language: str):
    answer = client.get("/design/", headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert answer.content.decode().count('class="card quota') == 7
    shown = {one.name.removeprefix("components/") for one in answer.templates if one.name}
    every = {path.name for path in (Path(settings.BASE_DIR) / "templates" / "components").glob("*.html")}
    assert every - shown == ELSEWHERE


@pytest.mark.req("PC-9", "PC-10")
def test_what_is_too_much_for_the_smaller_plan_can_be_chosen(
    catalog: StripeStandIn, monkeypatch: pytest.MonkeyPatch
):
    things = [{"id": str(number), "name": f"Ada {number}"} for number in range(5)]
    for place in ("exceeding", "changes"):
        monkeypatch.setattr(
            f"billing.services.{place}.stored_things",
            lambda _account, metric: things if metric == "personas" else [],
        )
    account = person()
    ask(account, "premium")
    browser = browser_of(account)
    text = browser.get(plan_path("basic")).content.decode()
    assert "2 are archived at the switch: they are kept, but cannot be used." in text
    assert re.findall(r'value="(\d)" id="keep-\d" checked', text) == ["0", "1", "2"]
    sent = form_of(text, plan_path("basic")) | {"keep": ["1", "2", "3", "4"]}
    refused = browser.post(plan_path("basic"), sent)
    assert refused.status_code == 422
    assert "The new plan does not allow that many." in refused.content.decode()
    assert re.findall(r'value="(\d)" id="keep-\d" checked', refused.content.decode()) == ["1", "2", "3", "4"]
    assert not PlanChange.objects.filter(account=account, status="scheduled").exists()
    browser.post(plan_path("basic"), sent | {"keep": ["4", "0"]})
    assert PlanChange.objects.get(account=account, status="scheduled").keep_ids == ["4", "0"]


def test_browsers_that_look_for_an_icon_find_it(client):
    answer = client.get("/favicon.ico")
    assert answer.status_code == 301
    assert answer["Location"].endswith(".svg")
    assert answer["Location"].startswith("/static/")
