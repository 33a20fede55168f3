"""Each entry of a ledger that was lost comes back as it was, or nothing is touched."""

from datetime import timedelta

import pytest
from django.db import connection, transaction

from common import clock
from common.books import verify_all
from quotas.ledger_repair import ledger_mend
from quotas.models import LedgerEntry, UsageRecord, Wallet
from quotas.services import (
    LimitSpec,
    grants_expire,
    usage_consume,
    usage_release,
    usage_reserve,
    usage_reverse,
    usage_settle,
)
from quotas.tests.conftest import PAID, give, granted

pytestmark = pytest.mark.req("CR-1", "OP-4")

AS_IT_WAS = (
    "kind", "request_id", "units", "overage_units", "balance_units", "grant_id", "metric_id", "credential_id",
    "record_id", "reservation_id",
)  # fmt: skip


def by_hand(statement, *values):
    """As a superuser in a shell of the database: no trigger looks."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, values)
        assert cursor.rowcount > 0, "there was nothing to damage"


def lose(*ids):
    by_hand("DELETE FROM quotas_ledgerentry WHERE id = ANY(%s)", list(ids))


def mend(account):
    return ledger_mend(account_id=account.id, actor="test", now=clock.now())


def entries(account):
    return list(LedgerEntry.objects.filter(account=account).order_by("id").values("id", *AS_IT_WAS))


def shown(account):
    return [{name: one[name] for name in AS_IT_WAS} for one in entries(account)]


@pytest.fixture
def account(account_paying):
    """Uses of one grant and of several, reserved, settled in part, released, reversed, past the credits; one expired."""
    account, now = account_paying(price=2), clock.database_now()
    granted(account, 3, "gone", days=3, now=now - timedelta(days=9))
    grants_expire(now=now)
    granted(account, 10, "soon", days=5)
    granted(account, 6, "sooner", days=4)
    granted(account, 100, "late")

    def used(units, **more):
        return usage_consume(account_id=account.id, metric=PAID, units=units, **more)

    def held(units):
        return usage_reserve(account_id=account.id, metric=PAID, units=units).reservation_id

    used(5, credential_id=None)
    used(4)
    used(1)
    usage_settle(account_id=account.id, reservation_id=held(7), units=3)
    usage_release(account_id=account.id, reservation_id=held(2))
    undone = used(2)
    usage_reverse(
        account_id=account.id, record_id=undone.record_id, reason="not done", now=clock.database_now()
    )
    used(60, overage_units=60)
    assert verify_all() == []
    return account


def test_each_lost_entry_comes_back_as_it_was(account):
    before = shown(account)
    assert {one["kind"] for one in before} == {"grant", "use", "reversal", "expiry", "overage"}
    for lost in before:
        row = next(one for one in entries(account) if one["request_id"] == lost["request_id"])
        lose(row["id"])
        if lost["kind"] != "overage":
            assert verify_all(), lost
        told = mend(account)
        assert (len(told.done), told.unclear) == (1, []), lost
        assert sorted(shown(account), key=str) == sorted(before, key=str), lost
        assert verify_all() == []
        assert mend(account).done == []


def test_all_entries_of_one_use_come_back(account):
    before = shown(account)
    several = [one["id"] for one in entries(account) if one["record_id"] is not None and one["units"] < 0][:2]
    assert len({LedgerEntry.objects.get(pk=one).record_id for one in several}) == 1
    lose(*several)
    assert len(mend(account).done) == 2
    assert shown(account) == before


@pytest.mark.broken_books
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE quotas_ledgerentry SET kind = 'adjustment' WHERE id = %s",
        "UPDATE quotas_ledgerentry SET record_id = record_id + 1 WHERE id = %s",
    ],
)
def test_what_it_cannot_make_right_is_told_and_left(account, damage):
    use = next(one for one in entries(account) if one["record_id"] is not None and one["units"] < 0)
    by_hand(damage, use["id"])
    before, wallet = entries(account), Wallet.objects.filter(account=account).values().get()
    told = mend(account)
    assert told.done == []
    assert any("record" in line for line in told.unclear)
    assert (entries(account), Wallet.objects.filter(account=account).values().get()) == (before, wallet)


@pytest.mark.broken_books
def test_more_paid_than_any_price_explains_is_found(account):
    """Two uses of one grant, whose figures make up for one another."""
    uses = LedgerEntry.objects.filter(account=account, kind="use", record_id__isnull=False)
    one, other = list(dict(uses.order_by("id").values_list("record_id", "id")).values())[:2]
    by_hand("UPDATE quotas_ledgerentry SET units = units - 1 WHERE id = %s", one)
    by_hand("UPDATE quotas_ledgerentry SET units = units + 1 WHERE id = %s", other)
    assert sum("by credits" in finding for finding in verify_all()) == 2


@pytest.mark.req("EN-3")
def test_what_a_contract_charges_past_its_limit_is_no_credits(account_with):
    account = account_with(LimitSpec("messages", "day", 1, "overage"))
    granted(account, 5)
    usage_consume(account_id=account.id, metric="messages", units=9)
    assert UsageRecord.objects.get(account_id=account.id).overage_units == 8
    before = entries(account)
    assert mend(account).done == []
    assert entries(account) == before


def test_a_grant_that_is_gone_is_found(account_paying):
    account = account_paying(5)
    usage_consume(account_id=account.id, metric=PAID, units=5)
    grant = LedgerEntry.objects.filter(account=account).first().grant_id
    with transaction.atomic():
        by_hand("DELETE FROM quotas_grant WHERE id = %s", grant)
        by_hand(
            "UPDATE quotas_ledgerentry SET units = units - 1 WHERE account_id = %s AND units < 0", account.id
        )
        assert any(f"grant {grant} says nothing" in finding for finding in verify_all())
        transaction.set_rollback(True)


def test_an_entry_past_the_credits_that_is_lost_is_found(account_paying):
    account = account_paying()
    held = usage_reserve(account_id=account.id, metric=PAID, units=2, overage_units=2)
    give(account, LimitSpec("messages", "day", 5))  # the price is the reservation's to tell
    usage_settle(account_id=account.id, reservation_id=held.reservation_id)
    before = shown(account)
    lose(*(one["id"] for one in entries(account)))
    assert any("2 units past the credits" in finding for finding in verify_all())
    assert len(mend(account).done) == 1
    assert shown(account) == before
