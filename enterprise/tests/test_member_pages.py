"""Pages of members and invitations, and which organisation a browser is about."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.enums import Role
from accounts.models import Membership, User
from accounts.selectors import CHOSEN_ACCOUNT, account_of
from accounts.tests.factories import PASSWORD, UserFactory, make_person
from common import clock
from enterprise.enums import Scope
from enterprise.models import Invitation
from enterprise.services import credential_create, organisation_create
from enterprise.tests.conftest import organisation
from enterprise.tests.people import at_once, invite, join, mailed, now, place, state

pytestmark = pytest.mark.req("EN-1", "EN-10")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


MEMBERS = "/organisation/members/"


@pytest.mark.django_db
def test_strangers_sign_in_first() -> None:
    for name in ("organisation", "organisation_members", "organisation_new"):
        answer = Client().get(reverse(name))
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/accounts/login/")


@pytest.mark.django_db
def test_who_belongs_nowhere_is_told_how_to_begin() -> None:
    person = make_person()
    client = signed_in(person)
    for path in ("/organisation/", MEMBERS, "/organisation/new/"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "Make the organisation" in text(answer)
        assert person.email in text(answer)
    refused = client.post("/organisation/new/", {"name": " "})
    assert refused.status_code == 422
    assert not person.memberships.exists()
    assert client.post("/organisation/new/", {"name": "New & Sons"}).status_code == 302
    assert person.memberships.get().role == Role.OWNER
    assert "New &amp; Sons is ready" in text(client.get("/organisation/"))


def test_a_form_pressed_twice_at_once_does_it_once(committed_db: None) -> None:
    person = make_person()
    form = {"name": "New & Sons", "key": "a" * 32}
    answers = at_once(*[partial(signed_in(person).post, "/organisation/new/", form) for _ in range(3)])
    assert [answer.status_code for answer in answers] == [302] * 3
    account = person.memberships.get().account
    offer = {"email": "ada@example.test", "role": "viewer", "key": "b" * 32}
    answers = at_once(*[partial(signed_in(person).post, MEMBERS, offer) for _ in range(3)])
    assert [answer.status_code for answer in answers] == [302] * 3
    assert Invitation.objects.get().account == account
    client = signed_in(person)
    assert client.post(MEMBERS, offer | {"key": "c" * 32}).status_code == 422, "another form is another wish"
    assert client.post("/organisation/new/", form | {"name": "Another"}).status_code == 302
    assert person.memberships.count() == 2, "so is the same form with another name"


@pytest.mark.django_db
def test_inviting_on_the_page() -> None:
    _account, owner = organisation()
    client = signed_in(owner)
    answer = client.post(MEMBERS, {"email": "ada@example.test", "role": "billing"}, follow=True)
    assert "ada@example.test is invited" in text(answer)
    assert Invitation.objects.get().role == Role.BILLING
    before = state()
    for body, words in (
        ({"email": "nonsense", "role": "viewer"}, "This is not an e-mail address."),
        ({"email": "ada@example.test", "role": "viewer"}, "invited already"),
        ({"email": "bob@example.test", "role": "chief"}, "Choose one of the roles."),
        ({}, "This is not an e-mail address."),
    ):
        answer = client.post(MEMBERS, body)
        assert answer.status_code == 422
        assert words in text(answer)
        assert f'value="{body.get("email", "")}"' in text(answer), "what was typed stays"
    assert state() == before
    invitation = Invitation.objects.get()
    client.post(reverse("organisation_invitation_again", args=[invitation.public_id]))
    second = Invitation.objects.get(closed_at=None)
    assert second.public_id != invitation.public_id
    client.post(reverse("organisation_invitation_end", args=[second.public_id]))
    assert not Invitation.objects.filter(closed_at=None).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.BILLING, Role.VIEWER])
def test_who_only_looks(role: Role) -> None:
    account, owner = organisation()
    invitation = invite(account, owner)
    one = join(account, role)
    client = signed_in(one)
    page = text(client.get(MEMBERS))
    assert owner.email in page
    assert "Invite somebody" not in page
    assert "Leave" in page
    before = state()
    pk = place(account, owner).pk
    acts = [
        (MEMBERS, {"email": "bob@example.test", "role": "viewer"}),
        (reverse("organisation_member_role", args=[pk]), {"role": "viewer"}),
        (reverse("organisation_member_end", args=[pk]), {}),
        (reverse("organisation_member_transfer", args=[pk]), {}),
        (reverse("organisation_invitation_again", args=[invitation.public_id]), {}),
        (reverse("organisation_invitation_end", args=[invitation.public_id]), {}),
    ]
    for path, body in acts:
        answer = client.post(path, body)
        assert answer.status_code == 403, path
        assert "Your role in this organisation does not allow this" in text(answer)
    assert state() == before


@pytest.mark.django_db
@pytest.mark.req("EN-11")
def test_foreign_ids_are_as_unknown_ones() -> None:
    _account, owner = organisation()
    other, stranger = organisation()
    invitation = invite(other, stranger)
    client = signed_in(owner)
    before = state()
    nobody = "00000000-0000-4000-8000-000000000000"
    pk = place(other, stranger).pk
    for name, own, unknown in (
        ("organisation_member_role", pk, 2**40),
        ("organisation_member_end", pk, 2**40),
        ("organisation_member_transfer", pk, 2**40),
        ("organisation_invitation_again", invitation.public_id, nobody),
        ("organisation_invitation_end", invitation.public_id, nobody),
    ):
        answers = [client.post(reverse(name, args=[one]), {"role": "viewer"}) for one in (own, unknown)]
        assert [answer.status_code for answer in answers] == [404, 404], name
    for asked in (str(other.public_id), nobody, "", "x"):
        assert client.post("/organisation/switch/", {"account": asked}).status_code == 404
    assert state() == before


@pytest.mark.django_db
def test_removing_names_the_keys_that_stay() -> None:
    account, owner = organisation()
    developer = join(account, Role.DEVELOPER, email="dev@example.test")
    credential_create(
        account=account, name="till two", scopes=[Scope.PRODUCT], actor=developer, now=clock.database_now()
    )
    client = signed_in(owner)
    path = reverse("organisation_member_end", args=[place(account, developer).pk])
    assert "till two" in text(client.get(path))
    assert "does not belong to" in text(client.post(path, follow=True))
    assert list(Membership.objects.filter(account=account).values_list("user", flat=True)) == [owner.pk]


@pytest.mark.django_db
def test_the_last_owner_is_told_why_not() -> None:
    account, owner = organisation()
    client = signed_in(owner)
    pk = place(account, owner).pk
    for name, body in (("organisation_member_end", {}), ("organisation_member_role", {"role": "admin"})):
        answer = client.post(reverse(name, args=[pk]), body, follow=True)
        assert "An organisation needs an owner" in text(answer)
    assert place(account, owner).role == Role.OWNER


@pytest.mark.django_db
def test_handing_over_on_the_page() -> None:
    account, owner = organisation()
    second = join(account, Role.VIEWER)
    client = signed_in(owner)
    path = reverse("organisation_member_transfer", args=[place(account, second).pk])
    assert second.email in text(client.get(path))
    client.post(path)
    assert (place(account, second).role, place(account, owner).role) == (Role.OWNER, Role.ADMIN)


@pytest.mark.req("EN-11")
@pytest.mark.django_db
def test_a_form_is_about_the_organisation_that_it_was_shown_for() -> None:
    """Another one may have been chosen in another tab since: nobody is to be let into the wrong organisation."""
    acme, owner = organisation("Acme")
    client = signed_in(owner)
    client.get(MEMBERS)
    shown_for = {"organisation": str(acme.public_id)}
    assert shown_for["organisation"] in text(client.get(MEMBERS))
    other = organisation_create(name="Globex", owner=owner, now=now())
    client.post("/organisation/switch/", {"account": str(other.public_id)})
    asked = {"email": "ada@example.test", "role": "admin", "key": "a" * 32}
    client.post(MEMBERS, asked | shown_for)
    assert [one.account for one in Invitation.objects.all()] == [acme]
    assert client.session[CHOSEN_ACCOUNT] == acme.pk, "what is seen next is where it was done"
    stranger, _theirs = organisation("Initech")
    before = state()
    for body in (asked, {"name": "till", "scopes": ["product"]}):
        path = MEMBERS if "email" in body else "/organisation/keys/"
        answer = client.post(path, body | {"key": "b" * 32, "organisation": str(stranger.public_id)})
        assert answer.status_code == 404
    assert state() == before


# By the link --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_taking_an_offer_after_signing_in() -> None:
    account, owner = organisation("Acme")
    invite(account, owner, role="billing")
    path = f"/organisation/invitation/{mailed()}/"
    client = Client()
    page = text(client.get(path))
    assert "Join Acme" in page
    assert f"/accounts/login/?next={path}" in page
    assert f"/accounts/signup/?next={path}" in page
    assert client.post(path)["Location"] == f"/accounts/login/?next={path}"
    ada = make_person(email="ada@example.test")
    confirmed(ada)
    answer = client.post(
        f"/accounts/login/?next={path}", {"login": ada.email, "password": PASSWORD, "next": path}
    )
    assert (answer.status_code, answer["Location"]) == (302, path)
    assert "Accept the invitation" in text(client.get(path))
    answer = client.post(path, follow=True)
    assert "You belong to Acme now. Your role: Billing." in text(answer)
    assert client.session[CHOSEN_ACCOUNT] == account.pk
    assert client.get(path)["Location"] == "/organisation/", "who took it is sent on"


def confirmed(user: User) -> None:
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)


@pytest.mark.django_db
def test_an_offer_for_somebody_else_or_none() -> None:
    account, owner = organisation()
    invitation = invite(account, owner)
    path = f"/organisation/invitation/{mailed()}/"
    other = make_person()
    client = signed_in(other)
    assert f"You are signed in as {other.email}" in text(client.get(path))
    before = state()
    assert client.post(path).status_code == 403
    mangled = client.get("/organisation/invitation/nonsense/")
    assert mangled.status_code == 404
    assert "Copy it whole from the mail" in mangled.content.decode()
    assert client.post("/organisation/invitation/nonsense/").status_code == 404
    assert state() == before
    Invitation.objects.filter(pk=invitation.pk).update(closed_at=clock.database_now())
    answer = client.get(path)
    assert answer.status_code == 410
    assert "This invitation has ended" in text(answer)


@pytest.mark.django_db
def test_the_mail_is_in_the_readers_language() -> None:
    account, owner = organisation("Acme")
    UserFactory.create(email="ada@example.test", language="fr")
    invite(account, owner)
    mailed()
    assert "vous invite" in mail.outbox[-1].body
    invite(account, owner, "bob@example.test")
    mailed()
    assert "invites you" in mail.outbox[-1].body


# Several organisations ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_switching() -> None:
    _first, person = organisation("First")
    second, _other = organisation("Second")
    Membership.objects.create(account=second, user=person, role=Role.VIEWER)
    client = signed_in(person)
    page = text(client.get(MEMBERS))
    assert "<strong>First</strong>" in page
    assert str(second.public_id) in page
    assert client.post("/organisation/switch/", {"account": second.public_id})["Location"] == "/organisation/"
    assert "<strong>Second</strong>" in text(client.get(MEMBERS))
    Membership.objects.filter(account=second, user=person).delete()
    assert "<strong>First</strong>" in text(client.get(MEMBERS)), "what one was removed from is not shown"


@pytest.mark.django_db
@pytest.mark.parametrize(("role", "acts"), [(Role.BILLING, True), (Role.DEVELOPER, False)])
def test_whose_billing_pages_are_shown(role: Role, acts: bool) -> None:
    """Who manages billing acts for the organisation they chose; everybody else for themselves."""
    account, _owner = organisation("Acme")
    person = make_person()
    Membership.objects.create(account=account, user=person, role=role)
    client = signed_in(person)
    client.post("/organisation/switch/", {"account": account.public_id})
    seen = client.get("/account/notifications/").wsgi_request
    seen.palier_account = None
    assert account_of(seen) == (account if acts else person.personal_account)
    assert ("You act for" in text(client.get("/account/notifications/"))) is acts
    client.post("/organisation/switch/?next=/account/notifications/", {"account": "own"})
    seen = client.get("/account/notifications/").wsgi_request
    seen.palier_account = None
    assert account_of(seen) == person.personal_account
    assert "You act for" not in text(client.get("/account/notifications/"))
