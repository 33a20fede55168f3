"""Roles × routes × fields of the administration: who may open what, and what they see there. A new route fails closed."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.admin import story
from accounts.admin.roles import ROLES, roles_install
from accounts.models import Account, AccountKind, Notification, User
from billing.models import PaymentAttempt, PlanChange
from common import audit, clock
from enterprise.models import Contract, Credential
from quotas.models import RefusedCall
from quotas.services import wallet_grant

pytestmark = [pytest.mark.req("OP-1"), pytest.mark.django_db]

EDITABLE = {"auth.Group", "accounts.News"}  # by superusers only
STAFF = [*ROLES, "no role", "superuser"]
# What a page of the account shows, and who sees it.
FIELDS = {
    "ada@example.test": {"support", "billing", "auditor"},
    "Ada Lovelace": {"support", "billing", "auditor"},
    "visa …4321": {"support", "billing", "auditor"},
    "card_was_lost": {"support", "billing", "auditor"},
    "a reason in the trail": {"support", "billing", "auditor"},
    ">Scopes<": {"support", "auditor"},
    "quota_exceeded": {"support", "billing", "operator", "auditor"},
    "goodwill of spring": {"support", "billing", "operator", "auditor"},
    "Send a message again": {"support"},
    "Give or take credits": {"support", "billing"},
    "Refund an invoice": {"billing"},
    "Apply an event from Stripe again": {"operator"},
}


@pytest.fixture
def staff(db) -> dict[str, User]:
    roles_install(apps.get_model)
    people = {}
    for role in STAFF:
        user = User.objects.create_user(f"{uuid.uuid4().hex}@staff.test", None, is_staff=True)
        user.is_superuser = role == "superuser"
        user.save()
        user.groups.set(apps.get_model("auth", "Group").objects.filter(name=role))
        people[role] = user
    people["person"] = User.objects.create_user(f"{uuid.uuid4().hex}@person.test", None)
    return people


@pytest.fixture
def account(db) -> Account:
    """Somebody of whom there is one of everything."""
    now = clock.now() - timedelta(hours=1)
    ada = User.objects.create_user("ada@example.test", None, display_name="Ada Lovelace")
    account = Account.objects.create(
        kind=AccountKind.PERSONAL, name="Ada Lovelace", personal_owner=ada, billing_email="ada@example.test"
    )
    PaymentAttempt.objects.create(
        account=account,
        stripe_id="ch_1",
        stripe_invoice_id="in_1",
        amount_minor=900,
        currency="EUR",
        card_brand="visa",
        card_last4="4321",
        outcome="failed",
        reason_code="card_was_lost",
        attempted_at=now,
    )
    PaymentAttempt.objects.create(
        account=account,
        stripe_id="ch_2",
        stripe_invoice_id="in_1",
        amount_minor=900,
        currency="EUR",
        outcome="succeeded",
        attempted_at=now,
    )
    RefusedCall.objects.create(
        account_id=account.pk,
        metric="messages",
        units=1,
        refusal="quota_exceeded",
        bounds=[],
        request_id="req-1",
        occurred_at=now,
    )
    Notification.objects.create(
        user=ada,
        account=account,
        kind="plan",
        template="plan_changed_test",
        cause="test",
        in_app=True,
        email_status="none",
        created_at=now,
    )
    wallet_grant(
        account_id=account.pk,
        source="promotion",
        units=5,
        request_id="test",
        reason="goodwill of spring",
        now=now,
    )
    audit.record(
        actor=ada, account_id=account.pk, action="thing.done", reason="a reason in the trail", now=now
    )
    Credential.objects.create(
        account=account,
        name="key",
        prefix="plr_test_matrix",
        secret_hash=b"x" * 32,
        scopes=["usage:read"],
        created_at=now,
    )
    return account


def client_of(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[str]:
    """The names of all of the administration's addresses."""
    resolver = resolver or next(
        one for one in get_resolver().url_patterns if getattr(one, "app_name", "") == "admin"
    )
    for one in resolver.url_patterns:
        if isinstance(one, URLPattern):
            if one.name:
                yield one.name
        else:
            yield from routes(one, prefix)


def test_only_our_models_are_there():
    labels = {model._meta.label for model in admin.site._registry}
    assert {label.split(".")[0] for label in labels} == {
        "common",
        "accounts",
        "quotas",
        "billing",
        "enterprise",
        "auth",
    }
    assert {label for label in labels if label.startswith("auth.")} == {"auth.Group"}


@pytest.mark.parametrize("role", [*STAFF, "person", "nobody"])
def test_lists_and_forms(staff, account, role):
    """Lists by the role's right to view; nothing is added, changed or deleted by anybody but a superuser's groups."""
    client = client_of(staff.get(role))
    for model in admin.site._registry:
        meta = model._meta
        base = f"/admin/{meta.app_label}/{meta.model_name}/"
        right = f"{meta.app_label}.view_{meta.model_name}"
        sees = role == "superuser" or right in ROLES.get(role, ())
        assert client.get(base).status_code == expected(role, sees), base
        writes = meta.label in EDITABLE and role == "superuser"
        assert client.get(f"{base}add/").status_code == expected(role, writes), f"{base}add/"
        row = model._default_manager.first()
        if row is None:  # who may not see any is told so before it is looked for
            status = client.get(f"{base}0/change/").status_code
            assert status == (302 if sees else expected(role, False)), base
            continue
        for path in (f"{base}{row.pk}/delete/",):
            assert client.get(path).status_code == expected(role, writes), path
        assert client.get(f"{base}{row.pk}/history/").status_code == expected(role, sees), base
        page = client.get(f"{base}{row.pk}/change/")
        assert page.status_code == expected(role, sees), base
        if not (role == "superuser" and meta.label in {*EDITABLE, "accounts.User"}):
            before = list(model._default_manager.order_by("pk").values())
            client.post(f"{base}{row.pk}/change/", {"_save": "Save", "reason": "rewritten", "is_staff": "on"})
            client.post(base, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
            assert list(model._default_manager.order_by("pk").values()) == before, base


def expected(role: str, may: bool) -> int:
    if role == "nobody":
        return 302  # to the sign-in
    return 200 if may else (302 if role == "person" else 403)


@pytest.mark.parametrize("role", [*ROLES, "no role", "person", "nobody"])
def test_what_is_looked_up_while_typing_shows_no_people(staff, account, role):
    """The stock address that completes a field answers for every field of every model that it is asked for."""
    client, sees = client_of(staff.get(role)), "accounts.view_user" in ROLES.get(role, ())
    asked = {"app_label": "billing", "model_name": "planchange", "term": account.personal_owner.email}
    for name in ("account", "user"):
        answer = client.get("/admin/autocomplete/", asked | {"field_name": name})
        assert answer.status_code in {302, 403, 404} or (name == "user" and sees), name
        assert b"Lovelace" not in answer.content


def test_every_route_is_known():
    """A route that no test here asks about has to be thought of first."""
    standard = {
        "index",
        "login",
        "logout",
        "password_change",
        "password_change_done",
        "autocomplete",
        "jsi18n",
    }
    standard |= {"view_on_site", "app_list"}
    of_models = {
        f"{model._meta.app_label}_{model._meta.model_name}_{what}"
        for model in admin.site._registry
        for what in ("changelist", "add", "history", "delete", "change")
    }
    assert set(routes()) - standard - of_models == {
        "accounts_account_do",
        "accounts_account_operations",
        "accounts_account_request",
    }


@pytest.mark.parametrize("role", [*STAFF, "person", "nobody"])
def test_own_pages(staff, account, role):
    client = client_of(staff.get(role))
    sees = role == "superuser" or role in ROLES
    assert client.get("/admin/accounts/account/request/?id=req-1").status_code == expected(role, sees)
    assert client.post("/admin/accounts/account/", {"q": "nothing"}).status_code == expected(role, sees)
    for act in story.acts.values():
        may = role == "superuser" or act.permission in ROLES.get(role, ())
        path = f"/admin/accounts/account/{account.pk}/do/{act.name}/"
        assert client.get(path).status_code == expected(role, may), path
        refused = client.post(path, {"reason": "because", "once": str(uuid.uuid4())})
        if not may:
            assert refused.status_code == expected(role, False), path


@pytest.mark.parametrize("role", STAFF)
def test_fields(staff, account, role):
    answer = client_of(staff[role]).get(f"/admin/accounts/account/{account.pk}/change/")
    if role == "no role":
        assert answer.status_code == 403
        return
    page = answer.content.decode()
    for text, roles in FIELDS.items():
        assert (text in page) is (role in roles or role == "superuser"), text


@pytest.mark.parametrize("role", ["operator"])
def test_no_page_of_a_row_names_anybody_to_who_may_not_see_people(staff, account, role):
    """Lists, pages and histories of whatever there is a row of, also where the row only points to the person."""
    now, ada = clock.now(), account.personal_owner
    PlanChange.objects.create(
        account=account,
        user=ada,
        kind="start",
        status="failed",
        error_code="declined",
        settled_at=now,
        requested_at=now,
        proration_at=now,
    )
    Contract.objects.create(
        account=account, title="Lovelace 2027", currency="usd", starts_at=now, created_at=now
    )
    client, opened = client_of(staff[role]), set()
    for model in admin.site._registry:
        meta, row = model._meta, model._default_manager.first()
        base = f"/admin/{meta.app_label}/{meta.model_name}/"
        for path in (base, *([f"{base}{row.pk}/change/", f"{base}{row.pk}/history/"] if row else [])):
            answer = client.get(path)
            if answer.status_code != 200:
                assert answer.status_code == 403, path
                continue
            opened.add(meta.label)
            assert not re.search("lovelace|ada@", answer.content.decode(), re.IGNORECASE), path
    assert {"billing.PlanChange", "enterprise.Contract", "quotas.Grant", "quotas.LedgerEntry"} <= opened


@pytest.mark.parametrize("role", ROLES)
def test_search_by_role(staff, account, role):
    """Who may not see a thing cannot find an account by it."""
    client = client_of(staff[role])
    for text, roles in {
        "ADA@example.test": {"support", "billing", "auditor"},
        "4321": {"support", "billing", "auditor"},
        "Ada": {"support", "billing", "auditor"},
        str(account.public_id): set(ROLES),
        "in_1": set(ROLES),
    }.items():
        found = client.post("/admin/accounts/account/", {"q": text})
        leads = (
            found.status_code == 302 and found["Location"] == f"/admin/accounts/account/{account.pk}/change/"
        )
        assert leads is (role in roles), text


def test_no_address_asks_for_what_a_list_does_not_offer(staff, account):
    """The stock lists answer whether any column begins with something: a password's hash, letter by letter."""
    client = client_of(staff["superuser"])
    for model in admin.site._registry:
        if model in {Account, apps.get_model("auth", "Group"), apps.get_model("accounts", "News")}:
            continue
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        offered = {str(one) for one in admin.site._registry[model].list_filter}
        for field in model._meta.concrete_fields:
            if field.name not in offered:
                assert client.get(base, {f"{field.name}__startswith": "p"}).status_code == 400, (
                    base,
                    field.name,
                )
    assert client_of(staff["support"]).get("/admin/accounts/user/?password__startswith=p").status_code == 400
    assert client.get("/admin/accounts/user/?is_staff__exact=1").status_code == 200


def test_a_password_is_changed_on_everybodys_page(staff):
    answer = client_of(staff["support"]).get("/admin/password_change/")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/password/change/")


def test_a_role_keeps_what_a_superuser_added(staff):
    group = apps.get_model("auth", "Group").objects.get(name="operator")
    added = apps.get_model("auth", "Permission").objects.get(
        codename="view_user", content_type__app_label="accounts"
    )
    group.permissions.add(added)
    roles_install(apps.get_model)
    assert added in group.permissions.all()
    for role, rights in ROLES.items():
        given = apps.get_model("auth", "Group").objects.get(name=role).permissions
        names = {
            f"{one.content_type.app_label}.{one.codename}" for one in given.select_related("content_type")
        }
        assert set(rights) <= names
