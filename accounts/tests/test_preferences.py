"""Language, theme and time zone: of the person, else of the browser."""

import pytest
from django.test import Client

from accounts.models import User
from accounts.tests.factories import make_person
from common.clock import database_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in(client: Client) -> tuple[Client, User]:
    user = make_person(now=database_now())
    client.force_login(user)
    return client, user


def choose(client: Client, **chosen: str):
    return client.post("/preferences/", {"next": "/accounts/password/reset/", **chosen})


@pytest.mark.req("AC-2")
def test_a_persons_choice_is_kept(signed_in):
    client, user = signed_in
    answer = choose(client, language="fr", theme="dark", timezone="Europe/Paris")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/password/reset/")
    user.refresh_from_db()
    assert (user.language, user.theme, user.timezone) == ("fr", "dark", "Europe/Paris")


@pytest.mark.req("AC-2")
@pytest.mark.parametrize(
    "junk", [{"language": "xx"}, {"theme": "purple"}, {"timezone": "Mars/Olympus"}, {"is_staff": "1"}, {}]
)
def test_what_does_not_exist_changes_nothing(signed_in, junk):
    client, user = signed_in
    before = User.objects.values().get(pk=user.pk)
    assert choose(client, **junk).status_code == 302
    assert User.objects.values().get(pk=user.pk) == before


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_the_way_back_stays_here(client: Client, target: str):
    assert client.post("/preferences/", {"next": target, "theme": "dark"})["Location"] == "/"


def test_it_takes_a_post(client: Client):
    answer = client.get("/preferences/")
    assert (answer.status_code, answer["Location"]) == (302, "/")


@pytest.mark.req("AC-2", "AC-6")
def test_a_visitors_choice_is_kept_in_the_browser(client: Client):
    choose(client, language="fr", theme="dark", timezone="Europe/Paris")
    page = client.get("/accounts/login/").content.decode()
    assert '<html lang="fr" data-theme="dark">' in page


@pytest.mark.req("AC-2")
def test_a_persons_language_wins_over_the_browsers(signed_in):
    client, user = signed_in
    User.objects.filter(pk=user.pk).update(language="fr")
    answer = client.get("/accounts/password/change/", headers={"Accept-Language": "en"})
    assert '<html lang="fr"' in answer.content.decode()
    assert answer["Content-Language"] == "fr"


def test_a_forged_cookie_is_ignored(client: Client):
    client.cookies["palier_theme"] = '"><script>'
    client.cookies["palier_timezone"] = "../../etc/passwd"
    page = client.get("/accounts/login/").content.decode()
    assert "data-theme" not in page
    assert "passwd" not in page


@pytest.mark.req("AC-1", "AC-2")
def test_who_signs_up_keeps_the_devices_time_zone(client: Client):
    client.cookies["palier_timezone"] = "Europe/Paris"
    client.post("/accounts/signup/", {"email": "new@example.test", "password1": "a-long-enough-phrase"})
    assert User.objects.get(email="new@example.test").timezone == "Europe/Paris"
