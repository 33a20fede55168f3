"""Who belongs to an organisation: offers by mail, roles, and that it never is without an owner."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import DatabaseError, connection, transaction

from accounts.enums import Permission, Role
from accounts.models import Account, Membership, User
from accounts.roles import MAY, may, may_give, roles_that_may, roles_to_give
from accounts.tests.factories import UserFactory, make_person
from common import clock, outbox
from common.errors import DomainError, NotFound, PermissionDenied, ValidationError
from common.models import AuditEntry, OutboxMessage
from enterprise.enums import Scope
from enterprise.errors import RoleMissing, ScopeMissing
from enterprise.models import Credential, Invitation
from enterprise.rules.scopes import scopes_of
from enterprise.selectors.members import invitations_open, organisations_of
from enterprise.services import (
    credential_create,
    credential_revoke,
    credential_rotate,
    invitation_accept,
    invitation_resend,
    invitation_withdraw,
    member_invite,
    member_remove,
    member_role_change,
    organisation_create,
    ownership_transfer,
)
from enterprise.services.invitations import TTL, invitation_mail_send
from enterprise.tests.conftest import organisation

pytestmark = pytest.mark.req("EN-1")


def now() -> Any:
    return clock.database_now()


def join(account: Account, role: str, **fields: Any) -> User:
    user = UserFactory.create(**fields)
    Membership.objects.create(account=account, user=user, role=role, created_at=now())
    return user


def place(account: Account, user: User) -> Membership:
    return Membership.objects.get(account=account, user=user)


def state() -> list[Any]:
    """What a refusal must not have moved."""
    kept = [
        list(model.objects.order_by("pk").values())
        for model in (Membership, Invitation, Credential, OutboxMessage)
    ]
    return [*kept, AuditEntry.objects.count()]


def refused(error: type[DomainError], act: Any, code: str | None = None) -> DomainError:
    before = state()
    with pytest.raises(error) as told, transaction.atomic():
        act()
    assert state() == before
    if code is not None:
        assert told.value.details["fields"][0]["code"] == code
    return told.value


def invite(
    account: Account, actor: User, email: str = "ada@example.test", role: str = "developer"
) -> Invitation:
    return member_invite(account=account, actor=actor, email=email, role=role, now=now())


def mailed() -> str:
    """What the link of the last mail carries."""
    outbox.run_due(now=now())
    body = mail.outbox[-1].body
    (token,) = re.findall(r"/organisation/invitation/([\w-]{43})/", body)
    assert token in mail.outbox[-1].alternatives[0][0]
    return token


# The table ----------------------------------------------------------------------------------------------------------


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


# Keys of people -----------------------------------------------------------------------------------------------------


def make_key(account: Account, actor: User, *scopes: str) -> Any:
    return credential_create(account=account, name="k", scopes=scopes, actor=actor, now=now())


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


# Inviting -----------------------------------------------------------------------------------------------------------


def test_an_offer_is_mailed_and_taken_once(db: None) -> None:
    account, owner = organisation("Acme")
    invitation = invite(account, owner, "  Ada@Example.TEST ")
    assert (invitation.email, invitation.expires_at - invitation.created_at) == ("ada@example.test", TTL)
    token = mailed()
    assert mail.outbox[-1].to == ["ada@example.test"]
    assert "Acme" in mail.outbox[-1].subject
    kept = str([*Invitation.objects.values(), *OutboxMessage.objects.values(), *AuditEntry.objects.values()])
    assert token not in kept, "the link is nowhere but in the mail"
    ada = make_person(email="ada@example.test")
    membership = invitation_accept(token=token, user=ada, now=now())
    assert (membership.account, membership.role) == (account, Role.DEVELOPER)
    assert invitation_accept(token=token, user=ada, now=now()) == membership, "pressed twice"
    assert [one.account for one in organisations_of(ada)] == [account]
    actions = list(AuditEntry.objects.filter(account_id=account.pk).values_list("action", flat=True))
    assert actions.count("invitation.made") == actions.count("member.joined") == 1
    assert "ada@example.test" not in str(list(AuditEntry.objects.values()))


def test_a_used_link_brings_nobody_back(db: None) -> None:
    account, owner = organisation()
    invite(account, owner)
    token = mailed()
    ada = make_person(email="ada@example.test")
    membership = invitation_accept(token=token, user=ada, now=now())
    member_remove(account=account, actor=owner, membership_id=membership.pk, now=now())
    refused(NotFound, lambda: invitation_accept(token=token, user=ada, now=now()))


def test_only_for_whom_it_was_made(db: None) -> None:
    account, owner = organisation()
    invite(account, owner)
    token = mailed()
    other = make_person()
    refused(PermissionDenied, lambda: invitation_accept(token=token, user=other, now=now()))
    EmailAddress.objects.create(user=other, email="Ada@example.test", verified=False)
    refused(PermissionDenied, lambda: invitation_accept(token=token, user=other, now=now()))
    EmailAddress.objects.filter(user=other).update(verified=True)
    assert invitation_accept(token=token, user=other, now=now()).user == other


@pytest.mark.parametrize("token", ["", "x", "é" * 43, "A" * 43, "\0"])
def test_a_link_that_is_not_ours(db: None, token: str) -> None:
    ada = make_person(email="ada@example.test")
    refused(NotFound, lambda: invitation_accept(token=token, user=ada, now=now()))


def test_too_late(db: None) -> None:
    account, owner = organisation()
    invitation = invite(account, owner)
    token = mailed()
    ada = make_person(email="ada@example.test")
    refused(NotFound, lambda: invitation_accept(token=token, user=ada, now=invitation.expires_at))
    again = member_invite(
        account=account, actor=owner, email="ada@example.test", role="viewer", now=invitation.expires_at
    )
    assert list(invitations_open(account_id=account.pk, now=invitation.expires_at)) == [again]


def test_withdrawn_and_sent_again(db: None) -> None:
    account, owner = organisation()
    first = invite(account, owner)
    old = mailed()
    second = invitation_resend(account=account, actor=owner, invitation_id=first.public_id, now=now())
    new = mailed()
    assert old != new
    ada = make_person(email="ada@example.test")
    refused(NotFound, lambda: invitation_accept(token=old, user=ada, now=now()))
    for act in (invitation_resend, invitation_withdraw):
        refused(
            NotFound,
            lambda act=act: act(account=account, actor=owner, invitation_id=first.public_id, now=now()),
        )
    invitation_withdraw(account=account, actor=owner, invitation_id=second.public_id, now=now())
    refused(NotFound, lambda: invitation_accept(token=new, user=ada, now=now()))
    sent = len(mail.outbox)
    invitation_mail_send(invitation_id=second.pk, now=now())
    assert len(mail.outbox) == sent, "what has ended is not mailed"


def test_another_secret_sends_no_dead_link(db: None, settings: Any) -> None:
    account, owner = organisation()
    invitation = invite(account, owner)
    settings.SECRET_KEY = "another-secret-" * 4
    with pytest.raises(outbox.Hopeless):
        invitation_mail_send(invitation_id=invitation.pk, now=now())
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("email", "role", "field", "code"),
    [
        ("", "viewer", "email", "invalid"),
        ("ada", "viewer", "email", "invalid"),
        ("a\0da@example.test", "viewer", "email", "invalid"),
        ("a" * 250 + "@example.test", "viewer", "email", "invalid"),
        ("ada@example.test\nBcc: x@example.test", "viewer", "email", "invalid"),
        ("ada@example.test", "", "role", "invalid_choice"),
        ("ada@example.test", "member", "role", "invalid_choice"),
        ("ada@example.test", "root", "role", "invalid_choice"),
    ],
)
def test_bad_offers(db: None, email: str, role: str, field: str, code: str) -> None:
    account, owner = organisation()
    told = refused(ValidationError, lambda: invite(account, owner, email, role), code)
    assert told.details["fields"][0]["field"] == field


def test_not_twice_and_no_member(db: None, monkeypatch: Any) -> None:
    account, owner = organisation()
    invite(account, owner)
    refused(ValidationError, lambda: invite(account, owner, "ADA@example.test", "viewer"), "invited")
    refused(ValidationError, lambda: invite(account, owner, owner.email), "member")
    monkeypatch.setattr("enterprise.services.invitations.MOST_OPEN", 1)
    refused(ValidationError, lambda: invite(account, owner, "bob@example.test"), "too_many")


def test_who_may_invite_whom(db: None) -> None:
    account, _owner = organisation()
    admin = join(account, Role.ADMIN)
    refused(RoleMissing, lambda: invite(account, admin, role="owner"))
    invite(account, admin, role="admin")
    for role in (Role.DEVELOPER, Role.BILLING, Role.VIEWER):
        one = join(account, role)
        refused(RoleMissing, lambda one=one: invite(account, one, "bob@example.test", "viewer"))
    refused(NotFound, lambda: invite(account, UserFactory.create(), "bob@example.test", "viewer"))


def test_an_offer_ends_with_the_right_to_make_it(db: None) -> None:
    account, owner = organisation()
    admin = join(account, Role.ADMIN)
    invite(account, admin, "a@example.test", "viewer")
    token = mailed()
    invite(account, owner, "b@example.test", "viewer")
    member_role_change(
        account=account, actor=owner, membership_id=place(account, admin).pk, role="developer", now=now()
    )
    assert [one.email for one in invitations_open(account_id=account.pk, now=now())] == ["b@example.test"]
    ada = make_person(email="a@example.test")
    refused(NotFound, lambda: invitation_accept(token=token, user=ada, now=now()))


def test_a_member_who_is_invited_by_another_address_stays_what_they_are(db: None) -> None:
    account, owner = organisation()
    invite(account, owner, "ada@example.test", "viewer")
    token = mailed()
    EmailAddress.objects.create(user=owner, email="ada@example.test", verified=True)
    assert invitation_accept(token=token, user=owner, now=now()).role == Role.OWNER


# Roles --------------------------------------------------------------------------------------------------------------


def change(account: Account, actor: User, member: User, role: str) -> Membership:
    return member_role_change(
        account=account, actor=actor, membership_id=place(account, member).pk, role=role, now=now()
    )


def test_changing_roles(db: None) -> None:
    account, owner = organisation()
    admin, viewer = join(account, Role.ADMIN), join(account, Role.VIEWER)
    assert change(account, admin, viewer, "developer").role == Role.DEVELOPER
    entries = AuditEntry.objects.filter(action="member.role_changed")
    assert entries.get().data == {"from_role": "viewer", "to_role": "developer"}
    change(account, admin, viewer, "developer")
    assert entries.count() == 1, "no change, no entry"
    refused(RoleMissing, lambda: change(account, admin, viewer, "owner"))
    refused(RoleMissing, lambda: change(account, admin, owner, "viewer"))
    refused(RoleMissing, lambda: change(account, viewer, viewer, "admin"))
    refused(ValidationError, lambda: change(account, owner, viewer, "member"), "invalid_choice")
    assert change(account, owner, viewer, "owner").role == Role.OWNER


def test_another_organisations_member_does_not_exist(db: None) -> None:
    account, owner = organisation()
    other, stranger = organisation()
    theirs = place(other, stranger)
    for act in (
        lambda pk: member_role_change(
            account=account, actor=owner, membership_id=pk, role="viewer", now=now()
        ),
        lambda pk: member_remove(account=account, actor=owner, membership_id=pk, now=now()),
        lambda pk: ownership_transfer(account=account, actor=owner, membership_id=pk, now=now()),
    ):
        refused(NotFound, lambda act=act: act(theirs.pk))
        refused(NotFound, lambda act=act: act(2**40))
    refused(NotFound, lambda: member_remove(account=other, actor=owner, membership_id=theirs.pk, now=now()))


def test_the_last_owner_stays(db: None) -> None:
    account, owner = organisation()
    join(account, Role.ADMIN)
    join(account, Role.OWNER, is_active=False)  # cannot sign in: no owner to count on
    own = place(account, owner)
    refused(ValidationError, lambda: change(account, owner, owner, "admin"), "last_owner")
    refused(
        ValidationError,
        lambda: member_remove(account=account, actor=owner, membership_id=own.pk, now=now()),
        "last_owner",
    )
    second = join(account, Role.OWNER)
    member_remove(account=account, actor=owner, membership_id=own.pk, now=now())
    refused(ValidationError, lambda: change(account, second, second, "viewer"), "last_owner")


def test_leaving_and_removing(db: None) -> None:
    account, owner = organisation()
    viewer, admin = join(account, Role.VIEWER), join(account, Role.ADMIN)
    key = make_key(account, admin, Scope.PRODUCT)
    refused(
        RoleMissing,
        lambda: member_remove(
            account=account, actor=viewer, membership_id=place(account, admin).pk, now=now()
        ),
    )
    refused(
        RoleMissing,
        lambda: member_remove(
            account=account, actor=admin, membership_id=place(account, owner).pk, now=now()
        ),
    )
    member_remove(account=account, actor=viewer, membership_id=place(account, viewer).pk, now=now())
    member_remove(account=account, actor=owner, membership_id=place(account, admin).pk, now=now())
    assert [one.user for one in Membership.objects.filter(account=account)] == [owner]
    key.credential.refresh_from_db()
    assert key.credential.revoked_at is None, "keys are the organisation's"
    assert list(
        AuditEntry.objects.filter(action__in=["member.left", "member.removed"])
        .order_by("at")
        .values_list("action", "actor_id")
    ) == [("member.left", viewer.pk), ("member.removed", owner.pk)]


def test_handing_over(db: None) -> None:
    account, owner = organisation()
    admin, gone = join(account, Role.ADMIN), join(account, Role.VIEWER, is_active=False)
    hand = lambda actor, member: ownership_transfer(  # noqa: E731
        account=account, actor=actor, membership_id=place(account, member).pk, now=now()
    )
    refused(RoleMissing, lambda: hand(admin, admin))
    refused(ValidationError, lambda: hand(owner, owner), "invalid_choice")
    refused(ValidationError, lambda: hand(owner, gone), "invalid_choice")
    hand(owner, admin)
    assert (place(account, admin).role, place(account, owner).role) == (Role.OWNER, Role.ADMIN)
    refused(RoleMissing, lambda: hand(owner, admin))


def test_making_an_organisation(db: None, monkeypatch: Any) -> None:
    person = make_person()
    account = organisation_create(name="  New \t Org ", owner=person, now=now())
    assert (account.name, place(account, person).role) == ("New Org", Role.OWNER)
    for name in ("", " ", "a\0b", "x" * 121):
        refused(
            ValidationError,
            lambda name=name: organisation_create(name=name, owner=person, now=now()),
            "invalid",
        )
    monkeypatch.setattr("enterprise.services.members.MOST_OWNED", 1)
    refused(ValidationError, lambda: organisation_create(name="B", owner=person, now=now()), "too_many")


# At once ------------------------------------------------------------------------------------------------------------


def at_once(*acts: Any) -> list[Any]:
    """Every act in a thread of its own, all let go together; what each gave or raised."""
    barrier = threading.Barrier(len(acts))

    def run(act: Any) -> Any:
        try:
            barrier.wait()
            return act()
        except DomainError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result() for future in [pool.submit(run, act) for act in acts]]


def test_two_owners_demote_each_other(committed_db: None) -> None:
    """One wins; the other is no owner any more and may not."""
    for _ in range(10):
        account, one = organisation()
        two = join(account, Role.OWNER)
        answers = at_once(
            partial(change, account, one, two, "viewer"), partial(change, account, two, one, "viewer")
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["Membership", "RoleMissing"]
        assert Membership.objects.filter(account=account, role=Role.OWNER).count() == 1


def test_two_owners_leave_at_once(committed_db: None) -> None:
    for _ in range(10):
        account, one = organisation()
        two = join(account, Role.OWNER)
        acts = [
            partial(
                member_remove,
                account=account,
                actor=user,
                membership_id=place(account, user).pk,
                now=now(),
            )
            for user in (one, two)
        ]
        answers = at_once(*acts)
        assert sorted(type(answer).__name__ for answer in answers) == ["Membership", "ValidationError"]
        assert Membership.objects.filter(account=account, role=Role.OWNER).count() == 1


def test_one_link_for_two_at_once(committed_db: None) -> None:
    """The same link pressed by one person in two windows: one membership, one joining."""
    account, owner = organisation()
    invite(account, owner)
    token = mailed()
    ada = make_person(email="ada@example.test")
    answers = at_once(*[lambda: invitation_accept(token=token, user=ada, now=now()) for _ in range(4)])
    assert {answer.pk for answer in answers} == {place(account, ada).pk}
    assert AuditEntry.objects.filter(action="member.joined").count() == 1


def test_one_address_invited_twice_at_once(committed_db: None) -> None:
    account, owner = organisation()
    answers = at_once(*[lambda: invite(account, owner) for _ in range(4)])
    assert sorted(type(answer).__name__ for answer in answers) == ["Invitation", *["ValidationError"] * 3]
    assert Invitation.objects.count() == 1
