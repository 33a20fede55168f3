"""What each role may, and that a key can no more than who makes it."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, transaction

from accounts.enums import Permission, Role
from accounts.models import Membership
from accounts.roles import MAY, may, may_give, roles_that_may, roles_to_give
from accounts.tests.factories import UserFactory
from common.errors import NotFound
from enterprise.enums import Scope
from enterprise.errors import RoleMissing, ScopeMissing
from enterprise.rules.scopes import scopes_of
from enterprise.services import (
    credential_revoke,
    credential_rotate,
)
from enterprise.tests.conftest import organisation
from enterprise.tests.people import (
    join,
    make_key,
    now,
    refused,
)

pytestmark = pytest.mark.req("EN-1")


def test_what_each_role_may() -> None:
    assert set(MAY) == set(Role)
    assert all(may(role, Permission.VIEW) for role in Role)
    assert roles_that_may(Permission.OWNERS) == [Role.OWNER]
    assert roles_that_may(Permission.MEMBERS) == [Role.OWNER, Role.ADMIN]
    assert roles_that_may(Permission.KEYS) == [Role.OWNER, Role.ADMIN, Role.DEVELOPER]
    assert roles_that_may(Permission.BILLING) == [Role.OWNER, Role.ADMIN, Role.BILLING]
    assert roles_to_give(Role.ADMIN) == [Role.ADMIN, Role.DEVELOPER, Role.BILLING, Role.VIEWER]
    assert roles_to_give(Role.DEVELOPER) == []
    assert not may("member", Permission.VIEW)
    assert not may_give(Role.ADMIN, Role.OWNER)


def test_scopes_that_a_role_may_put_on_a_key() -> None:
    assert scopes_of(Role.OWNER) == scopes_of(Role.ADMIN) == list(Scope)
    assert Scope.BILLING_WRITE not in scopes_of(Role.DEVELOPER)
    assert scopes_of(Role.BILLING) == scopes_of(Role.VIEWER) == []


def test_the_database_knows_the_roles_too(db: None) -> None:
    account, owner = organisation()
    with pytest.raises(DatabaseError), transaction.atomic():
        Membership.objects.filter(account=account, user=owner).update(role="member")


def test_a_key_can_no_more_than_who_makes_it(db: None) -> None:
    account, owner = organisation()
    developer = join(account, Role.DEVELOPER)
    told = refused(ScopeMissing, lambda: make_key(account, developer, Scope.PRODUCT, Scope.BILLING_WRITE))
    assert told.details["required"] == ["billing:write"]
    mighty = make_key(account, owner, *Scope.values).credential
    assert make_key(account, developer, Scope.PRODUCT).credential.created_by == developer
    rotate = lambda: credential_rotate(  # noqa: E731
        account_id=account.pk, credential_id=mighty.public_id, actor=developer, now=now()
    )
    refused(ScopeMissing, rotate)


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_who_may_not_touch_keys(db: None, role: Role) -> None:
    account, owner = organisation()
    one = join(account, role)
    key = make_key(account, owner, Scope.PRODUCT).credential
    told = refused(RoleMissing, lambda: make_key(account, one, Scope.PRODUCT))
    assert told.details == {"role": role.value, "required": "keys"}
    for act in (credential_rotate, credential_revoke):
        refused(
            RoleMissing,
            lambda act=act: act(account_id=account.pk, credential_id=key.public_id, actor=one, now=now()),
        )
    stranger = UserFactory.create()
    refused(NotFound, lambda: make_key(account, stranger, Scope.PRODUCT))
