"""Owners are told of a key's end a week before and on the last day; not of one whose end was wanted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import Account, Notification
from accounts.notifications.messages import message_of
from accounts.services import account_create_organisation
from accounts.tests.factories import UserFactory
from common.clock import database_now
from enterprise.enums import Scope
from enterprise.models import Credential
from enterprise.services import credential_create, credential_revoke, credential_rotate
from enterprise.services.key_reminders import keys_remind

pytestmark = [pytest.mark.django_db, pytest.mark.req("NO-2")]


@pytest.fixture
def organisation(db: None) -> Account:
    return account_create_organisation(name="Acme", owner=UserFactory.create(), now=database_now())


def key_of(account: Account, days: float, name: str = "Till") -> Credential:
    now = database_now()
    return credential_create(
        account=account,
        name=name,
        scopes=Scope.values,
        actor=None,
        now=now,
        expires_at=now + timedelta(days=days),
    ).credential


def test_a_week_before_and_on_the_last_day(organisation: Account):
    ends = key_of(organisation, 30).expires_at
    assert ends is not None
    said = [keys_remind(now=ends - timedelta(days=days)) for days in (8, 7, 6, 2, 1, 0.5, 0, -1)]
    assert said == [0, 1, 0, 0, 1, 0, 0, 0]
    one = Notification.objects.first()
    assert one is not None
    message = message_of(one.template, one.context)
    assert message.subject.startswith("The API key Till expires on ")
    assert message.facts[0][1].startswith("plr_")


def test_what_was_missed_is_told_as_it_stands(organisation: Account):
    ends = key_of(organisation, 30).expires_at
    assert ends is not None
    assert [keys_remind(now=ends - timedelta(hours=hours)) for hours in (12, 11)] == [1, 0]


def test_a_short_key_is_told_of_on_its_last_day(organisation: Account):
    ends = key_of(organisation, 3).expires_at
    assert ends is not None
    assert [keys_remind(now=ends - timedelta(days=days)) for days in (2.9, 0.9)] == [0, 1]


def test_keys_that_are_gone_or_rotated_away(organisation: Account):
    now = database_now()
    rotated, revoked = key_of(organisation, 50, "Rotated"), key_of(organisation, 5, "Revoked")
    credential_rotate(
        account_id=organisation.pk,
        credential_id=rotated.public_id,
        actor=None,
        overlap_s=86_400,
        now=now,
    )
    credential_revoke(
        account_id=organisation.pk, credential_id=revoked.public_id, actor=None, reason="", now=now
    )
    assert keys_remind(now=now + timedelta(hours=6)) == 0
    assert keys_remind(now=now + timedelta(hours=30)) == 0
