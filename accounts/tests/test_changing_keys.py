"""A new SECRET_KEY beside the former one: nobody is signed out, and once the former one is gone what it signed is void."""

import pytest
from django.conf import settings
from django.core import signing
from django.test import Client
from rest_framework.test import APIClient

from accounts.tests.factories import bearer, make_person
from common.clock import database_now

pytestmark = [pytest.mark.req("OP-7"), pytest.mark.django_db]

NEW = "another-long-and-random-secret-0123456789-zyxwvut"


@pytest.fixture
def changed(settings):
    """Turns the key: with the former one beside it, or without."""

    def turn(*, keep: bool) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY] if keep else []
        settings.SECRET_KEY = NEW

    return turn


@pytest.mark.parametrize("keep", [True, False])
def test_sessions(changed, keep):
    person = make_person(now=database_now())
    client = Client()
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get("/account/notifications/").status_code == 200
    changed(keep=keep)
    assert client.get("/account/notifications/").status_code == (200 if keep else 302)


@pytest.mark.parametrize("keep", [True, False])
def test_tokens_of_people(changed, keep):
    """Their own signature is JWT_SIGNING_KEY's, which stays."""
    person = make_person(now=database_now())
    client = APIClient()
    client.credentials(**bearer(person))
    assert client.get("/v1/account/settings").status_code == 200
    changed(keep=keep)
    assert client.get("/v1/account/settings").status_code == (200 if keep else 401)
    client.credentials(**bearer(person))
    assert client.get("/v1/account/settings").status_code == 200, "what is signed now is good"


@pytest.mark.parametrize("keep", [True, False])
def test_links_and_quotes(changed, keep):
    signed = signing.dumps([1, "news"], salt="a salt")
    changed(keep=keep)
    if keep:
        assert signing.loads(signed, salt="a salt") == [1, "news"]
    else:
        with pytest.raises(signing.BadSignature):
            signing.loads(signed, salt="a salt")
    assert settings.SECRET_KEY == NEW
