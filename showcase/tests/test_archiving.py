"""A smaller plan archives what it has no room for, and a larger one brings it back: exactly, whatever comes between."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.tests.factories import bearer
from billing import services
from billing.models import StoredFit
from billing.tests.conftest import person
from billing.tests.helpers import ask, cancel, subscription
from common import outbox
from common.clock import database_now
from quotas.errors import QuotaExceeded
from quotas.selectors import quota_status
from showcase import keeping
from showcase.models import Persona

pytestmark = pytest.mark.req("PC-10")

NAMES = ["Ada", "Bea", "Cleo", "Dora", "Eve"]


def client_of(account):
    client = APIClient(raise_request_exception=False)
    client.credentials(**bearer(account.personal_owner))
    return client


def make(account, name):
    return keeping.persona_create(account=account, name=name, traits={}, now=database_now())[0]


def collector(plan="premium", names=NAMES):
    """Somebody on the plan with personas, the oldest first."""
    account = person()
    ask(account, plan)
    for name in names:
        make(account, name)
    work()
    return account


def work(later=timedelta()):
    outbox.run_due(now=database_now() + later)


def in_use(account):
    rows = Persona.objects.filter(account=account, archived_at=None)
    return list(rows.order_by("created_at").values_list("name", flat=True))


def counted(account):
    (bound,) = quota_status(account_id=account.pk, metric="personas")
    return bound.used, bound.limit, bound.remaining


def downgrade(account, plan="basic", keep=()):
    return services.plan_change_request(
        account=account,
        user=account.personal_owner,
        target_plan=plan,
        interval=None,
        quote=None,
        idempotency_key=None,
        request_id="req-archive",
        now=database_now(),
        keep=[str(Persona.objects.get(account=account, name=name).pk) for name in keep],
    )


def to_the_switch(travel, account):
    travel.to(subscription(account).current_period_end + timedelta(minutes=3))


def test_at_the_switch_the_newest_are_archived_and_come_back_on_upgrade(travel):
    account = collector()
    downgrade(account)
    work()
    assert in_use(account) == NAMES, "nothing before the switch"
    to_the_switch(travel, account)
    work()
    assert in_use(account) == ["Ada", "Bea", "Cleo"]
    assert counted(account) == (3, 3, 0)
    assert Persona.objects.filter(account=account).count() == 5, "archived, not deleted"

    ask(account, "premium")
    work()
    assert in_use(account) == NAMES
    assert counted(account) == (5, 20, 15)


def test_what_the_user_chose_stays_through_a_further_fall(travel):
    account = collector()
    downgrade(account, keep=["Eve"])
    to_the_switch(travel, account)
    work()
    assert in_use(account) == ["Ada", "Bea", "Eve"]
    cancel(account, "now")
    work()
    assert in_use(account) == ["Ada"], "the later end had no choice, so the oldest stays"


def test_the_limit_holds_from_the_switch_before_anything_is_archived(travel):
    account = collector()
    downgrade(account)
    travel.to(subscription(account).current_period_end, sweep=False)
    assert in_use(account) == NAMES
    assert counted(account) == (5, 3, 0), "more in use than allowed, and never less than nothing left"
    with pytest.raises(QuotaExceeded):
        make(account, "Flo")
    answer = client_of(account).post("/v1/personas", {"name": "Flo"}, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "quota_exceeded")
    work()
    assert in_use(account) == ["Ada", "Bea", "Cleo"], (
        "the promise was due at the switch itself, webhook or not"
    )
    assert counted(account) == (3, 3, 0)


def test_the_end_of_a_plan_archives_at_once(travel):
    account = collector()
    cancel(account, "now")
    work()
    assert in_use(account) == ["Ada"]
    assert counted(account) == (1, 1, 0)


def test_a_change_taken_back_archives_nothing(travel):
    account = collector()
    downgrade(account)
    end = subscription(account).current_period_end
    services.plan_change_undo(account=account, user=account.personal_owner, request_id="", now=database_now())
    travel.to(end + timedelta(minutes=3))
    work()
    assert in_use(account) == NAMES


def test_a_late_archiver_goes_by_the_limit_it_finds(travel):
    account = collector()
    cancel(account, "now")
    ask(account, "premium")  # before anybody kept the promise of the cancellation
    work()
    assert in_use(account) == NAMES
    assert StoredFit.objects.get(account=account).limit_units == 20


def test_what_comes_back_is_as_much_as_there_is_room_for(travel):
    account = collector()
    cancel(account, "now")
    work()
    ask(account, "basic")
    work()
    assert in_use(account) == ["Ada", "Bea", "Cleo"]
    assert counted(account) == (3, 3, 0)


def test_room_that_was_made_is_for_the_user_to_fill(travel):
    account = collector()
    cancel(account, "now")
    work()
    keeping.persona_delete(
        account_id=account.pk, persona_id=Persona.objects.get(name="Ada").pk, now=database_now()
    )
    services.stored_fit(account_id=account.pk, now=database_now())
    assert in_use(account) == []
    client = client_of(account)
    cleo, dora = (Persona.objects.get(name=name).pk for name in ("Cleo", "Dora"))
    answer = client.post(f"/v1/personas/{cleo}/restore", {}, format="json")
    assert (answer.status_code, answer.json()["data"]["archived_at"]) == (200, None)
    assert client.post(f"/v1/personas/{cleo}/restore", {}, format="json").status_code == 200, "twice is once"
    refused = client.post(f"/v1/personas/{dora}/restore", {}, format="json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "quota_exceeded")
    assert in_use(account) == ["Cleo"]
    assert counted(account) == (1, 1, 0)


# Rivals and crashes -------------------------------------------------------------------------------------------------


def test_one_that_is_being_made_during_the_switch_does_not_pass_the_limit(travel, monkeypatch):
    """The meter said yes before the switch; the persona appears after everything was fitted."""
    account = collector()
    real_save = Persona.save

    def late(self, *args, **kwargs):
        monkeypatch.setattr(Persona, "save", real_save)
        cancel(account, "now")
        work()
        assert in_use(account) == ["Ada"]
        real_save(self, *args, **kwargs)

    monkeypatch.setattr(Persona, "save", late)
    make(account, "Flo")
    assert in_use(account) == ["Ada", "Flo"]
    work()
    assert in_use(account) == ["Ada"]
    assert counted(account) == (1, 1, 0)


def test_a_crash_between_archiving_and_giving_back_is_mended(travel, monkeypatch):
    account = collector()
    cancel(account, "now")
    with monkeypatch.context() as patch:
        patch.setattr(keeping, "_take_back", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            services.stored_fit(account_id=account.pk, now=database_now())
    assert in_use(account) == ["Ada"]
    assert counted(account) == (5, 1, 0), "too many counted refuses more, which is the safe side"
    work()
    assert counted(account) == (1, 1, 0)


def test_a_crash_while_one_is_brought_back_leaves_no_unit_behind(travel, monkeypatch):
    account = collector()
    cancel(account, "now")
    work()
    ask(account, "premium")
    with monkeypatch.context() as patch:
        patch.setattr(Persona, "save", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            services.stored_fit(account_id=account.pk, now=database_now())
    assert in_use(account) == ["Ada"]
    assert counted(account)[0] == 2, "the unit of the one that did not come back"
    work(keeping.SECOND_LOOK)
    assert in_use(account) == NAMES
    assert counted(account) == (5, 20, 15)


def test_fitting_and_making_and_bringing_back_all_at_once(travel):
    account = collector(names=NAMES[:3])
    cancel(account, "now")
    work()
    ask(account, "basic")
    barrier = threading.Barrier(8)
    back = Persona.objects.get(name="Cleo").pk

    def run(act):
        try:
            barrier.wait()
            return act()
        except QuotaExceeded:
            return None
        finally:
            connection.close()

    def fit():
        services.stored_fit(account_id=account.pk, now=database_now())

    def restore():
        keeping.persona_restore(account_id=account.pk, persona_id=back, now=database_now())

    acts = [fit, fit, restore, restore, *[lambda n=n: make(account, f"New {n}") for n in range(4)]]
    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(run, acts))
    work(keeping.SECOND_LOOK)
    assert counted(account) == (3, 3, 0)
    assert len(in_use(account)) == 3
