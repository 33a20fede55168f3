"""Members change, leave and hand over; an organisation is never without an owner."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.core import mail

from accounts.enums import Role
from accounts.models import Membership, Notification, User
from accounts.tests.factories import make_person
from common import outbox
from common.errors import NotFound, ValidationError
from common.models import AuditEntry
from enterprise.enums import Scope
from enterprise.errors import RoleMissing
from enterprise.services import (
    member_remove,
    member_role_change,
    organisation_create,
    ownership_transfer,
)
from enterprise.tests.conftest import organisation
from enterprise.tests.people import (
    at_once,
    change,
    join,
    make_key,
    now,
    place,
    refused,
)

pytestmark = pytest.mark.req("EN-1")


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


def told(user: User) -> list[tuple[str, str, str]]:
    """What somebody was told: in the inbox, and by how many mails."""
    return [(one.kind, one.template, one.email_status) for one in Notification.objects.filter(user=user)]


@pytest.mark.req("NO-2", "NO-3")
def test_whose_place_others_change_is_told_in_the_app_and_by_mail(db: None) -> None:
    account, owner = organisation("Acme")
    admin, viewer = join(account, Role.ADMIN), join(account, Role.VIEWER)
    change(account, admin, viewer, "developer")
    change(account, admin, viewer, "developer")
    change(account, admin, admin, "developer")
    assert told(viewer) == [("membership", "membership_role", "waiting")]
    assert told(owner) == told(admin) == [], "who did it knows"
    outbox.run_due(now=now())
    assert (mail.outbox[-1].to, mail.outbox[-1].subject) == (
        [viewer.email],
        "Acme: your role is now Developer",
    )
    membership = place(account, viewer)
    refused(RoleMissing, lambda: change(account, admin, viewer, "admin"))
    member_remove(account=account, actor=owner, membership_id=membership.pk, now=now())
    outbox.run_due(now=now())
    assert "You do not belong to Acme" in mail.outbox[-1].subject
    member_remove(account=account, actor=admin, membership_id=place(account, admin).pk, now=now())
    assert told(admin) == [], "who left knows too"


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
    hidden = "hidden_characters"
    for name, code in (
        ("", "invalid"),
        (" ", "invalid"),
        ("x" * 121, "invalid"),
        ("a\0b", hidden),
        ("\u202ea", hidden),
    ):
        refused(
            ValidationError,
            lambda name=name: organisation_create(name=name, owner=person, now=now()),
            code,
        )
    monkeypatch.setattr("enterprise.services.members.MOST_OWNED", 1)
    refused(ValidationError, lambda: organisation_create(name="B", owner=person, now=now()), "too_many")


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
