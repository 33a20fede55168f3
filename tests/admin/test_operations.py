"""The operations page: what each role sees, in bounded time, and that a board that cannot answer says so."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.admin import boards
from accounts.admin.roles import ROLES, roles_install
from accounts.admin.story import Table
from accounts.models import Account, User
from accounts.tests.factories import account_of, make_person
from billing.models import PaymentAttempt, PlanVersion, Price, Subscription, UnpaidInvoice
from billing.models.catalog import Plan
from billing.models.drift import Drift
from billing.services.deliveries import APPLY
from common import clock
from common.models import Anomaly, OutboxMessage
from quotas.models import RefusedCall
from tests.admin.test_roles import client_of

pytestmark = [pytest.mark.req("OP-2"), pytest.mark.django_db]

PAGE = "/admin/accounts/account/operations/"


@pytest.fixture
def staff(db):
    roles_install(apps.get_model)

    def of(*roles: str) -> User:
        user = User.objects.create_user(f"{uuid.uuid4().hex}@staff.test", None, is_staff=True)
        user.groups.set(apps.get_model("auth", "Group").objects.filter(name__in=roles))
        return user

    return of


@pytest.fixture
def account(db) -> Account:
    """An installation with one of everything that a board shows."""
    now = clock.now()
    account = account_of(make_person(now=now))
    RefusedCall.objects.create(
        account_id=account.pk, metric="messages", units=1, refusal="quota_exceeded", bounds=[], unwritten=41,
        occurred_at=now - timedelta(minutes=1),
    )  # fmt: skip
    for number, (outcome, reason) in enumerate([("succeeded", ""), ("failed", "card_declined")]):
        PaymentAttempt.objects.create(
            account=account, stripe_id=f"ch_{number}", amount_minor=2000, refunded_minor=500 if not number else 0,
            currency="eur", outcome=outcome, reason_code=reason, attempted_at=now,
        )  # fmt: skip
    plan = Plan.objects.create(
        code="basic", rank=1, audience="consumer", is_free=False, name_en="B", name_fr="B"
    )
    version = PlanVersion.objects.create(plan=plan, number=1, currency="eur", fingerprint="f", created_at=now)
    price = Price.objects.create(
        version=version, interval="month", amount_minor=2000, currency="eur", lookup_key="k"
    )
    Subscription.objects.filter(account=account).delete()
    subscription = Subscription.objects.create(
        account=account, plan_version=version, price=price, status="past_due", access="grace", anchor_at=now,
        current_period_start=now, started_at=now,
    )  # fmt: skip
    UnpaidInvoice.objects.create(
        subscription=subscription, stripe_invoice_id="in_1", amount_minor=2000, currency="eur", attempts=2,
        owed_since=now - timedelta(days=4),
    )  # fmt: skip
    Drift.objects.create(kind="status_differs", count=3, checked_at=now)
    Anomaly.objects.create(
        kind="use", subject="messages of account 1", account_id=account.pk, observed=900, usual=100, began_at=now,
        seen_at=now,
    )  # fmt: skip
    OutboxMessage.objects.create(
        task=APPLY, created_at=now, due_at=now, parked_at=now, attempts=20, last_error="no mirror"
    )
    OutboxMessage.objects.create(task="common.mail", created_at=now, due_at=now - timedelta(seconds=90))
    return account


SEEN = {
    "€15.00": {"billing", "support", "auditor"},
    "card_declined": {"billing", "support", "auditor"},
    "Overdue accounts": {"billing", "support", "auditor"},
    "past_due": {"billing", "support", "operator", "auditor"},
    "quota_exceeded": {"billing", "support", "operator", "auditor"},
    "messages of account 1": {"billing", "support", "operator", "auditor"},
    "no mirror": {"operator", "auditor"},
    "common.mail": {"operator", "auditor"},
    "Failed for good (replay_events": {"operator", "auditor"},
    "status_differs": {"operator", "auditor"},
    "Largest users today": {"billing", "support", "operator", "auditor"},
}


@pytest.mark.req("OP-1")
@pytest.mark.parametrize("role", ROLES)
def test_each_role_sees_what_its_rights_show(staff, account, role):
    answer = client_of(staff(role)).get(PAGE)
    assert answer.status_code == 200
    page = answer.content.decode()
    for text, roles in SEEN.items():
        assert (text in page) is (role in roles), text
    assert account.personal_owner.email not in page


def test_without_a_role_nothing(staff, account):
    assert client_of(staff()).get(PAGE).status_code == 403
    assert client_of(account.personal_owner).get(PAGE).status_code == 302


def test_figures(staff, account):
    page = " ".join(client_of(staff("auditor")).get(PAGE).content.decode().split())
    assert "<td>quota_exceeded</td><td>messages</td><td>42</td><td>1</td>" in page, "1 written, 41 not"
    assert "<td>today</td><td>€15.00</td><td>€5.00</td><td>1</td>" in page
    assert "<td>card_declined</td><td>1</td><td>1</td><td>€20.00</td>" in page
    assert f"/admin/accounts/account/{account.pk}/change/" in page


def test_an_empty_installation_says_so(staff):
    page = client_of(staff("auditor")).get(PAGE).content.decode()
    for one in boards.boards.values():
        assert one.title in page
        assert one.empty in page
    assert "took too long" not in page


def test_a_board_that_takes_too_long_is_ended_and_says_so_and_the_others_answer(staff, account, monkeypatch):
    def slow(now) -> Table:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")
        return Table((), [])

    monkeypatch.setattr(boards, "LONGEST_S", 1)
    monkeypatch.setitem(
        boards.boards, "slow", boards.Board("slow", "Slow", "common.view_anomaly", slow, empty="", order=0)
    )
    page = client_of(staff("auditor")).get(PAGE).content.decode()
    assert page.count("took too long") == 1
    assert "messages of account 1" in page
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",), "it is the page's alone"


def test_the_number_of_queries_does_not_grow_with_what_is_shown(staff, account):
    user = staff("auditor")
    client = client_of(user)
    client.get(PAGE)
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(PAGE)
    now = clock.now()
    Anomaly.objects.bulk_create(
        Anomaly(
            kind="use", subject=f"s{n}", account_id=account.pk, observed=1, usual=0, began_at=now, seen_at=now
        )
        for n in range(60)
    )
    OutboxMessage.objects.bulk_create(
        OutboxMessage(task="t", created_at=now, due_at=now, parked_at=now) for _ in range(60)
    )
    with CaptureQueriesContext(connection) as many:
        page = client.get(PAGE).content.decode()
    assert len(many) == len(few)
    assert page.count("s5") <= 30, "only the newest are listed"
