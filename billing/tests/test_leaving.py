"""Deleting an account whose subscription is paid: it ends first, and what stops half way is carried out later."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection

from accounts.deletion import account_delete, deletion_carry_out
from accounts.enums import NotificationKind
from accounts.models import AccountDeletion, Membership, Notification, Role, User
from accounts.notifications import notify
from accounts.services import account_create_organisation
from accounts.tests.factories import PASSWORD, hashed_password
from billing.mirror import without_person
from billing.models import PlanChange, Subscription
from billing.selectors import live_subscription
from billing.services import plan_changes_sweep, subscription_cancel
from billing.services.customers import customer_ensure
from billing.services.sweep import SETTLE_AFTER
from billing.tests.conftest import person
from billing.tests.helpers import ask, fault, no_faults, only, state
from billing.tests.test_checkout import visit
from billing.tests.test_pages import browser_of
from billing.tests.test_payer import BEGINNINGS, asked, pay
from common import clock, outbox
from common.errors import PermissionDenied, ValidationError
from enterprise.models import Invitation
from quotas.selectors import quota_status

pytestmark = [pytest.mark.req("AC-3")]


def leave(account, password=PASSWORD):
    User.objects.filter(pk=account.personal_owner_id).update(password=hashed_password())
    user = User.objects.get(pk=account.personal_owner_id)
    return account_delete(user=user, password=password, request_id="req-leave", now=clock.now())


def test_what_is_paid_ends_first(catalog):
    account = person()
    ask(account, "premium")
    assert leave(account).done_at
    assert live_subscription(account.pk) is None
    assert quota_status(account_id=account.pk) == []
    outbox.run_due(now=clock.now())
    there = state(catalog)
    assert only(there["subscriptions"])["status"] == "canceled"
    assert [one["status"] for one in there["invoices"].values()] == ["paid"], "invoices stay"
    user = User.objects.get(pk=account.personal_owner_id)
    assert (user.is_active, user.display_name, user.email) == (
        False,
        "",
        f"deleted-{user.pk}@deleted.invalid",
    )


def test_a_scheduled_change_is_no_hindrance(catalog):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    assert leave(account).done_at
    assert live_subscription(account.pk) is None


def test_an_end_that_was_set_already_is_no_hindrance(catalog):
    account = person()
    ask(account, "premium")
    subscription_cancel(
        account=account,
        user=account.personal_owner,
        at="period_end",
        idempotency_key=None,
        request_id="req-cancel",
        now=clock.now(),
        reason="I move",
    )
    assert leave(account).done_at
    assert live_subscription(account.pk) is None
    assert not PlanChange.objects.filter(account=account).exclude(reason="").exists()


@pytest.mark.parametrize(
    "begun", ["from the free plan, no card", "a running plan, the bank asks", "Checkout"]
)
def test_what_waits_to_be_paid_can_be_paid_no_more(catalog, begun):
    if begun == "Checkout":
        account = person(card=None)
        visit(account)
    else:
        make, act = BEGINNINGS[begun]
        account = make()
        action = asked(lambda: act(account))
    paid = sum(one["amount_paid"] for one in state(catalog)["invoices"].values())
    assert leave(account).done_at
    there = state(catalog)
    assert [one["status"] for one in there["checkout_sessions"].values()] in ([], ["expired"])
    if begun != "Checkout":
        assert "canceled" in pay(catalog, action, payment_method="pm_card_visa")["error"]
    assert not PlanChange.objects.filter(status="pending").exists()
    assert {one["status"] for one in there["subscriptions"].values()} <= {"canceled", "incomplete_expired"}
    assert sum(one["amount_paid"] for one in state(catalog)["invoices"].values()) == paid


def test_paid_while_leaving_ends_too(catalog):
    """The bank confirmed before the void came: what begins with it ends at once."""
    make, act = BEGINNINGS["from the free plan, the bank asks"]
    account = make()
    pay(catalog, asked(lambda: act(account)), authenticate=True)
    assert leave(account).done_at
    assert only(state(catalog)["subscriptions"])["status"] == "canceled"
    assert live_subscription(account.pk) is None


def test_stripe_away_then_back(catalog):
    """The person is signed out at once; the rest waits until Stripe has ended what is paid."""
    account = person()
    ask(account, "basic")
    email = account.personal_owner.email
    fault(catalog, path="/v1/subscriptions", method="DELETE", effect="error_before", times=50)
    assert leave(account).done_at is None
    user = User.objects.get(pk=account.personal_owner_id)
    assert (user.is_active, user.email) == (False, email)
    assert live_subscription(account.pk).stripe_subscription_id
    no_faults(catalog)
    later = clock.now() + 2 * SETTLE_AFTER
    plan_changes_sweep(now=later)  # the cancellation that Stripe did not answer
    outbox.run_due(now=later + timedelta(hours=1))
    assert AccountDeletion.objects.get().done_at
    assert only(state(catalog)["subscriptions"])["status"] == "canceled"


def test_twice_is_once(catalog):
    account = person()
    ask(account, "basic")
    first = leave(account)
    again = deletion_carry_out(deletion_id=first.pk, now=clock.now())
    assert again.done_at == first.done_at
    assert AccountDeletion.objects.count() == 1


def test_a_wrong_password_changes_nothing(catalog):
    account = person()
    before = list(Subscription.objects.values())
    with pytest.raises(ValidationError):
        leave(account, password="another")
    assert User.objects.get(pk=account.personal_owner_id).is_active
    assert list(Subscription.objects.values()) == before
    assert not AccountDeletion.objects.exists()


def test_an_organisations_last_owner_stays(catalog):
    account = person()
    owner = account.personal_owner
    organisation = account_create_organisation(name="Acme", owner=owner, now=clock.now())
    with pytest.raises(PermissionDenied) as raised:
        leave(account)
    assert "You are the last owner of Acme." in str(raised.value.message)
    assert "or close the organisation" in str(raised.value.message)
    assert raised.value.details == {"organisations": ["Acme"]}
    assert not AccountDeletion.objects.exists()
    told_before = browser_of(account).get("/account/deletion/").content.decode()
    assert "You are the last owner of Acme." in told_before
    other = person().personal_owner
    Membership.objects.create(account=organisation, user=other, role=Role.OWNER)
    User.objects.filter(pk=other.pk).update(is_active=False)
    with pytest.raises(PermissionDenied):
        leave(account)
    User.objects.filter(pk=other.pk).update(is_active=True)
    assert leave(account).done_at


@pytest.mark.django_db(transaction=True)
def test_of_two_last_owners_one_leaves(catalog):
    first, second = person(), person()
    organisation = account_create_organisation(name="Acme", owner=first.personal_owner, now=clock.now())
    Membership.objects.create(account=organisation, user=second.personal_owner, role=Role.OWNER)
    at_once = Barrier(2)

    def go(account):
        try:
            at_once.wait()
            return leave(account).done_at is not None
        except PermissionDenied:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(go, (first, second))) == [False, True]
    owners = Membership.objects.filter(account=organisation, role=Role.OWNER)
    assert [one.user.is_active for one in owners] == [True]


def test_an_organisation_forgets_who_left(catalog):
    """Its invoices go to another owner, here and at Stripe; colleagues' messages and invitations name nobody."""
    account = person()
    gone, heir = account.personal_owner, person().personal_owner
    organisation = account_create_organisation(name="Acme", owner=gone, now=clock.now())
    Membership.objects.create(account=organisation, user=heir, role=Role.OWNER)
    customer_id = customer_ensure(account=organisation)
    Invitation.objects.create(
        account=organisation,
        email=gone.email.upper(),
        role=Role.VIEWER,
        created_at=clock.now(),
        expires_at=clock.now(),
        token_hash=bytes(32),
    )
    told = {"account": organisation, "users": [heir], "template": "any", "kind": NotificationKind.values[0]}
    notify(**told, cause="one", context={"who": {"address": gone.email}}, now=clock.now())
    notify(**told, cause="other", context={"who": heir.email}, now=clock.now())
    address = gone.email
    assert leave(account).done_at
    outbox.run_due(now=clock.now())
    organisation.refresh_from_db()
    assert (organisation.billing_email, organisation.name) == (heir.email, "Acme")
    assert state(catalog)["customers"][customer_id]["email"] == heir.email
    assert [one.cause for one in Notification.objects.filter(user=heir)] == ["other"]
    assert not Invitation.objects.filter(email__iexact=address).exists()


def test_what_a_copy_keeps():
    invoice = {
        "object": "invoice",
        "customer": {"object": "customer", "id": "cus_1", "name": "Ada", "email": "ada@example.test"},
        "customer_email": "ada@example.test",
        "lines": {"data": [{"description": "Premium", "price": {"name": "Premium"}}]},
        "total": 2000,
        "card": {"last4": "4242"},
    }
    assert without_person(invoice) == {
        "object": "invoice",
        "customer": {"object": "customer", "id": "cus_1", "name": None, "email": None},
        "customer_email": None,
        "lines": {"data": [{"description": "Premium", "price": {"name": "Premium"}}]},
        "total": 2000,
        "card": None,
    }


def test_a_card_and_a_tax_id_leave_no_trace_in_a_copy():
    card = {"object": "payment_method", "id": "pm_1", "type": "sepa_debit", "sepa_debit": {"last4": "3000"}}
    assert without_person(card) == {**card, "sepa_debit": None}
    tax_id = {
        "object": "tax_id",
        "id": "txi_1",
        "type": "eu_vat",
        "value": "FR40303265045",
        "verification": {},
    }
    assert without_person(tax_id) == {**tax_id, "value": None, "verification": None}
