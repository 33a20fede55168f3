"""Signing in to the API: short access, rotating refresh, one answer for all that is wrong."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import jwt
import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal import auth as totp
from django.conf import settings
from django.core.cache import caches
from django.db import connections
from django.test import Client, override_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts import tokens
from accounts.models import User
from accounts.tasks import tokens_prune
from accounts.tests.factories import PASSWORD, UserFactory, bearer, make_person, totp_code

pytestmark = [pytest.mark.django_db, pytest.mark.req("AC-1", "PC-7")]

OWN = "/v1/account/settings"
Post = Callable[..., Any]


@pytest.fixture
def person() -> User:
    return make_person(email="Ada@Example.test")


@pytest.fixture
def post(client: Client) -> Post:
    def call(path: str, **body: Any) -> Any:
        return client.post(f"/v1/auth/{path}", body, content_type="application/json")

    return call


def get_own(client: Client, access: str) -> Any:
    return client.get(OWN, HTTP_AUTHORIZATION=f"Bearer {access}")


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, settings.SIMPLE_JWT["SIGNING_KEY"], algorithms=["HS256"])


def test_token_signs_in(client: Client, post: Post, person: User) -> None:
    response = post("token", email="ada@example.TEST", password=PASSWORD)
    assert response.status_code == 200
    data = response.json()["data"]
    assert set(data) == {"access", "refresh", "expires_in"}
    assert data["expires_in"] == claims(data["access"])["exp"] - claims(data["access"])["iat"] == 600
    assert (claims(data["access"])["role"], claims(data["access"])["sub"]) == ("user", str(person.pk))
    assert get_own(client, data["access"]).status_code == 200


def test_answers_with_tokens_are_not_kept_for_replay_nor_cached(client: Client, person: User) -> None:
    body = {"email": person.email, "password": PASSWORD}
    answers = [
        client.post("/v1/auth/token", body, content_type="application/json", HTTP_IDEMPOTENCY_KEY="k")
        for _ in range(2)
    ]
    assert answers[0].json()["data"]["access"] != answers[1].json()["data"]["access"]
    assert answers[0]["Cache-Control"] == "no-store"


def test_refresh_tokens_are_not_in_the_database(post: Post, person: User) -> None:
    post("token", email=person.email, password=PASSWORD)
    assert OutstandingToken.objects.get().token == ""


def test_wrong_password_and_unknown_address_get_the_same_answer(post: Post, person: User) -> None:
    answers = [
        post("token", email=person.email, password="wrong"),
        post("token", email="nobody@example.test", password="wrong"),
    ]
    bodies = [answer.json()["error"] | {"request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1]
    assert code(answers[0]) == (401, "invalid_credentials")
    assert OutstandingToken.objects.count() == 0


def test_unknown_address_costs_a_hashing_too(post: Post, person: User) -> None:
    for email in (person.email, "nobody@example.test"):
        with patch("django.contrib.auth.hashers.PBKDF2PasswordHasher.encode", return_value="x") as hashing:
            post("token", email=email, password="wrong")
        assert hashing.call_count == 1, email


def test_inactive_person_gets_no_token(client: Client, post: Post, person: User) -> None:
    pair = tokens.issue(person)
    User.objects.update(is_active=False)
    assert code(post("token", email=person.email, password=PASSWORD)) == (401, "invalid_credentials")
    assert code(get_own(client, pair.access)) == (401, "invalid_credentials")
    assert code(post("token/refresh", refresh=pair.refresh)) == (401, "invalid_credentials")


@override_settings(ACCOUNT_EMAIL_VERIFICATION="mandatory")
def test_address_must_be_confirmed_where_that_is_asked(post: Post, person: User) -> None:
    assert code(post("token", email=person.email, password=PASSWORD)) == (403, "permission_denied")
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    assert post("token", email=person.email, password=PASSWORD).status_code == 200


def test_second_factor_is_asked_for(post: Post, person: User) -> None:
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    answer = post("token", email=person.email, password=PASSWORD)
    assert code(answer) == (401, "invalid_credentials")
    assert answer.json()["error"]["details"] == {"second_factor_required": True}
    assert code(post("token", email=person.email, password=PASSWORD, code="000000"))[0] == 401
    right = totp_code(secret)
    assert post("token", email=person.email, password=PASSWORD, code=right).status_code == 200
    assert post("token", email=person.email, password=PASSWORD, code=right).status_code == 401  # once only
    caches["default"].clear()


def test_a_code_that_was_used_is_remembered_for_as_long_as_it_passes(post: Post, person: User) -> None:
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    cache = caches["default"]
    body = {"email": person.email, "password": PASSWORD, "code": totp_code(secret)}
    assert post("token", **body).status_code == 200
    (used,) = cache.keys("allauth.mfa.totp.used*")
    until = time.time() + cache.ttl(used)
    with time_machine.travel(until, tick=False):
        assert not totp.validate_totp_code(secret, body["code"])
    cache.clear()


def test_sign_in_is_limited_by_address_and_mailbox(post: Post, person: User) -> None:
    limits = settings.RATE_LIMITS | {"auth": ("3/3600", "ip_email")}
    with override_settings(RATE_LIMITS=limits):
        answers = [
            post("token", email=email, password="no") for email in ["a@x.test", "A@X.test ", "a@x.test"]
        ]
        refused = post("token", email="a@x.test", password="no")
        other = post("token", email=person.email, password=PASSWORD)
    assert {answer.status_code for answer in answers} == {401}
    assert code(refused) == (429, "rate_limited")
    assert 1 <= int(refused["Retry-After"]) <= 3600
    assert other.status_code == 200


def test_refresh_rotates_and_the_old_one_is_refused(client: Client, post: Post, person: User) -> None:
    first = post("token", email=person.email, password=PASSWORD).json()["data"]
    second = post("token/refresh", refresh=first["refresh"]).json()["data"]
    assert get_own(client, second["access"]).status_code == 200
    assert code(post("token/refresh", refresh=first["refresh"])) == (401, "token_expired")


def test_a_used_token_that_comes_back_ends_its_whole_sign_in(post: Post, person: User) -> None:
    first, elsewhere = tokens.issue(person).refresh, tokens.issue(person).refresh
    second = post("token/refresh", refresh=first).json()["data"]["refresh"]
    third = post("token/refresh", refresh=second).json()["data"]["refresh"]
    assert code(post("token/refresh", refresh=first)) == (401, "token_expired")
    assert code(post("token/refresh", refresh=third)) == (401, "token_expired")
    assert post("token/refresh", refresh=elsewhere).status_code == 200


def test_revoking_a_used_token_ends_what_came_of_it(post: Post, person: User) -> None:
    first = tokens.issue(person).refresh
    second = post("token/refresh", refresh=first).json()["data"]["refresh"]
    assert post("token/revoke", refresh=first).status_code == 200
    assert code(post("token/refresh", refresh=second)) == (401, "token_expired")


def test_of_many_uses_at_once_one_wins(committed_db: None, person: User) -> None:
    refresh = tokens.issue(person).refresh
    barrier = threading.Barrier(12)

    def use() -> int:
        try:
            barrier.wait(20)
            return (
                Client()
                .post("/v1/auth/token/refresh", {"refresh": refresh}, content_type="application/json")
                .status_code
            )
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as pool:
        statuses = [future.result(60) for future in [pool.submit(use) for _ in range(12)]]
    assert sorted(statuses) == [200] + [401] * 11
    assert OutstandingToken.objects.count() == 2
    assert BlacklistedToken.objects.count() == 2  # eleven of them were replays


def test_revoke_ends_it_and_is_content_with_what_is_ended(post: Post, person: User) -> None:
    refresh = tokens.issue(person).refresh
    for _ in range(2):
        answer = post("token/revoke", refresh=refresh)
        assert (answer.status_code, answer.json()["data"]) == (200, {"revoked": True})
    assert code(post("token/refresh", refresh=refresh)) == (401, "token_expired")
    assert BlacklistedToken.objects.count() == 1


@pytest.mark.parametrize("path", ["token/refresh", "token/revoke"])
def test_forged_and_mistaken_tokens_are_refused(post: Post, person: User, path: str) -> None:
    pair = tokens.issue(person)
    forged = jwt.encode(claims(pair.refresh), "another-key-of-thirty-two-characters!", algorithm="HS256")
    unsigned = jwt.encode(claims(pair.refresh), None, algorithm="none")
    for refresh in (forged, unsigned, pair.access, "nonsense", "é.é.é"):
        assert code(post(path, refresh=refresh)) == (401, "invalid_credentials"), refresh
    assert BlacklistedToken.objects.count() == 0


def test_access_expires(client: Client, post: Post, person: User) -> None:
    pair = tokens.issue(person)
    with time_machine.travel(timedelta(minutes=11), tick=False):
        answer = get_own(client, pair.access)
        assert code(answer) == (401, "token_expired")
        assert answer["WWW-Authenticate"] == "Bearer"
        assert post("token/refresh", refresh=pair.refresh).status_code == 200
    with time_machine.travel(timedelta(days=15), tick=False):
        assert code(post("token/refresh", refresh=tokens_of_the_past(person))) == (401, "token_expired")


def tokens_of_the_past(person: User) -> str:
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False):
        return tokens.issue(person).refresh


def test_refresh_token_is_no_access_token(client: Client, person: User) -> None:
    assert code(get_own(client, tokens.issue(person).refresh)) == (401, "invalid_credentials")


def test_another_role_is_refused(client: Client, person: User) -> None:
    forged_role = claims(tokens.issue(person).access) | {"role": "machine"}
    access = jwt.encode(forged_role, settings.SIMPLE_JWT["SIGNING_KEY"], algorithm="HS256")
    assert code(get_own(client, access)) == (403, "permission_denied")


@pytest.mark.parametrize(
    "body", [{}, {"email": "a@x.test"}, {"email": 1, "password": 2}, {"email": "", "password": ""}]
)
def test_bad_bodies(post: Post, body: dict[str, Any]) -> None:
    assert code(post("token", **body)) == (422, "validation_error")


def test_address_differs_by_more_than_case(person: User) -> None:
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        UserFactory.create(email="ADA@example.test")


def test_password_reset_by_page_withdraws_tokens(client: Client, person: User) -> None:
    headers = bearer(person)
    person.set_password("another-password-1")
    person.save()
    answer = client.get(OWN, **headers)
    assert code(answer) == (401, "token_expired")


def test_expired_tokens_are_forgotten(person: User) -> None:
    tokens_of_the_past(person)
    tokens.issue(person)
    tokens_prune()
    assert OutstandingToken.objects.count() == 1
