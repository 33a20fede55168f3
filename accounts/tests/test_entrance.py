"""Coming in: where one lands, in which language one is spoken to, and that no link shown leads to a refusal."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, User
from accounts.services import account_create_organisation
from accounts.tests.factories import NOW, PASSWORD, UserFactory, make_person

pytestmark = [pytest.mark.django_db, pytest.mark.req("AC-1")]

FRENCH, ENGLISH = {"Accept-Language": "fr"}, {"Accept-Language": "en"}


def sign_in(client: Client, user: User, **headers: str) -> Any:
    return client.post("/accounts/login/", {"login": user.email, "password": PASSWORD}, headers=headers)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") or ""
        if tag == "a" and target.startswith("/"):
            self.found.add(target.partition("#")[0])


def links_of(page: str) -> set[str]:
    parser = _Links()
    parser.feed(page)
    return parser.found


def mere_member() -> User:
    member = UserFactory.create()
    account = account_create_organisation(name="Acme", owner=make_person(), now=NOW)
    Membership.objects.create(account=account, user=member, role="viewer", created_at=NOW)
    return member


WITHOUT_ACCOUNT = {
    "staff": (lambda: UserFactory.create(is_staff=True), "/admin/"),
    "mere member": (mere_member, "/account/settings/"),
}


@pytest.mark.parametrize("who", WITHOUT_ACCOUNT)
def test_who_has_no_account_lands_where_they_may_be(client: Client, who: str) -> None:
    make, start = WITHOUT_ACCOUNT[who]
    answer = sign_in(client, make())
    assert (answer.status_code, answer["Location"]) == (302, start)
    assert client.get(start).status_code == 200


def test_who_has_an_account_lands_on_it(client: Client) -> None:
    assert sign_in(client, make_person())["Location"] == "/account/"
    other = Client()
    assert sign_in(other, make_person(is_staff=True))["Location"] == "/account/"


def test_where_one_wanted_to_go_goes_first(client: Client) -> None:
    user = UserFactory.create(is_staff=True)
    form = {"login": user.email, "password": PASSWORD, "next": "/account/settings/"}
    assert client.post("/accounts/login/", form)["Location"] == "/account/settings/"


PAGES = [
    "/",
    "/account/settings/",
    "/account/notifications/",
    "/accounts/email/",
    "/accounts/password/change/",
]


@pytest.mark.parametrize("who", WITHOUT_ACCOUNT)
@pytest.mark.parametrize("path", [*PAGES, "/account/", "/nope"])
def test_no_link_shown_leads_to_a_refusal(client: Client, who: str, path: str) -> None:
    client.force_login(WITHOUT_ACCOUNT[who][0]())
    links = links_of(client.get(path).content.decode())
    assert "/account/settings/" in links
    refused = {link for link in links if client.get(link).status_code == 403}
    assert refused == set()


def test_who_has_an_account_is_shown_the_way_to_it(client: Client) -> None:
    client.force_login(make_person())
    assert {"/account/", "/account/billing/", "/account/billing/plans/", "/chat/"} <= links_of(
        client.get("/account/settings/").content.decode()
    )


@pytest.mark.parametrize(
    ("language", "told"), [("fr", "Vous êtes connecté en tant que"), ("en", "You are signed in as")]
)
def test_the_notice_of_signing_in_is_in_the_persons_language(
    client: Client, language: str, told: str
) -> None:
    visitors = ENGLISH if language == "fr" else FRENCH
    user = make_person(language=language)
    answer = sign_in(client, user, **visitors)
    page = client.get(answer["Location"], headers=visitors).content.decode()
    assert f'<html lang="{language}"' in page
    assert told in page


def test_the_next_visitor_of_the_same_thread_is_spoken_to_in_their_own(client: Client) -> None:
    sign_in(client, make_person(language="fr"), **ENGLISH)
    assert '<html lang="en"' in Client().get("/", headers=ENGLISH).content.decode()


def test_the_notice_of_signing_out_is_in_the_visitors_language(client: Client) -> None:
    user = make_person(language="fr")
    client.force_login(user)
    answer = client.post("/accounts/logout/", headers=ENGLISH)
    page = client.get(answer["Location"], headers=ENGLISH).content.decode()
    assert '<html lang="en"' in page
    assert "You are signed out." in page


@pytest.mark.parametrize("path", ["/account/settings/", "/account/notifications/", "/"])
def test_unread_notifications_are_counted_once_a_page(client: Client, path: str) -> None:
    client.force_login(make_person())
    client.get(path)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        client.get(path)
    counting = [one for one in asked if re.search(r'COUNT.*"read_at" IS NULL', one["sql"])]
    assert len(counting) == 1


def test_without_a_database_a_page_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own header asks the database too: it is left out then."""
    client.force_login(make_person())
    client.raise_request_exception = False

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise OperationalError("connection refused at 10.0.0.1")

    with monkeypatch.context() as gone:
        gone.setattr("django.db.backends.utils.CursorWrapper.execute", fail)
        answer = client.get("/account/settings/", headers=FRENCH)
    page = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert '<html lang="fr">' in page
    assert "Réessayez dans une minute." in page
    assert "service_unavailable" in page
    assert answer["X-Request-Id"] in page
    assert "10.0.0.1" not in page


def seen_address(user: User) -> str:
    return UserSession.objects.get(user=user).ip


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "10.0.0.7"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        (1, "not an address", "0.0.0.0"),
    ],
)
def test_behind_a_proxy_a_session_has_its_visitors_address(
    client: Client, settings: Any, proxies: int, forwarded: str, address: str
) -> None:
    settings.PROXY_COUNT = proxies
    user = make_person()
    form = {"login": user.email, "password": PASSWORD}
    answer = client.post("/accounts/login/", form, REMOTE_ADDR="10.0.0.7", HTTP_X_FORWARDED_FOR=forwarded)
    assert answer.status_code == 302
    assert seen_address(user) == address


def test_behind_a_proxy_each_visitor_has_tries_of_their_own(settings: Any) -> None:
    settings.PROXY_COUNT = 1
    settings.ACCOUNT_RATE_LIMITS = {"login": "2/m/ip"}
    cache.clear()

    def tries(address: str) -> list[int]:
        form = {"login": "nobody@example.test", "password": "wrong"}
        headers = {"X-Forwarded-For": address}
        return [Client().post("/accounts/login/", form, headers=headers).status_code for _ in range(3)]

    assert tries("203.0.113.9") == [200, 200, 429]
    assert tries("203.0.113.10") == [200, 200, 429]
    cache.clear()


def test_a_limit_whose_end_is_not_known_names_no_number(settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login": "1/10m/ip"}
    cache.clear()
    form = {"login": "nobody@example.test", "password": "wrong"}
    _first, refused = (Client().post("/accounts/login/", form) for _ in range(2))
    assert refused.status_code == 429
    assert "Retry-After" not in refused
    assert "Wait a few minutes, then try again." in refused.content.decode()
    assert "seconds" not in refused.content.decode()
    cache.clear()


LABELS = {
    "/accounts/login/": (["Email", "Password"], ["Adresse e-mail", "Mot de passe"]),
    "/accounts/signup/": (["Email", "Password"], ["Adresse e-mail", "Mot de passe"]),
    "/accounts/password/reset/": (["Email"], ["Adresse e-mail"]),
    "/accounts/password/change/": (
        ["Current password", "New password", "New password, once more"],
        ["Mot de passe actuel", "Nouveau mot de passe", "Nouveau mot de passe, encore une fois"],
    ),
    "/accounts/reauthenticate/": (["Password"], ["Mot de passe"]),
    "/accounts/email/": (["Email"], ["Adresse e-mail"]),
}


@pytest.mark.parametrize("path", LABELS)
def test_forms_have_one_word_for_one_thing(client: Client, path: str) -> None:
    for language, labels in zip(("en", "fr"), LABELS[path], strict=True):
        reader = Client()
        if "login" not in path and "signup" not in path and "reset" not in path:
            reader.force_login(make_person(language=language))
        page = reader.get(path, headers={"Accept-Language": language}).content.decode()
        found = [one.strip() for one in re.findall(r'<label for="id_[^"]*">([^<]+)', page)]
        assert [one for one in found if "@" not in one] == labels


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "There is an account with this address already."),
        ("fr", "Un compte a déjà cette adresse."),
    ],
)
def test_an_address_that_is_taken_is_told_with_what_to_do(language: str, told: str) -> None:
    taken = make_person()
    form = {"email": taken.email, "password1": "a-good-password-7"}
    page = Client().post("/accounts/signup/", form, headers={"Accept-Language": language}).content.decode()
    assert told in page
    assert User.objects.count() == 1
