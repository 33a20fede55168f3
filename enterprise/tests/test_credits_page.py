"""Credits on an organisation's pages: what is left and goes, for all its members; the limit, for whoever may pay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.enums import Role
from billing.models import SpendCap
from billing.services import spend_reverse
from billing.tests.conftest import Travel
from billing.tests.stores import spend, store
from common.clock import database_now
from enterprise.tests.conftest import Holder, key_of
from enterprise.tests.helpers import charged, contract
from enterprise.tests.people import join
from enterprise.tests.test_member_pages import signed_in, text
from quotas.services import usage_consume, wallet_grant
from showcase.generations import NOT_QUEUED

PATH, CAP, OVERVIEW = "/organisation/credits/", "/organisation/credits/cap/", "/organisation/"

pytestmark = pytest.mark.req("EN-10", "CR-10", "CR-5")


def summary(account: Any) -> dict[str, Any]:
    holder = key_of(account, account.members.get(memberships__role=Role.OWNER))
    return holder.client.get("/v1/b2b/usage/summary?metric=generations").json()["data"]


def test_the_overview_says_what_is_left_what_goes_and_what_it_costs(travel: Travel) -> None:
    account = store("growth", credits_left=4)
    wallet_grant(
        account_id=account.pk,
        source="support",
        units=3,
        request_id="gift",
        expires_at=database_now() + timedelta(days=20),
        now=database_now(),
    )
    spend(account, 2)
    travel.by(days=5)
    owner = account.members.get()
    shown = text(signed_in(owner).get(OVERVIEW))
    assert '<dd class="num">5 ' in shown
    assert "1 of them ends on" in shown, "what is spent next"
    assert "at this pace" in shown
    assert f'href="{PATH}"' in shown
    spend(account, 8, key="more")  # 3 past the credits, at 14 cents
    shown = text(signed_in(owner).get(OVERVIEW))
    assert "$0.42" in shown
    told = summary(account)
    assert told["cost_so_far"] == {"amount_minor": 42, "currency": "usd"}
    assert told["projected_cost"]["amount_minor"] > 42


@pytest.mark.req("QU-10")
def test_what_credits_pay_for_has_no_limit_to_be_near(trading: Any) -> None:
    """It says what was used and that credits pay, not "3 of 0" or "100 %"."""
    account = store("growth", credits_left=5)
    spend(account, 3)
    for path in (OVERVIEW, "/account/"):
        shown = text(signed_in(account.members.get()).get(path))
        assert "Paid with credits" in shown
        assert "of 0" not in shown
        assert "Within the limit" not in shown
        assert 'role="meter"' not in shown


def test_why_it_was_taken_back_is_said_in_the_readers_language(trading: Any) -> None:
    account = store("growth", credits_left=0)
    made = spend(account, 1)
    spend_reverse(account_id=account.pk, spend=made, reason=NOT_QUEUED, now=database_now())
    user = account.members.get()
    assert text(signed_in(user).get(PATH)).count("the work could not be queued") == 2
    user.language = "fr"
    user.save(update_fields=["language"])
    assert text(signed_in(user).get(PATH)).count("n’a pas pu être mis en file") == 2


@pytest.mark.req("CR-10")
def test_what_a_plan_gave_is_said_by_the_plans_name(trading: Any) -> None:
    """Not by its code; what support wrote stays as it is."""
    account = store("growth")
    wallet_grant(
        account_id=account.pk,
        source="support",
        units=5,
        request_id="gift",
        reason="growth of trust",
        now=database_now(),
    )
    shown = text(signed_in(account.members.get()).get(PATH))
    assert "plan · Growth" in shown
    assert "growth of trust" in shown
    assert "growth" not in shown.replace("growth of trust", "")


@pytest.mark.req("EN-4", "QU-10")
def test_past_a_limit_that_charges_no_limit_is_said_to_be_reached(metered: Holder) -> None:
    contract(metered.account, charged(2))
    for units, words in ((2, "More is charged"), (1, "1 beyond the limit, charged")):
        assert usage_consume(account_id=metered.account.pk, metric="api_calls", units=units).allowed
        shown = text(signed_in(metered.owner).get(OVERVIEW))
        assert words in shown
        assert "Limit reached" not in shown


@pytest.mark.req("EN-1")
def test_all_members_see_the_ledger_and_who_may_pay_sets_the_limit(trading: Any) -> None:
    account = store("growth", credits_left=1)
    spend(account, 2, request_id="req-of-it")
    before = list(SpendCap.objects.values())
    for role in (Role.VIEWER, Role.DEVELOPER):
        client = signed_in(join(account, role))
        shown = text(client.get(PATH))
        assert "$0.14" in shown
        assert "req-of-it" in shown
        assert "Set the limit" not in shown
        assert client.post(CAP, {"cap": "5"}).status_code == 403
        assert list(SpendCap.objects.values()) == before
    payer = signed_in(join(account, Role.BILLING))
    assert "Set the limit" in text(payer.get(PATH))
    assert payer.post(CAP, {"cap": "abc"}).status_code == 422
    assert "That is below" in text(payer.post(CAP, {"cap": "0.05"}))
    assert list(SpendCap.objects.values()) == before
    assert payer.post(CAP, {"cap": "5"}).status_code == 302
    assert SpendCap.objects.get().account == account
    assert payer.post(CAP, {"remove": "1"}).status_code == 302
    assert not SpendCap.objects.exists()


def test_of_its_own_organisation_only(trading: Any) -> None:
    account, other = store("growth", credits_left=5), store("growth", credits_left=77)
    assert "77 of 500" not in text(signed_in(account.members.get()).get(PATH))
    assert "77 of 500" in text(signed_in(other.members.get()).get(PATH))


@pytest.mark.parametrize("query", ["type=use", "type=gift", "before=x", "charges_before=x"])
def test_filters(trading: Any, query: str) -> None:
    account = store("growth", credits_left=5)
    assert signed_in(account.members.get()).get(f"{PATH}?{query}").status_code == 200


def test_without_credits_it_says_where_they_come_from(trading: Any) -> None:
    account = store(None)
    client = signed_in(account.members.get())
    assert "Business plans bring credits" in text(client.get(PATH))
    assert "Credits left" not in text(client.get(OVERVIEW))
    assert client.post(CAP, {"cap": "5"}).status_code == 402
