"""The history of plan changes is whole and cannot be rewritten."""

from __future__ import annotations

import pytest
from django.utils import translation

from billing.models import PlanChange
from billing.pages.changes import title_of
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    subscription,
    undo,
)
from common.models import AuditEntry


@pytest.mark.req("PC-5", "PC-11")
def test_history_and_audit_tell_the_story(catalog):
    account = person()
    ask(account, "premium", key="k")
    ask(account, "basic")
    undo(account)
    changes = PlanChange.objects.filter(account=account).order_by("requested_at")
    rows = [(one.kind, one.status, one.user_id) for one in changes]
    who = account.personal_owner_id
    assert rows == [("upgrade", "applied", who), ("downgrade", "undone", who)]
    with translation.override("fr"):
        assert [title_of(one) for one in changes] == ["De Gratuit à Premium", "De Premium à Basique"]
    actions = list(
        AuditEntry.objects.filter(account_id=account.pk).order_by("at").values_list("action", flat=True)
    )
    assert actions == ["plan_change.applied", "plan_change.scheduled", "plan_change.undone"]


@pytest.mark.req("PC-5")
@pytest.mark.parametrize(
    "act",
    [
        lambda change: change.delete(),
        lambda change: PlanChange.objects.filter(pk=change.pk).update(to_price=None),
        lambda change: PlanChange.objects.filter(pk=change.pk).update(request_id="other"),
        lambda change: PlanChange.objects.filter(pk=change.pk).update(status="pending", settled_at=None),
        lambda change: PlanChange.objects.filter(pk=change.pk).update(status="undone"),
    ],
)
def test_history_cannot_be_rewritten(catalog, act):
    from django.db import Error, transaction

    change = ask(person(), "premium").change
    with pytest.raises(Error), transaction.atomic():
        act(change)
    assert PlanChange.objects.get(pk=change.pk).status == "applied"


@pytest.mark.req("PC-5", "PC-6")
def test_the_database_allows_one_change_in_flight(catalog):
    from django.db import IntegrityError, transaction

    account = person()
    ask(account, "premium")
    change = ask(account, "basic").change
    change.pk, change._state.adding = None, True
    with pytest.raises(IntegrityError, match="plan_change_one_in_flight"), transaction.atomic():
        change.save(force_insert=True)
    second = subscription(account)
    second.pk, second.stripe_subscription_id = None, "sub_other"
    with pytest.raises(IntegrityError, match="subscription_one_live"), transaction.atomic():
        second.save(force_insert=True)
