"""What a refusal offers: only what this account can buy or do, at addresses that exist."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, User
from accounts.tests.factories import bearer
from billing import errors
from billing.models import Plan, PlanChange, PlanVersion
from billing.pages.refusals import refusal_of as refusal_page
from billing.tests.conftest import Travel, person
from billing.tests.helpers import ask, everything, leads, nobody, organisation, start, subscription
from billing.tests.overdue import overdue_person, refresh
from common.clock import database_now
from common.errors import DomainError
from quotas import errors as quota_errors
from quotas.errors import WithRemedy
from quotas.remedies import feature_details
from quotas.selectors import usage_check
from quotas.serialize import refusal_details
from quotas.values import Decision
from sandbox.stripe import StripeStandIn


def refusal_of(account: Account, units: int, metric: str = "messages") -> Decision:
    decision = usage_check(account_id=account.pk, metric=metric, units=units)
    assert not decision.allowed
    return decision


def offered(account: Account, metric: str, units: int = 1) -> list[str]:
    """The plans that a refusal of that many units names, after a look at its ways on."""
    remedies = refusal_details(refusal_of(account, units, metric))["remedies"]
    leads(remedies)
    return [remedy["plan"] for remedy in remedies if remedy["action"] == "upgrade"]


@pytest.mark.req("QU-9")
def test_without_a_plan_only_plans_of_its_kind_that_cost_are_offered(catalog: StripeStandIn):
    assert offered(nobody(person()), "messages") == ["basic", "premium"]
    assert offered(organisation(), "generations") == ["starter", "growth", "scale"]
    assert offered(organisation(), "messages") == []  # no plan for organisations has any


@pytest.mark.req("QU-9")
def test_with_a_plan_only_those_are_offered_that_it_can_go_up_to(catalog: StripeStandIn):
    account = person()
    assert offered(account, "messages", 6) == ["basic", "premium"]
    assert offered(account, "messages", 60) == ["basic", "premium"]
    ask(account, "basic")
    assert offered(account, "messages", 60) == ["premium"]
    ask(account, "premium")
    assert leads(refusal_details(refusal_of(account, 2000))["remedies"]) == ["contact"]


@pytest.mark.req("QU-9", "PC-1")
def test_a_version_sold_from_now_on_is_offered_at_once(catalog: StripeStandIn):
    """What a process keeps are terms that were sold; which are sold now it asks each time."""
    account = person()
    assert offered(account, "messages", 60) == ["basic", "premium"]
    PlanVersion.objects.filter(plan__code="premium").update(superseded_at=database_now())
    assert offered(account, "messages", 60) == ["basic"]
    premium = Plan.objects.get(code="premium")
    PlanVersion.objects.create(
        plan=premium, number=99, currency="usd", fingerprint="changed", created_at=database_now()
    )
    assert offered(account, "messages", 60) == ["basic"], "the new version has no messages"


@pytest.mark.req("QU-9")
def test_a_refusal_looks_its_ways_up_in_few_statements(
    catalog: StripeStandIn, django_assert_max_num_queries: Any
):
    account = person()
    decision = refusal_of(account, 6)
    refusal_details(decision)
    with django_assert_max_num_queries(5):
        assert len(refusal_details(decision)["remedies"]) == 2, "the plans; 6 a day are never free again"


@pytest.mark.req("QU-8")
def test_a_feature_is_offered_by_plans_of_the_accounts_kind_with_their_address(catalog: StripeStandIn):
    assert feature_details(person().pk, "export") == {
        "plans": ["premium"],
        "remedies": [
            {
                "action": "upgrade",
                "url": "/account/billing/plans/?plan=premium#plan-premium",
                "plan": "premium",
            }
        ],
    }
    assert feature_details(organisation().pk, "priority")["plans"] == ["scale"]
    for account, feature in ((organisation(), "export"), (person(), "priority")):
        details = feature_details(account.pk, feature)
        assert (details["plans"], leads(details["remedies"])) == ([], ["contact"])


@pytest.mark.req("QU-9", "PC-9")
@pytest.mark.parametrize(("wanted", "marked"), [("premium", 1), ("free", 0), ("scale", 0), ('"><b>', 0)])
def test_the_page_marks_the_plan_that_a_refusal_names(catalog: StripeStandIn, wanted: str, marked: int):
    """The one there is already, another kind of account's and nonsense are not marked."""
    client = Client()
    client.force_login(person().personal_owner)
    page = client.get("/account/billing/plans/", {"plan": wanted}).content.decode()
    assert (page.count("Suggested"), page.count("wanted")) == (marked, marked)
    assert page.count('id="plan-premium"') == 1


@pytest.mark.req("QU-9", "PC-3")
def test_what_is_planned_is_taken_back_before_going_up(catalog: StripeStandIn):
    """Nothing is offered that would be refused: the change under way stands in the way of another one."""
    account = person()
    ask(account, "basic")
    ask(account, "free")
    remedies = refusal_details(refusal_of(account, 60))["remedies"]
    assert leads([one for one in remedies if one["action"] != "wait"]) == ["undo"]
    assert remedies[-1]["plan"] == "premium"
    page = refusal_page(refusal_of(account, 60))
    assert [(way.action, way.url) for way in page.ways_on] == [("undo", "/account/")]


@pytest.mark.req("QU-9", "PC-9")
def test_the_page_leads_to_the_price_by_the_interval_that_is_paid_now(catalog: StripeStandIn):
    account = person()
    assert refusal_page(refusal_of(account, 60)).ways_on[-1].url == "/account/billing/plans/premium/month/"
    ask(account, "basic", interval="year")
    assert [way.url for way in refusal_page(refusal_of(account, 60)).ways_on] == [
        "/account/billing/plans/premium/year/"
    ]


@pytest.mark.req("QU-9", "BI-6")
def test_who_owes_is_told_to_pay_and_not_to_buy_what_would_be_refused(travel: Travel):
    account, failed_at = overdue_person(travel)
    assert leads(refusal_details(refusal_of(account, 60))["remedies"]) == ["pay"]  # in grace: first, then up
    travel.to(failed_at + timedelta(days=8))
    refresh(account)
    details = feature_details(account.pk, "history")
    assert (details["plans"], leads(details["remedies"])) == (["basic"], ["pay"])
    for remedies in (
        feature_details(account.pk, "export")["remedies"],
        refusal_details(refusal_of(account, 6))["remedies"],
    ):
        assert leads([one for one in remedies if one["action"] != "wait"]) == ["pay"]


@pytest.mark.req("PC-9")
def test_an_organisation_is_shown_and_sold_its_own_plans(catalog: StripeStandIn):
    account = organisation()
    client = Client()
    client.force_login(account.members.get())
    page = client.get("/account/billing/plans/").content.decode()
    assert [name for name in ("Basic", "Premium", "Starter", "Growth", "Scale") if f">{name}<" in page] == [
        "Starter",
        "Growth",
        "Scale",
    ]
    for words in (
        "Credits included",
        "100 a billing period",
        "Each credit beyond",
        "$0.16",
        "2,000 a billing",
    ):
        assert words in page
    preview = client.get("/account/billing/plans/starter/month/")
    assert preview.status_code == 200
    assert "You get 100 credits at once." in preview.content.decode()
    before = everything(account, catalog)
    for refused in ("basic", "free"):
        answer = client.get(f"/account/billing/plans/{refused}/month/", follow=True)
        assert answer.redirect_chain == [("/account/billing/plans/", 302)]
        assert "is for another kind of account" in answer.content.decode()
    assert everything(account, catalog) == before


@pytest.mark.req("AC-5", "PC-9")
@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_page_offers_an_organisation_what_is_for_people(catalog: StripeStandIn, language: str):
    client = Client()
    owner = organisation().members.get()
    User.objects.filter(pk=owner.pk).update(language=language)
    client.force_login(owner)
    for path in ("", "billing/", "billing/plans/", "billing/invoices/"):
        page = client.get(f"/account/{path}").content.decode()
        assert "the free" not in page
        assert "Basic" not in page
    page = client.get("/account/").content.decode()
    assert {"en": "Your organisation has no plan", "fr": "Votre organisation n’a pas de formule"}[
        language
    ] in page
    for path in ("/chat/", "/personas/"):
        page = client.get(path).content.decode()
        assert {"en": "No plan for organisations has any", "fr": "Aucune formule pour organisations"}[
            language
        ] in page


@pytest.mark.req("PC-9")
def test_a_person_without_a_plan_is_told_of_the_free_one_on_pages(catalog: StripeStandIn):
    client = Client()
    client.force_login(nobody(person()).personal_owner)
    assert "the free one too" in client.get("/account/").content.decode()
    assert "Choose a plan to ask the desk" in client.get("/chat/").content.decode()


@pytest.mark.req("BI-8")
def test_an_organisation_is_told_what_it_loses_by_cancelling(catalog: StripeStandIn):
    account = organisation()
    start(account, "starter", payment_method="pm_card_visa")
    client = Client()
    client.force_login(account.members.get())
    page = client.get("/account/billing/cancel/").content.decode()
    assert "API access" in page
    assert "Your limits stay the same" not in page


@pytest.mark.req("PC-9")
def test_a_person_without_a_plan_is_not_shown_an_organisations_price(catalog: StripeStandIn):
    client = Client()
    client.force_login(nobody(person()).personal_owner)
    answer = client.get("/account/billing/plans/growth/month/", follow=True)
    assert answer.redirect_chain == [("/account/billing/plans/", 302)]
    assert "is for another kind of account" in answer.content.decode()


def subclasses(one: type[DomainError]) -> set[type[DomainError]]:
    return {one}.union(*(subclasses(child) for child in one.__subclasses__()))


REFUSALS = sorted(
    (
        one
        for one in subclasses(DomainError)
        if one.__module__ in (errors.__name__, quota_errors.__name__)
        and "code" in vars(one)
        and one.status < 500
    ),
    key=lambda one: one.__name__,
)


@pytest.mark.req("PC-3", "QU-2")
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: one.__name__)
def test_every_refusal_has_a_next_step_at_an_address_that_exists(refusal: type[DomainError]):
    assert issubclass(refusal, WithRemedy)
    assert leads(refusal().details["remedies"])
    for reason, remedy in refusal.remedy_for.items():
        assert refusal(details={"reason": reason}).details["remedies"] == [remedy]
        assert leads([remedy])


def refused(account: Account, method: str, path: str, **body: object) -> dict[str, object]:
    answer = getattr(Client(), method)(
        f"/v1/billing/{path}", body, content_type="application/json", **bearer(account.personal_owner)
    )
    assert 400 <= answer.status_code < 500, answer.content
    return answer.json()["error"]


@pytest.mark.req("PC-3")
def test_refused_over_http_the_way_on_is_said(catalog: StripeStandIn):
    account = person()
    error = refused(account, "delete", "plan-change")
    assert (error["code"], leads(error["details"]["remedies"])) == ("nothing_to_undo", ["see_plan"])
    ask(account, "premium")
    ask(account, "basic")
    for plan, code, action in (
        ("free", "plan_change_not_allowed", "undo"),
        ("basic", "duplicate_plan_change", "see_plan"),
        ("gold", "invalid_target_plan", "choose_plan"),
        ("growth", "plan_change_not_allowed", "choose_plan"),
    ):
        for path in ("plan-change", "plan-change/preview"):
            error = refused(account, "post", path, target_plan=plan)
            assert (error["code"], leads(error["details"]["remedies"])) == (code, [action])


@pytest.mark.req("PC-3", "BI-6")
def test_past_due_the_way_on_is_the_invoice_that_is_owed(catalog: StripeStandIn):
    from billing.demo import overdue

    account = person()
    ask(account, "basic")
    overdue(account, database_now())
    owed = subscription(account).unpaid_invoices.get().stripe_invoice_id
    error = refused(account, "post", "plan-change", target_plan="premium")
    assert error["details"]["reason"] == "payment_overdue"
    assert error["details"]["remedies"] == [
        {"action": "pay", "url": f"/account/billing/invoices/{owed}/", "invoice": owed}
    ]
    client = Client()
    client.force_login(account.personal_owner)
    page = client.get(error["details"]["remedies"][0]["url"])
    assert f"/account/billing/pay/{owed}/" in page.content.decode()
    assert not PlanChange.objects.filter(account=account).exclude(status__in=["applied", "failed"]).exists()
