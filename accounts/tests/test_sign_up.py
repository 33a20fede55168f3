"""Whoever joins has an account in the same transaction, or has not joined."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from accounts.models import Account, Membership, User
from accounts.selectors import account_of
from accounts.services import account_create_organisation, user_register
from accounts.signals import account_created
from accounts.tests.factories import UserFactory, make_person
from common.errors import PermissionDenied, ValidationError

pytestmark = [pytest.mark.django_db, pytest.mark.req("AC-1")]

NOW = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
FORM = {"email": "new@example.test", "password1": "a-good-password-7"}


@pytest.fixture
def heard() -> Any:
    accounts: list[Account] = []

    def listen(sender: Any, account: Account, now: datetime, **_: Any) -> None:
        accounts.append(account)

    account_created.connect(listen)
    yield accounts
    account_created.disconnect(listen)


def test_page_sign_up_makes_an_account(client: Client, heard: list[Account]) -> None:
    response = client.post("/accounts/signup/", FORM, headers={"Accept-Language": "fr"})
    assert response.status_code == 302
    user = User.objects.get(email="new@example.test")
    assert (user.personal_account.billing_email, user.language) == (user.email, "fr")
    assert heard == [user.personal_account]


def test_nobody_joins_when_a_listener_fails(client: Client) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("no plan for you")

    account_created.connect(fail)
    try:
        client.raise_request_exception = False
        assert client.post("/accounts/signup/", FORM).status_code == 500
    finally:
        account_created.disconnect(fail)
    assert (User.objects.count(), Account.objects.count()) == (0, 0)


def test_two_at_once_with_one_address_make_one(committed_db: None) -> None:
    barrier = threading.Barrier(6)

    def join() -> int:
        try:
            client = Client(raise_request_exception=False)
            barrier.wait(20)
            return client.post("/accounts/signup/", FORM).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        statuses = [future.result(60) for future in [pool.submit(join) for _ in range(6)]]
    assert set(statuses) <= {302, 422}
    assert (User.objects.count(), Account.objects.count()) == (1, 1)


def test_register(heard: list[Account]) -> None:
    user = user_register(email="ada@EXAMPLE.test", password="pw", display_name="Ada", language="fr", now=NOW)
    assert (user.email, user.personal_account.name, user.date_joined) == ("ada@example.test", "Ada", NOW)
    assert user.check_password("pw")
    assert heard == [user.personal_account]


def test_register_refuses_a_taken_address(heard: list[Account]) -> None:
    user_register(email="ada@example.test", password="pw", now=NOW)
    with pytest.raises(ValidationError) as error:
        user_register(email="ADA@example.test", password="pw", now=NOW)
    assert error.value.details["fields"][0]["code"] == "taken"
    assert (User.objects.count(), Account.objects.count(), len(heard)) == (1, 1, 1)


class _Request:
    def __init__(self, user: User) -> None:
        self.user = user


def test_account_of_a_person_is_their_own() -> None:
    person = make_person()
    account_create_organisation(name="Acme", owner=person, now=NOW)
    assert account_of(_Request(person)) == person.personal_account


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_account_of_a_manager_without_one_is_the_first_joined(role: str) -> None:
    member = UserFactory.create()
    first = account_create_organisation(name="Acme", owner=make_person(), now=NOW)
    second = account_create_organisation(name="Globex", owner=make_person(), now=NOW)
    for account in (second, first):
        Membership.objects.create(account=account, user=member, role=role, created_at=account.created_at)
    assert account_of(_Request(member)) == second


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_a_mere_member_does_not_act_for_the_organisation(role: str) -> None:
    """Else everybody who was ever invited could change its plan."""
    member = UserFactory.create()
    account = account_create_organisation(name="Acme", owner=make_person(), now=NOW)
    Membership.objects.create(account=account, user=member, role=role, created_at=NOW)
    with pytest.raises(PermissionDenied):
        account_of(_Request(member))


def test_staff_without_an_account_are_refused() -> None:
    with pytest.raises(PermissionDenied):
        account_of(_Request(UserFactory.create(is_staff=True)))
