"""Offers of a place by mail: for one address, once, in time, by who may."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail

from accounts.enums import Role
from accounts.tests.factories import UserFactory, make_person
from common import outbox
from common.errors import NotFound, PermissionDenied, ValidationError
from common.models import AuditEntry, OutboxMessage
from enterprise.errors import RoleMissing
from enterprise.models import Invitation
from enterprise.selectors.members import invitations_open, organisations_of
from enterprise.services import (
    invitation_accept,
    invitation_resend,
    invitation_withdraw,
    member_invite,
    member_remove,
    member_role_change,
)
from enterprise.services.invitations import TTL, invitation_mail_send
from enterprise.tests.conftest import organisation
from enterprise.tests.people import (
    at_once,
    invite,
    join,
    mailed,
    now,
    place,
    refused,
)

pytestmark = pytest.mark.req("EN-1")


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
