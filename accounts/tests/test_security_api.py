"""Where one is signed in, and two-factor sign-in, over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.cache import cache
from django.test import Client

from accounts import tokens, two_factor
from accounts.models import User
from accounts.tests.factories import PASSWORD, make_person, totp_code
from accounts.tests.test_account_api import Api

pytestmark = [pytest.mark.django_db, pytest.mark.req("AC-1", "AC-3")]

SESSIONS, TWO_FACTOR = "/v1/account/sessions", "/v1/account/two-factor"


@pytest.fixture
def person(db: None) -> User:
    user = make_person()
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    cache.clear()
    return user


@pytest.fixture
def api(person: User) -> Api:
    return Api(person)


def browser(user: User, agent: str = "Firefox/140 Linux") -> Client:
    client = Client(headers={"User-Agent": agent})
    assert client.post("/accounts/login/", {"login": user.email, "password": PASSWORD}).status_code == 302
    client.get("/account/settings/")
    return client


def is_in(client: Client) -> bool:
    return client.get("/account/settings/").status_code == 200


def refreshed(pair: tokens.TokenPair) -> int:
    body = {"refresh": pair.refresh}
    return Client().post("/v1/auth/token/refresh", body, content_type="application/json").status_code


def of_kind(api: Api, kind: str) -> list[dict[str, Any]]:
    return [one for one in api("get", path=SESSIONS).json()["data"] if one["kind"] == kind]


def test_browsers_and_programs_are_seen_and_one_is_ended(api: Api, person: User) -> None:
    first, second = browser(person), browser(person, "Safari/18 iPhone")
    other = make_person()
    browser(other)
    listed = of_kind(api, "browser")
    assert [one["user_agent"] for one in listed] == ["Safari/18 iPhone", "Firefox/140 Linux"]
    assert {one["ip"] for one in listed} == {"127.0.0.1"}
    answer = api("delete", path=f"{SESSIONS}/{listed[0]['id']}")
    assert (answer.status_code, answer.json()["data"]) == (200, {"ended": 1})
    assert (is_in(first), is_in(second)) == (True, False)
    again = api("delete", path=f"{SESSIONS}/{listed[0]['id']}")
    assert (again.status_code, again.json()["error"]["code"]) == (404, "not_found")
    assert [one["id"] for one in of_kind(api, "browser")] == [listed[1]["id"]]


def test_a_program_is_one_sign_in_however_often_it_renews(api: Api, person: User) -> None:
    before = {one["id"] for one in of_kind(api, "api")}
    pair = tokens.issue(person)
    body = {"refresh": pair.refresh}
    answer = Client().post("/v1/auth/token/refresh", body, content_type="application/json")
    latest = tokens.TokenPair(**answer.json()["data"])
    (mine,) = [one for one in of_kind(api, "api") if one["id"] not in before]
    assert (mine["ip"], mine["user_agent"]) == (None, "")
    assert mine["created_at"] < mine["last_seen_at"]
    assert api("delete", path=f"{SESSIONS}/{mine['id']}").status_code == 200
    assert refreshed(latest) == 401
    assert {one["id"] for one in of_kind(api, "api")} == before


@pytest.mark.parametrize(
    "unknown", ["browser_0", "browser_999999999999", f"api_{'0' * 32}", "api_%", "x", "browser_-1", "None"]
)
def test_what_is_nobodys_is_not_found_and_ends_nothing(api: Api, person: User, unknown: str) -> None:
    client = browser(person)
    answer = api("delete", path=f"{SESSIONS}/{unknown}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert is_in(client)


def test_somebody_elses_is_not_found_and_stays(api: Api) -> None:
    stranger = make_person()
    client, pair = browser(stranger), tokens.issue(stranger)
    for one in of_kind(Api(stranger), "browser") + of_kind(Api(stranger), "api"):
        assert api("delete", path=f"{SESSIONS}/{one['id']}").status_code == 404
    assert is_in(client)
    assert refreshed(pair) == 200


def test_everywhere_at_once(api: Api, person: User) -> None:
    clients, pairs = [browser(person), browser(person)], [tokens.issue(person), tokens.issue(person)]
    stranger = make_person()
    theirs, theirs_too = browser(stranger), tokens.issue(stranger)
    ended = api("delete", path=SESSIONS).json()["data"]["ended"]
    assert ended == 2 + 2 + 1, "that of the caller too"
    assert [is_in(client) for client in clients] == [False, False]
    assert [refreshed(pair) for pair in pairs] == [401, 401]
    assert (is_in(theirs), refreshed(theirs_too)) == (True, 200)
    assert api("get", path=SESSIONS).json()["data"] == []


PAGE = "/accounts/sessions/"


def ids_on(client: Client) -> set[str]:
    return set(re.findall(r'name="id" value="([^"]+)"', client.get(PAGE).content.decode()))


def test_the_page_shows_both_kinds_and_ends_one(api: Api, person: User) -> None:
    here, there, pair = browser(person), browser(person, "Safari/18 iPhone"), tokens.issue(person)
    assert ids_on(here) == {one["id"] for one in api("get", path=SESSIONS).json()["data"]}
    assert "A program, over the API" in here.get(PAGE).content.decode()
    (other,) = [one for one in of_kind(api, "browser") if one["user_agent"] == "Safari/18 iPhone"]
    told = here.post(PAGE, {"id": other["id"]}, follow=True).content.decode()
    assert "It is signed out." in told
    assert (is_in(here), is_in(there), refreshed(pair)) == (True, False, 200)
    assert "signed out already" in here.post(PAGE, {"id": other["id"]}, follow=True).content.decode()


def test_the_page_ends_all_but_this_browser(api: Api, person: User) -> None:
    here, there, pair = browser(person), browser(person), tokens.issue(person)
    stranger = make_person()
    theirs, theirs_too = browser(stranger), tokens.issue(stranger)
    (own,) = [one["id"] for one in of_kind(Api(stranger), "browser")]
    here.post(PAGE, {"id": own})  # another person's: nothing happens
    assert here.post(PAGE).status_code == 302
    assert (is_in(here), is_in(there), refreshed(pair)) == (True, False, 401)
    assert (is_in(theirs), refreshed(theirs_too)) == (True, 200)
    (mine,) = ids_on(here)
    assert here.post(PAGE, {"id": mine}).headers["Location"] == "/accounts/logout/", "asked first"
    assert is_in(here)
    assert Client().post(PAGE).headers["Location"].startswith("/accounts/login/")


def turn_on(api: Api) -> list[str]:
    begun = api("post", {"password": PASSWORD}, TWO_FACTOR).json()["data"]
    sent = {"setup": begun["setup"], "code": totp_code(begun["secret"])}
    answer = api("post", sent, f"{TWO_FACTOR}/confirm")
    assert answer.status_code == 200, answer.content
    codes: list[str] = answer.json()["data"]["recovery_codes"]
    return codes


def state(api: Api) -> tuple[bool, int]:
    data = api("get", path=TWO_FACTOR).json()["data"]
    return data["is_on"], data["recovery_codes_left"]


def sign_in(user: User, **more: str) -> int:
    body = {"email": user.email, "password": PASSWORD, **more}
    return Client().post("/v1/auth/token", body, content_type="application/json").status_code


def refusal(answer: Any) -> tuple[int, str]:
    error = answer.json()["error"]
    fields = error["details"].get("fields")
    return answer.status_code, f"{fields[0]['field']}.{fields[0]['code']}" if fields else error["code"]


def test_on_with_a_code_and_off_with_the_password(api: Api, person: User) -> None:
    assert state(api) == (False, 0)
    codes = turn_on(api)
    assert state(api) == (True, len(codes)) == (True, 10)
    assert sign_in(person) == 401
    assert sign_in(person, code=codes[0]) == 200
    assert sign_in(person, code=codes[0]) == 401, "a recovery code opens once"
    assert state(api) == (True, 9)
    assert refusal(api("post", {"password": PASSWORD}, TWO_FACTOR)) == (409, "two_factor_on")
    assert api("post", {"password": PASSWORD}, f"{TWO_FACTOR}/off").json()["data"] == {
        "is_on": False,
        "recovery_codes_left": 0,
    }
    assert sign_in(person) == 200
    assert [one.subject for one in mail.outbox] == [
        "Two-factor sign-in is on for your Palier account",
        "Two-factor sign-in is off for your Palier account",
    ]


def test_the_uri_names_the_product_and_nothing_is_on_before_the_code(api: Api, person: User) -> None:
    begun = api("post", {"password": PASSWORD}, TWO_FACTOR).json()["data"]
    assert begun["uri"].startswith("otpauth://totp/")
    assert f"secret={begun['secret']}" in begun["uri"]
    assert "issuer=Palier" in begun["uri"]
    assert state(api) == (False, 0)
    assert sign_in(person) == 200
    assert not Authenticator.objects.exists()


def test_what_is_wrong_turns_nothing_on(api: Api, person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(api("post", {"password": "wrong"}, TWO_FACTOR)) == (422, "password.wrong")
    begun = api("post", {"password": PASSWORD}, TWO_FACTOR).json()["data"]
    right = totp_code(begun["secret"])
    wrong = f"{(int(right) + 500_000) % 1_000_000:06}"
    stranger = make_person()
    theirs = two_factor.two_factor_begin(user=stranger, password=PASSWORD)
    confirm = f"{TWO_FACTOR}/confirm"
    assert refusal(api("post", {"setup": begun["setup"], "code": wrong}, confirm)) == (422, "code.wrong")
    for setup, code in ((theirs.token, totp_code(theirs.secret)), ("nonsense", right)):
        assert refusal(api("post", {"setup": setup, "code": code}, confirm)) == (422, "setup.expired")
    monkeypatch.setattr(two_factor, "SETUP_LIFE", two_factor.SETUP_LIFE * -1)
    assert refusal(api("post", {"setup": begun["setup"], "code": right}, confirm)) == (422, "setup.expired")
    assert state(api) == (False, 0)
    assert mail.outbox == []


def test_a_setup_turns_it_on_once(api: Api) -> None:
    begun = api("post", {"password": PASSWORD}, TWO_FACTOR).json()["data"]
    sent = {"setup": begun["setup"], "code": totp_code(begun["secret"])}
    assert api("post", sent, f"{TWO_FACTOR}/confirm").status_code == 200
    before = list(Authenticator.objects.values())
    assert refusal(api("post", sent, f"{TWO_FACTOR}/confirm")) == (409, "two_factor_on")
    assert list(Authenticator.objects.values()) == before


def test_new_recovery_codes_replace_those_before(api: Api, person: User) -> None:
    path = f"{TWO_FACTOR}/recovery-codes"
    assert refusal(api("post", {"password": PASSWORD}, path)) == (409, "two_factor_not_on")
    old = turn_on(api)
    assert refusal(api("post", {"password": "wrong"}, path)) == (422, "password.wrong")
    new = api("post", {"password": PASSWORD}, path).json()["data"]["recovery_codes"]
    assert not set(new) & set(old)
    assert sign_in(person, code=old[0]) == 401
    assert sign_in(person, code=new[0]) == 200


def test_off_needs_the_password_and_to_be_on(api: Api) -> None:
    path = f"{TWO_FACTOR}/off"
    assert refusal(api("post", {"password": PASSWORD}, path)) == (409, "two_factor_not_on")
    turn_on(api)
    before = list(Authenticator.objects.values())
    assert refusal(api("post", {"password": "wrong"}, path)) == (422, "password.wrong")
    assert list(Authenticator.objects.values()) == before
