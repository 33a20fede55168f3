"""What people are told about their plan: once for each thing that happened to it, in their language."""

import pytest
from django.core import mail
from django.utils import translation

from accounts.models import Notification, User
from accounts.notifications.messages import message_of
from billing.tests.conftest import person
from billing.tests.helpers import ask, undo
from common import clock, outbox

pytestmark = [pytest.mark.req("NO-2")]


def told() -> list[str]:
    return [
        message_of(one.template, one.context).subject for one in Notification.objects.order_by("created_at")
    ]


def test_up_down_and_back(catalog):
    account = person()
    ask(account, "premium")
    ask(account, "basic")
    undo(account)
    first, second, third = told()
    assert (first, third) == ("You are on Premium", "You stay on Premium")
    assert second.startswith("Premium until ")
    assert second.endswith(", then Basic")
    outbox.run_due(now=clock.database_now())
    assert [one.subject for one in mail.outbox] == [first, second, third]
    assert "Charged: €20.00" in mail.outbox[0].body


def test_in_french(catalog):
    account = person()
    User.objects.update(language="fr")
    ask(account, "basic")
    with translation.override("fr"):
        assert told() == ["Vous avez maintenant la formule Basique"]


def test_a_refused_change_is_told_by_its_answer(catalog):
    account = person()
    with pytest.raises(Exception):  # noqa: B017 - which one is tested elsewhere
        ask(account, "no-such-plan")
    assert told() == []
