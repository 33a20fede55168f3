"""People for tests. One password for all, hashed once: hashing is slow on purpose."""

from datetime import UTC, datetime
from functools import cache

import factory
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth.hashers import make_password
from factory.django import DjangoModelFactory

from accounts import tokens
from accounts.models import Account, User
from accounts.services import account_create_personal

PASSWORD = "palier-test-password"
NOW = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


@cache
def hashed_password() -> str:
    return make_password(PASSWORD)


class UserFactory(DjangoModelFactory[User]):
    """A person without an account."""

    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"person{n}@example.test")
    password = factory.LazyFunction(hashed_password)


def make_person(now: datetime = NOW, **fields: object) -> User:
    """A person with an account of their own, as sign-up leaves them."""
    user = UserFactory.create(**fields)
    account_create_personal(user=user, now=now)
    return user


def account_of(user: User) -> Account:
    return user.personal_account


def totp_code(secret: str) -> str:
    """What the authenticator shows now. The first of the codes that pass is the one before, which may pass no more when
    it arrives.
    """
    counters = list(yield_hotp_counters_from_time())
    return format_hotp_value(hotp_value(secret, counters[len(counters) // 2]))


def bearer(user: User) -> dict[str, str]:
    """Headers that call the API as this person; for Django's and REST framework's test clients."""
    return {"HTTP_AUTHORIZATION": f"Bearer {tokens.issue(user).access}"}
