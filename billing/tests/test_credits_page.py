"""The credits page: what is left, what moved, what was charged, and the limit on that."""

from datetime import timedelta

import pytest
from django.test import Client

from billing import services
from billing.models import OverageCharge, SpendCap
from billing.pages import wallet as page
from billing.tests.conftest import person
from billing.tests.helpers import fault, no_faults
from billing.tests.stores import spend, store
from common.clock import database_now
from common.errors import ValidationError
from quotas.services import wallet_adjust, wallet_grant

PATH, CAP = "/account/billing/credits/", "/account/billing/credits/cap/"

pytestmark = pytest.mark.req("CR-10", "CR-4", "CR-5")


def reader(account, language="en"):
    client, user = Client(), account.personal_owner or account.members.get()
    user.language = language
    user.save(update_fields=["language"])
    client.force_login(user)
    return client


def text_of(answer):
    return " ".join(answer.content.decode().split())


def set_cap(client, amount, **more):
    return client.post(CAP, {"cap": amount, **more})


def test_balance_grants_rate_and_projection(trading, stand_in):
    account = store("growth", credits_left=7)
    wallet_grant(
        account_id=account.pk,
        source="support",
        units=3,
        request_id="gift",
        reason="for your patience",
        expires_at=database_now() + timedelta(days=2),
        now=database_now(),
    )
    shown = text_of(reader(account).get(PATH))
    assert '<dd class="num">10</dd>' in shown
    assert shown.index("3 of 3") < shown.index("7 of 500"), "what is spent next stands first"
    assert "for your patience" in shown
    assert "$0.14" in shown
    for rate in ("$0.16", "$0.14", "$0.12"):
        assert rate in shown


def test_history_shows_the_state_of_each_charge(trading, stand_in):
    account = store("growth", credits_left=0)
    made = spend(account, 1, key="a")
    services.spend_reverse(account_id=account.pk, spend=made, reason="no work", now=database_now())
    fault(stand_in, path="/v1/invoiceitems", effect="error_before", times=99)
    spend(account, 2, key="b")
    no_faults(stand_in)
    spend(account, 3, key="c", request_id="req-of-c")
    shown = text_of(reader(account).get(PATH))
    for words in (
        "not confirmed yet",
        "no work",
        "on the first invoice after it",
        "$0.42",
        "$0.28",
        "$0.14",
        "req-of-c",
    ):
        assert words in shown
    french = text_of(reader(account, "fr").get(PATH))
    assert "Historique des dépassements" in french
    OverageCharge.objects.filter(status="pending").delete()


def test_the_ledger_is_filtered_and_paged(trading, stand_in, monkeypatch):
    monkeypatch.setattr(page, "PER_PAGE", 2)
    account = store("growth", credits_left=5)
    for number in range(3):
        spend(account, 1, key=f"k{number}")
    client = reader(account)
    shown = client.get(PATH, {"type": "use"}).context["credits"]
    assert [entry.units for entry in shown.entries] == ["−1", "−1"]
    older = client.get(f"{PATH}?{shown.older_entries}").context["credits"]
    assert [(entry.units, entry.balance) for entry in older.entries] == [("−1", 4)]
    assert older.older_entries == ""
    assert "None yet" not in text_of(client.get(PATH, {"type": "expiry"}))
    assert "There is none of that kind." in text_of(client.get(PATH, {"type": "expiry"}))


@pytest.mark.parametrize(
    "query", ["type=gift", "before=x", "before=-1", f"before={10**30}", "charges_before=x", "before=٣"]
)
def test_questions_that_make_no_sense_show_the_page(trading, stand_in, query):
    account = store("growth", credits_left=5)
    assert reader(account).get(f"{PATH}?{query}").status_code == 200


def test_charges_are_paged(trading, stand_in, monkeypatch):
    monkeypatch.setattr(page, "PER_PAGE", 2)
    account = store("growth", credits_left=0)
    for number in range(3):
        spend(account, number + 1, key=f"k{number}")
    client = reader(account)
    shown = client.get(PATH).context["credits"]
    assert [row.amount["amount_minor"] for row in shown.charges] == [42, 28]
    older = client.get(f"{PATH}?{shown.older_charges}").context["credits"]
    assert [row.amount["amount_minor"] for row in older.charges] == [14]


def test_a_person_without_credits_is_told_where_they_come_from(trading, stand_in):
    shown = text_of(reader(person()).get(PATH))
    assert "Business plans bring credits with each period." in shown
    assert "Limit on overage" not in shown
    assert "credits-title" not in text_of(reader(person()).get("/account/billing/"))


def test_the_billing_page_says_so_in_short(trading, stand_in):
    account = store("growth", credits_left=12)
    shown = text_of(reader(account).get("/account/billing/"))
    assert f'href="{PATH}"' in shown
    assert "<strong>12</strong> left" in shown


class TestLimit:
    def test_is_set_and_removed(self, trading, stand_in):
        account = store("growth", credits_left=0)
        client = reader(account)
        assert set_cap(client, "25,50").status_code == 302
        assert SpendCap.objects.get().cap_minor == 2550
        assert "$25.50" in text_of(client.get(PATH))
        assert client.post(CAP, {"remove": "1"}).status_code == 302
        assert not SpendCap.objects.exists()

    def test_below_what_is_spent_it_asks_first(self, trading, stand_in):
        account = store("growth", credits_left=0)
        spend(account, 10)
        client = reader(account)
        asked = set_cap(client, "1")
        assert asked.status_code == 200
        assert "That is below the $1.40 spent already." in text_of(asked)
        assert not SpendCap.objects.exists()
        assert set_cap(client, "1.20", confirmed="100").status_code == 200, "another amount asks anew"
        assert set_cap(client, "1", confirmed="100").status_code == 302
        assert SpendCap.objects.get().cap_minor == 100
        assert "Reached" in text_of(client.get(PATH))

    @pytest.mark.parametrize(
        "amount", ["", "abc", "-1", "1e3", "1.234", "NaN", "٣", "1.2.3", "9" * 20, "1000000", "\0", "∞"]
    )
    def test_what_is_no_amount_is_said_at_the_field(self, trading, stand_in, amount):
        account = store("growth", credits_left=0)
        answer = set_cap(reader(account), amount)
        assert answer.status_code == 422
        assert 'id="error_cap"' in text_of(answer)
        assert not SpendCap.objects.exists()

    def test_without_a_plan_that_sells_overage(self, trading, stand_in):
        assert set_cap(reader(person()), "5").status_code == 402
        assert not SpendCap.objects.exists()

    def test_strangers_sign_in(self, trading, stand_in):
        assert Client().get(PATH).status_code == 302
        assert Client().post(CAP, {"cap": "1"}).status_code == 302


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("25", "usd", 2500),
        ("25.5", "usd", 2550),
        ("0", "usd", 0),
        ("1 000,05", "eur", 100005),
        ("500", "jpy", 500),
    ],
)
def test_amounts_as_people_write_them(text, currency, minor):
    assert page.minor_of(text, currency) == minor


def test_half_a_yen_is_none():
    with pytest.raises(ValidationError):
        page.minor_of("0.5", "jpy")


def test_adjustments_say_why(trading, stand_in):
    account = store("growth", credits_left=5)
    wallet_adjust(
        account_id=account.pk,
        units=-1,
        request_id="x",
        reason="<b>mistake</b>",
        actor="test",
        now=database_now(),
    )
    shown = text_of(reader(account).get(PATH))
    assert "&lt;b&gt;mistake&lt;/b&gt;" in shown
