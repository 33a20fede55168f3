"""What sweeps do while Stripe is silent: they ask once, and leave the rest, and the workers, alone."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from billing import tasks
from billing.errors import PaymentProviderUnavailable, ProviderRefused
from billing.gateways.stripe import StripeGateway
from billing.models import PlanChange
from billing.services import plan_changes_sweep
from billing.services.patience import Patience
from billing.services.reconcile import MOST_SILENCES, reconcile
from billing.tests.conftest import person
from billing.tests.helpers import ask, no_faults
from billing.tests.test_intents import lose_answers
from common.clock import database_now

pytestmark = pytest.mark.req("CR-8")
MANY = 200
# In this database: in another, other tests run at the same time.
WAITS = """
SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)
               WHERE locktype = 'advisory' AND NOT granted AND datname = current_database())
"""


def _gone_through(error: Exception) -> int:
    patience, asked = Patience(), 0
    for _row in patience.rows(range(MANY)):
        asked += 1
        patience.heard(error)
    assert patience.is_over == (asked == 1)
    return asked


def test_the_first_silence_ends_a_run_and_a_refusal_does_not():
    assert _gone_through(PaymentProviderUnavailable()) == 1
    assert _gone_through(ProviderRefused()) == MANY
    assert _gone_through(ValueError()) == MANY


def test_what_is_never_answered_is_not_always_the_first():
    assert len({next(Patience().rows(range(MANY))) for _ in range(MANY)}) > 1


def _pending(stand_in, count: int) -> list[PlanChange]:
    """Starts that were made, and whose answers were lost."""
    for _ in range(count):
        account = person()
        lose_answers(stand_in)
        with pytest.raises(PaymentProviderUnavailable):
            ask(account, "premium")
        no_faults(stand_in)
    return list(PlanChange.objects.filter(status="pending"))


def test_a_sweep_asks_a_silent_stripe_once_and_goes_on_when_it_answers(catalog, monkeypatch):
    changes = _pending(catalog, 3)
    find, asked = StripeGateway.subscription_find, []
    silent_about = {change.account.stripe_customer_id for change in changes}

    def away(self, *, customer_id, change_id):
        asked.append(customer_id)
        if customer_id in silent_about:
            raise PaymentProviderUnavailable
        return find(self, customer_id=customer_id, change_id=change_id)

    monkeypatch.setattr(StripeGateway, "subscription_find", away)
    later = database_now() + timedelta(seconds=30)
    assert len(plan_changes_sweep(now=later).still_open) == len(asked) == 1
    silent_about = {changes[0].account.stripe_customer_id}
    for _ in range(MANY):  # each time it is any of them that comes first
        plan_changes_sweep(now=later)
        if PlanChange.objects.filter(status="pending").count() == 1:
            break
    assert [one.pk for one in PlanChange.objects.filter(status="pending")] == [changes[0].pk]


def test_comparing_stops_when_stripe_falls_silent_on_the_way(catalog, monkeypatch):
    for _ in range(MOST_SILENCES + 2):
        person()
    asked = []

    def away(_self, *_args, **_more):
        asked.append(1)
        raise PaymentProviderUnavailable

    monkeypatch.setattr(StripeGateway, "customer_find_by_id", away)
    with pytest.raises(PaymentProviderUnavailable):
        reconcile(now=database_now())
    assert len(asked) == MOST_SILENCES


def test_a_turn_is_left_out_while_another_worker_is_at_it(db, monkeypatch):
    runs = []
    turn = tasks.one_at_a_time(lambda: runs.append(1))
    name = "sweep:<lambda>"
    monkeypatch.setattr(tasks, "current_task", object())
    with psycopg.connect(os.environ["DATABASE_URL"]) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
        turn()
        assert runs == []
        # Said, and not left to the end of the connection: a server lets go of a lock only when it has noticed that end.
        other.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])
        turn()
        turn()
    assert runs == [1, 1]


def test_who_runs_a_sweep_by_hand_waits_and_leaves_nothing_out(db):
    """The sandbox's clock goes on only when the work of a moment is done, whatever a worker is at."""
    runs = []
    name = "sweep:<lambda>"
    with psycopg.connect(os.environ["DATABASE_URL"]) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
        turn = pool.submit(_in_a_thread, tasks.one_at_a_time(lambda: runs.append(1)))
        while not other.execute(WAITS).fetchone()[0]:
            assert not turn.done()
        assert runs == []
        other.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])
        turn.result()
    assert runs == [1]


def _in_a_thread(turn) -> None:
    try:
        turn()
    finally:
        connection.close()
