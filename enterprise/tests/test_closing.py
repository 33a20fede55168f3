"""An owner closes an organisation: nothing is used from then on, what is paid ends, and the owner may leave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.deletion import account_delete
from accounts.enums import Role
from accounts.models import Account, Membership, Notification, User
from accounts.tests.factories import PASSWORD
from billing.models import Subscription
from billing.services import plan_changes_sweep
from billing.services.sweep import SETTLE_AFTER
from billing.tests.helpers import fault, no_faults, state
from billing.tests.stores import items, spend, store
from common import outbox
from common.clock import database_now
from common.errors import NotFound, ValidationError
from common.models import AuditEntry, OutboxMessage
from enterprise.errors import InvalidApiKey, RoleMissing
from enterprise.models import Credential, Invitation
from enterprise.services import contract_end, credential_authenticate, organisation_close
from enterprise.services.closing import OWN_TRY
from enterprise.tests.conftest import Holder, key_of, organisation
from enterprise.tests.helpers import METRIC, block, contract
from enterprise.tests.people import invite, join
from enterprise.tests.test_member_pages import signed_in, text
from quotas import catalog
from quotas.services import MetricSpec, metrics_sync

pytestmark = pytest.mark.req("EN-1", "EN-2", "AC-3")

PATH = "/organisation/close/"


@pytest.fixture
def metric(db: None) -> Iterator[None]:
    metrics_sync([MetricSpec(METRIC, "API calls", "Appels d’API")])
    yield
    catalog.forget()


def close(account: Account, actor: User, password: str = PASSWORD) -> bool:
    return organisation_close(
        account=account, actor=actor, password=password, request_id="req-close", now=database_now()
    )


def kept() -> list[Any]:
    """What a refusal must not have moved."""
    rows = [
        list(m.objects.order_by("pk").values()) for m in (Membership, Credential, Invitation, Subscription)
    ]
    return [rows, AuditEntry.objects.count(), OutboxMessage.objects.count()]


def with_plan() -> tuple[Holder, User]:
    account = store("growth", credits_left=0)
    owner = account.members.get()
    return key_of(account, owner), owner


def test_keys_members_and_plan_end_and_what_was_used_stays_due(trading: Any, stand_in: Any) -> None:
    holder, owner = with_plan()
    colleague = join(holder.account, Role.DEVELOPER)
    invite(holder.account, owner)
    spend(holder.account, 2)
    assert close(holder.account, owner)
    with pytest.raises(InvalidApiKey):
        credential_authenticate(key=holder.secret)
    assert not Membership.objects.filter(account=holder.account).exists()
    assert not Invitation.objects.filter(closed_at=None).exists()
    (subscription,) = state(stand_in)["subscriptions"].values()
    assert subscription["status"] == "canceled"
    assert Subscription.objects.get().ended_at is not None
    assert sum(item["amount"] for item in items(stand_in)) == 28
    (entry,) = AuditEntry.objects.filter(action="organisation.closed")
    assert (entry.account_id, entry.data["keys_revoked"]) == (holder.account.pk, 1)
    assert [one.user for one in Notification.objects.filter(template="organisation_closed")] == [colleague]


@pytest.mark.req("BI-2")
def test_while_stripe_is_away_nothing_is_used_and_the_plan_ends_later(trading: Any, stand_in: Any) -> None:
    holder, owner = with_plan()
    fault(stand_in, path="/v1/subscriptions", method="DELETE", effect="error_before", times=50)
    assert close(holder.account, owner) is False
    with pytest.raises(InvalidApiKey):
        credential_authenticate(key=holder.secret)
    assert not Membership.objects.filter(account=holder.account).exists()
    no_faults(stand_in)
    later = database_now() + 2 * SETTLE_AFTER
    plan_changes_sweep(now=later)  # the cancellation that Stripe did not answer
    outbox.run_due(now=later + OWN_TRY)
    assert {one["status"] for one in state(stand_in)["subscriptions"].values()} == {"canceled"}
    assert not outbox.due_count(now=later + OWN_TRY)


def test_who_may_not_and_what_is_in_the_way(metric: None) -> None:
    account, owner = organisation("Acme")
    admin, stranger = join(account, Role.ADMIN), organisation()[1]
    agreed = contract(account, block(5))
    key_of(account, owner)
    before = kept()
    for actor, password, refusal in (
        (owner, "wrong", ValidationError),
        (admin, PASSWORD, RoleMissing),
        (stranger, PASSWORD, NotFound),
    ):
        with pytest.raises(refusal):
            close(account, actor, password)
    with pytest.raises(ValidationError) as open_contract:
        close(account, owner)
    assert open_contract.value.details["fields"][0]["code"] == "open"
    assert kept() == before
    contract_end(contract=agreed, actor=None, reason="by both", now=database_now())
    assert close(account, owner)
    before = kept()
    with pytest.raises(ValidationError) as closed:
        contract(account, block(5))
    assert closed.value.details["fields"][0]["code"] == "closed"
    assert kept() == before


@pytest.mark.django_db
def test_the_page() -> None:
    account, owner = organisation("Acme")
    client = signed_in(owner)
    assert "Close Acme?" in text(client.get(PATH))
    assert f'href="{PATH}"' in text(client.get("/organisation/members/"))
    before = kept()
    for body in ({}, {"password": "wrong", "confirm": "on"}, {"password": PASSWORD}):
        assert client.post(PATH, body).status_code == (422 if body else 200)
    assert signed_in(join(account, Role.ADMIN)).get(PATH).status_code == 403
    Membership.objects.filter(role=Role.ADMIN).delete()
    assert kept() == before
    done = client.post(PATH, {"password": PASSWORD, "confirm": "on"}, follow=True)
    assert "Acme is closed." in text(done)
    assert "Make the organisation" in text(done)


def test_its_contract_is_shown_instead_of_the_form(metric: None) -> None:
    account, owner = organisation()
    contract(account, block(5), title="Acme 2026")
    shown = text(signed_in(owner).get(PATH))
    assert "Acme 2026 still binds both sides." in shown
    assert 'name="password"' not in shown


@pytest.mark.django_db
def test_its_last_owner_may_then_be_forgotten_and_is_named_nowhere() -> None:
    account, owner = organisation()
    Account.objects.filter(pk=account.pk).update(billing_email=owner.email)
    assert close(account, owner)
    done = account_delete(user=owner, password=PASSWORD, request_id="req-gone", now=database_now())
    assert done.done_at is not None
    account.refresh_from_db()
    assert account.billing_email == ""
