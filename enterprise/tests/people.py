"""Members, offers and keys of an organisation for tests, in one line; and that a refusal moved nothing."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction

from accounts.models import Account, Membership, User
from accounts.tests.factories import UserFactory
from common import clock, outbox
from common.errors import DomainError
from common.models import AuditEntry, OutboxMessage
from enterprise.models import Credential, Invitation
from enterprise.services import (
    credential_create,
    member_invite,
    member_role_change,
)


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


def make_key(account: Account, actor: User, *scopes: str) -> Any:
    return credential_create(account=account, name="k", scopes=scopes, actor=actor, now=now())


def change(account: Account, actor: User, member: User, role: str) -> Membership:
    return member_role_change(
        account=account, actor=actor, membership_id=place(account, member).pk, role=role, now=now()
    )


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
