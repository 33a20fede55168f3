"""Roles × models × fields of the administration, by construction: every field that a page can show is of a class, every
class has its roles, and a field or model that comes later is in it without anybody's doing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import models
from django.test import RequestFactory

from accounts.admin import boards, story
from accounts.admin.roles import ROLES, roles_install
from accounts.models import User
from tests.personal_data import PERSONAL

pytestmark = [pytest.mark.req("OP-1"), pytest.mark.django_db]

# Who belongs to the people and is shown as such; beside what a column's name tells (tests.personal_data).
NAMES = {"accounts.Account.name", "enterprise.Contract.title", "accounts.Notification.context"}
MARK = "Lovelace"
SECRET = re.compile(r"(.*_)?(password|secret|hash|token|payload|private|otp|signature)(_.*)?$")
CARDS = re.compile(r"(.*_)?(last4|brand|exp_year|exp_month)$")
SEES_PEOPLE = {role for role, rights in ROLES.items() if "accounts.view_user" in rights}
SEES_CARDS = {role for role, rights in ROLES.items() if "billing.view_paymentattempt" in rights}


@pytest.fixture
def staff(db) -> dict[str, User]:
    roles_install(apps.get_model)
    people = {}
    for role in ROLES:
        user = User.objects.create_user(f"{role}@staff.test", None, is_staff=True)
        user.groups.set(apps.get_model("auth", "Group").objects.filter(name=role))
        people[role] = user
    return people


def fields_shown(user: User) -> Iterator[tuple[str, str]]:
    """(model, field) of every list and form that this member of staff can open."""
    request = RequestFactory().get("/admin/")
    request.user = user
    for model, page in admin.site._registry.items():
        if not page.has_view_permission(request):
            continue
        shown = {name for name in page.get_list_display(request) if isinstance(name, str)}
        if (
            "change_view" not in type(page).__dict__
        ):  # a page of its own shows panels, each with its own right
            shown |= set(flatten_fieldsets(page.get_fieldsets(request, model())))
        for name in shown:
            yield model._meta.label, name


def class_of(label: str, name: str) -> str:
    if SECRET.fullmatch(name):
        return "secret"
    if CARDS.fullmatch(name):
        return "card"
    if PERSONAL.fullmatch(name) or f"{label}.{name}" in NAMES:
        return "person"
    return "plain"


def texts_of(model: type[models.Model]) -> Iterator[str]:
    """What pages write of such a row where another one points to it, with a mark in every text that it has."""
    row = model(
        **{
            field.name: MARK
            for field in model._meta.concrete_fields
            if isinstance(field, models.CharField | models.TextField) and not field.choices
        }
    )
    yield str(row)


def test_a_row_that_points_to_somebody_names_nobody(staff):
    """A field that is plain by its name is shown by the words of what it points to."""
    pointed_to = {
        model._meta.get_field(name).related_model
        for model, name in ((apps.get_model(label), name) for label, name in fields_shown(staff["operator"]))
        if name in {field.name for field in model._meta.get_fields()}
        and model._meta.get_field(name).is_relation
    }
    people = {apps.get_model("accounts", "Account"), User}
    assert people <= pointed_to
    for model in people | {
        apps.get_model("enterprise", "Contract"),
        apps.get_model("enterprise", "Invitation"),
    }:
        assert not [text for text in texts_of(model) if MARK in text], model


def test_every_name_is_that_of_a_field():
    for name in NAMES:
        label, field = name.rsplit(".", 1)
        apps.get_model(label)._meta.get_field(field)


def test_there_is_something_to_see(staff):
    shown = {role: set(fields_shown(user)) for role, user in staff.items()}
    assert len(shown["auditor"]) > 150
    assert {("billing.PaymentAttempt", "card_last4"), ("accounts.User", "email")} <= shown["auditor"]
    assert len(shown["operator"]) > 50


@pytest.mark.parametrize("role", ROLES)
def test_each_role_sees_the_classes_of_its_rights_only(staff, role):
    for label, name in fields_shown(staff[role]):
        kind = class_of(label, name)
        assert kind != "secret", f"{role} sees {label}.{name}"
        if kind == "card":
            assert role in SEES_CARDS, f"{label}.{name}"
        if kind == "person":
            assert role in SEES_PEOPLE, f"{label}.{name}"


def test_nobody_sees_a_secret_superusers_neither(staff):
    root = User.objects.create_user("root@staff.test", None, is_staff=True, is_superuser=True)
    assert [one for one in fields_shown(root) if class_of(*one) == "secret"] == []


def test_models_with_secrets_are_known_to_hide_them():
    """What the pages hide is there to be hidden: the test above would see it."""
    hidden = {
        f"{model._meta.label}.{field.name}"
        for model in admin.site._registry
        for field in model._meta.get_fields()
        if SECRET.fullmatch(field.name)
    }
    assert hidden == {
        "accounts.User.password",
        "common.OutboxMessage.payload",
        "enterprise.Credential.secret_hash",
    }


@pytest.mark.parametrize("role", ROLES)
def test_each_part_of_the_pages_is_shown_by_its_right(staff, role):
    """Panels, sources, finders, acts and boards: what a role gets is exactly what its rights name."""
    books = (story.panels, story.sources, story.finders, story.acts, boards.boards)
    for book in books:
        given = {part.name for part in story.allowed(staff[role], book)}
        assert given == {part.name for part in book.values() if part.permission in ROLES[role]}


def test_every_right_that_a_part_asks_for_is_somebodys():
    asked = {
        part.permission
        for book in (story.panels, story.sources, story.finders, story.acts, boards.boards)
        for part in book.values()
    }
    assert asked <= {right for rights in ROLES.values() for right in rights}


def test_every_right_of_a_role_exists_and_lets_see_or_do_something(staff):
    """A right that no page asks for would be one too many."""
    asked = {
        part.permission
        for book in (story.panels, story.sources, story.finders, story.acts, boards.boards)
        for part in book.values()
    }
    lists = {f"{model._meta.app_label}.view_{model._meta.model_name}" for model in admin.site._registry}
    for role, rights in ROLES.items():
        for right in rights:
            assert staff[role].has_perm(right), f"{role}: {right} does not exist"
            assert right in asked | lists, f"{role}: nothing asks for {right}"
