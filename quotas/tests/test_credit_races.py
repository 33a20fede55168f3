"""Credits asked for at the same time, and connections lost in the middle: no credit is spent twice, none is lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from django.db import connections

from common import clock
from quotas import services
from quotas.engine import careful, runner
from quotas.engine.connection import connect
from quotas.models import Bucket, Grant, LedgerEntry, UsageRecord, Wallet
from quotas.services import (
    grants_expire,
    usage_consume,
    usage_release,
    usage_reserve,
    usage_reverse,
    usage_settle,
    wallet_adjust,
)
from quotas.tests.conftest import PAID, granted
from quotas.tests.test_races import at_once, processes, wait_until_blocked  # noqa: F401 - a fixture among them

pytestmark = pytest.mark.req("CR-1")


def balance(account):
    return Wallet.objects.get(account=account).balance_units


def test_many_callers_in_two_processes_spend_exactly_what_there_is(account_paying, processes):  # noqa: F811
    account = account_paying(60, 33, 7)

    def call(i):
        processes(i)
        return [
            usage_consume(account_id=account.id, metric=PAID, overage_units=i % 2 and 1) for _ in range(10)
        ]

    decisions = [decision for each in at_once(16, call) for decision in each]
    assert sum(decision.split.credits for decision in decisions) == 100
    assert balance(account) == 0
    refused = [decision for decision in decisions if not decision.allowed]
    past = [decision for decision in decisions if decision.split.overage]
    assert len(refused) + len(past) == 60
    assert len(past) == sum(entry.overage_units for entry in LedgerEntry.objects.filter(kind="overage"))


@pytest.mark.req("QU-7", "CR-1")
def test_one_key_at_once_spends_once(account_paying, processes):  # noqa: F811
    account = account_paying(10)

    def call(i):
        processes(i)
        return usage_consume(account_id=account.id, metric=PAID, units=4, key="same")

    decisions = at_once(8, call)
    assert {(decision.record_id, decision.split.credits) for decision in decisions} == {
        (UsageRecord.objects.get().id, 4)
    }
    assert balance(account) == 6


def test_a_grant_given_many_times_at_once_is_given_once(account_paying):
    account = account_paying()
    grants = at_once(8, lambda _: granted(account, 5, "same"))
    assert {grant.pk for grant in grants} == {Grant.objects.get().pk}
    assert balance(account) == 5


def test_a_record_reversed_many_times_at_once_is_reversed_once(account_paying):
    account = account_paying(10)
    record_id = usage_consume(account_id=account.id, metric=PAID, units=6).record_id

    def reverse(_):
        return usage_reverse(
            account_id=account.id, record_id=record_id, reason="race", now=clock.database_now()
        )

    assert len({each.pk for each in at_once(8, reverse)}) == 1
    assert balance(account) == 10
    assert Bucket.objects.get(account=account).used_units == 0


def test_everything_at_once_leaves_the_books_in_order(account_paying, processes):  # noqa: F811
    """Use, reservations, reversals, grants, corrections and expiry of one wallet, all together; verify_books checks."""
    account = account_paying(50)
    now = clock.database_now()
    granted(account, 20, "ended", days=1, now=now - timedelta(days=2))

    def call(i):
        processes(i)
        common = {"account_id": account.id}
        for n in range(5):
            if i % 6 == 0:
                granted(account, 3, f"{i}-{n}", days=1)
            elif i % 6 == 1:
                grants_expire(now=now)
            elif i % 6 == 2:
                held = usage_reserve(metric=PAID, units=3, overage_units=1, **common)
                close = usage_release if n % 2 else usage_settle
                if held.allowed:
                    close(reservation_id=held.reservation_id, metric=PAID, **common)
            elif i % 6 == 3:
                wallet_adjust(
                    units=2 - 4 * (n % 2),
                    request_id=f"{i}-{n}",
                    reason="race",
                    actor="test",
                    now=now,
                    **common,
                )
            else:
                decision = usage_consume(metric=PAID, units=2, overage_units=i % 2, **common)
                if decision.allowed and n % 2:
                    usage_reverse(record_id=decision.record_id, reason="race", now=now, **common)
        return True

    outcomes = at_once(18, call)
    assert all(outcome is True or type(outcome).__name__ == "ValidationError" for outcome in outcomes), (
        outcomes
    )
    assert balance(account) == sum(Grant.objects.values_list("remaining_units", flat=True)) >= 0


def test_who_waits_for_the_wallet_sees_what_the_other_left(account_paying):
    """The rival holds the wallet after its own statement read it: the consumption waits, and then finds nothing."""
    account = account_paying(5)
    usage_consume(account_id=account.id, metric=PAID)
    with connect() as rival, ThreadPoolExecutor(1) as pool:
        with rival.transaction():
            rival.execute("SELECT 1 FROM quotas_wallet WHERE account_id = %s FOR UPDATE", (account.id,))
            under_way = pool.submit(_consume_and_close, account, 3)
            wait_until_blocked()
            rival.execute("UPDATE quotas_grant SET remaining_units = 1 WHERE account_id = %s", (account.id,))
            rival.execute("UPDATE quotas_wallet SET balance_units = 1 WHERE account_id = %s", (account.id,))
            rival.execute(
                "INSERT INTO quotas_ledgerentry (account_id, kind, request_id, units, overage_units, balance_units,"
                " grant_id, reason, occurred_at) SELECT account_id, 'adjustment', 'rival', -3, 0, 1, id, '', now()"
                " FROM quotas_grant WHERE account_id = %s",
                (account.id,),
            )
        decision = under_way.result(60)
    assert not decision.allowed
    assert (decision.credits_spendable, balance(account)) == (1, 1)


def _consume_and_close(account, units):
    try:
        return usage_consume(account_id=account.id, metric=PAID, units=units)
    finally:
        connections.close_all()


@pytest.mark.req("QU-6", "CR-1")
@pytest.mark.parametrize("key", [None, "mine"])
def test_a_commit_whose_answer_is_lost_spends_once(account_paying, monkeypatch, key):
    account = account_paying(10)
    losses = iter([True])
    real_decide = careful.decide_carefully

    def decide(connection, operations, allocate):
        outcomes = real_decide(connection, operations, allocate)
        if next(losses, False):
            connection.close()
            raise psycopg.OperationalError("connection lost after COMMIT")
        return outcomes

    monkeypatch.setattr(runner, "decide_carefully", decide)
    decision = usage_consume(account_id=account.id, metric=PAID, units=11, key=key, overage_units=1)
    assert (decision.replayed, decision.split.credits, decision.split.overage) == (True, 10, 1)
    assert next(losses, None) is None
    assert balance(account) == 0
    assert UsageRecord.objects.count() == 1
    assert services.usage_check(account_id=account.id, metric=PAID).credits_spendable == 0
