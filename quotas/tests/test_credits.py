"""What is paid with what: the limit's allowance, then credits, then past them; reserved, settled, released, reversed."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from common import clock
from common.errors import IdempotencyKeyReused, NotFound, ValidationError
from common.models import AuditEntry
from quotas import errors, selectors
from quotas.models import Bucket, Grant, LedgerEntry, Reservation, UsageDay, UsageRecord, Wallet
from quotas.services import (
    LimitSpec,
    grants_expire,
    raise_for_refusal,
    reservations_expire,
    usage_check,
    usage_consume,
    usage_release,
    usage_reserve,
    usage_reverse,
    usage_settle,
    wallet_adjust,
)
from quotas.tests.conftest import PAID, give, granted
from quotas.values import Refusal, Split
from quotas.wallet_selectors import credits_used, wallet_status

pytestmark = pytest.mark.req("CR-1")
METRIC = PAID


def balance(account):
    status = wallet_status(account_id=account.id, at=clock.database_now())
    assert status.balance_units == sum(grant.remaining_units for grant in status.grants)
    return status.balance_units


def ledger(account):
    rows = LedgerEntry.objects.filter(account=account).order_by("id")
    return [(row.kind, row.units, row.overage_units, row.balance_units) for row in rows]


def rows_of(account):
    """Everything that a refusal must leave as it was."""
    return [
        list(model.objects.filter(account_id=account.id).order_by("pk").values())
        for model in (Wallet, Grant, LedgerEntry, UsageRecord, UsageDay, Reservation)
    ] + [list(Bucket.objects.filter(account=account).values_list("used_units", "reserved_units"))]


def consume(account, units=1, **more):
    return usage_consume(account_id=account.id, metric=METRIC, units=units, **more)


def reserve(account, units=1, **more):
    return usage_reserve(account_id=account.id, metric=METRIC, units=units, **more)


def settle(account, held, units=None):
    return usage_settle(account_id=account.id, reservation_id=held.reservation_id, units=units)


@pytest.mark.parametrize(
    ("free", "given", "units", "vouched", "split"),
    [
        (5, 10, 3, 0, Split(3, 0, 0)),
        (5, 10, 5, 0, Split(5, 0, 0)),
        (5, 10, 6, 0, Split(5, 1, 0)),
        (0, 10, 10, 0, Split(0, 10, 0)),
        (5, 10, 15, 0, Split(5, 10, 0)),
        (5, 10, 16, 1, Split(5, 10, 1)),
        (0, 0, 4, 4, Split(0, 0, 4)),
    ],
)
def test_allowance_then_credits_then_overage(account_paying, free, given, units, vouched, split):
    account = account_paying(*([given] if given else []), free=free)
    asked = usage_check(account_id=account.id, metric=METRIC, units=units, overage_units=vouched)
    decision = consume(account, units, overage_units=vouched)
    assert decision.allowed
    assert decision.split == asked.split == split
    record = UsageRecord.objects.get(pk=decision.record_id)
    assert (record.units, record.credit_units, record.overage_units) == (units, split.credits, split.overage)
    assert balance(account) == given - split.credits


@pytest.mark.req("CR-1", "QU-9")
@pytest.mark.parametrize("call", [consume, reserve])
def test_what_credits_do_not_cover_is_refused_and_nothing_moves(account_paying, call):
    account = account_paying(10, free=2)
    assert consume(account, 5).split == Split(2, 3, 0)
    before = rows_of(account)
    decision = call(account, 8)
    assert decision.refusal == Refusal.INSUFFICIENT_CREDITS
    assert (decision.credits_spendable, decision.credits_needed) == (7, 8)
    with pytest.raises(errors.InsufficientCredits) as refused:
        raise_for_refusal(decision)
    assert refused.value.status == 402
    assert refused.value.details["credits"] == {"balance_units": 7, "needed_units": 8}
    assert rows_of(account) == before
    check = usage_check(account_id=account.id, metric=METRIC, units=8)
    assert (check.allowed, check.refusal) == (False, Refusal.INSUFFICIENT_CREDITS)
    assert call(account, 7).allowed


def test_a_unit_may_cost_several_credits(account_paying):
    account = account_paying(10, price=3)
    assert consume(account, 4).refusal == Refusal.INSUFFICIENT_CREDITS
    assert consume(account, 3).split == Split(0, 3, 0)
    assert balance(account) == 1
    assert consume(account, 2, overage_units=2).split == Split(0, 0, 2)


def test_the_grant_that_expires_soonest_is_spent_first(account_paying):
    account = account_paying(5)
    late, soon = granted(account, 5, "late", days=30), granted(account, 5, "soon", days=2)
    consume(account, 7)
    left = dict(Grant.objects.filter(account=account).values_list("pk", "remaining_units"))
    assert (left[soon.pk], left[late.pk]) == (0, 3)
    used = LedgerEntry.objects.filter(account=account, kind="use").order_by("id")
    assert [(entry.grant_id, entry.units) for entry in used] == [(soon.pk, -5), (late.pk, -2)]


def test_an_expired_grant_is_never_spent_however_late_the_task_is(account_paying):
    account = account_paying()
    now = clock.database_now()
    ended = granted(account, 5, "ended", days=1, now=now - timedelta(days=2))
    assert balance(account) == 0
    assert consume(account).refusal == Refusal.INSUFFICIENT_CREDITS
    assert grants_expire(now=now) == 1
    assert grants_expire(now=now) == 0
    assert ledger(account) == [("grant", 5, 0, 5), ("expiry", -5, 0, 0)]
    ended.refresh_from_db()
    assert ended.remaining_units == 0


def test_a_grant_is_given_once_for_its_request(account_paying):
    account = account_paying()
    first, again = granted(account, 5), granted(account, 5)
    assert first == again
    assert balance(account) == 5
    with pytest.raises(IdempotencyKeyReused):
        granted(account, 6)
    assert balance(account) == 5


@pytest.mark.parametrize("units", [0, -1, 2**63, True, 1.5, "7", None])
def test_odd_amounts_are_refused(account_paying, units):
    account = account_paying(3)
    before = rows_of(account)
    with pytest.raises((ValidationError, TypeError)):
        granted(account, units)
    assert rows_of(account) == before


@pytest.mark.req("CR-1", "OP-1")
def test_support_corrects_a_wallet_with_a_reason(account_paying):
    account = account_paying(5)
    common = {"account_id": account.id, "actor": "support", "now": clock.database_now()}
    wallet_adjust(units=4, request_id="a", reason="goodwill", **common)
    wallet_adjust(units=4, request_id="a", reason="goodwill", **common)
    wallet_adjust(units=-8, request_id="b", reason="given by mistake", **common)
    wallet_adjust(units=-8, request_id="b", reason="given by mistake", **common)
    assert balance(account) == 1
    before = rows_of(account)
    with pytest.raises(ValidationError):
        wallet_adjust(units=-2, request_id="c", reason="too much", **common)
    with pytest.raises(ValidationError):
        wallet_adjust(units=2, request_id="d", reason=" ", **common)
    with pytest.raises(IdempotencyKeyReused):
        wallet_adjust(units=5, request_id="a", reason="goodwill", **common)
    assert rows_of(account) == before


@pytest.mark.parametrize(
    "statement", ["UPDATE quotas_ledgerentry SET units = 1", "DELETE FROM quotas_ledgerentry"]
)
def test_the_ledger_is_never_rewritten(account_paying, statement):
    account = account_paying(5)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert ledger(account) == [("grant", 5, 0, 5)]


@pytest.mark.req("CR-1", "QU-1")
def test_reserved_credits_are_held_and_come_back_on_release(account_paying):
    account = account_paying(10, free=1)
    held = reserve(account, 6)
    assert held.split == Split(1, 5, 0)
    assert balance(account) == 5
    assert consume(account, 6).refusal == Refusal.INSUFFICIENT_CREDITS
    usage_release(account_id=account.id, reservation_id=held.reservation_id)
    assert balance(account) == 10
    assert ledger(account)[1:] == [("use", -5, 0, 5), ("reversal", 5, 0, 10)]
    assert not UsageRecord.objects.filter(account_id=account.id).exists()


@pytest.mark.parametrize(
    ("units", "split", "left"),
    [
        (None, Split(1, 5, 2), 0),
        (8, Split(1, 5, 2), 0),
        (6, Split(1, 5, 0), 0),
        (3, Split(1, 2, 0), 3),
        (0, Split(), 5),
    ],
)
def test_settling_some_gives_back_what_was_past_the_credits_first(account_paying, units, split, left):
    account = account_paying(2, 3, free=1)
    held = reserve(account, 8, overage_units=2)
    assert held.split == Split(1, 5, 2)
    settled = settle(account, held, units)
    assert settled.split == split
    assert balance(account) == left
    overage = LedgerEntry.objects.filter(account=account, kind="overage")
    assert [entry.overage_units for entry in overage] == ([split.overage] if split.overage else [])
    if left == 3:
        assert Grant.objects.get(account=account, units=3).remaining_units == 3, (
            "the last taken comes back first"
        )
    again = settle(account, held, units)
    assert again.refusal == Refusal.RESERVATION_CLOSED
    assert balance(account) == left


@pytest.mark.req("QU-1")
def test_a_forgotten_reservation_gives_its_credits_back(account_paying, sandbox_time):
    account = account_paying(4)
    reserve(account, 3, ttl_s=60)
    sandbox_time(61)
    assert consume(account, 4).split == Split(0, 4, 0), "it gives way by itself"
    assert reservations_expire() == 0
    assert balance(account) == 0


def test_credits_that_return_to_an_expired_grant_are_not_spent(account_paying, sandbox_time):
    account = account_paying()
    granted(account, 3, days=1)
    held = reserve(account, 3, ttl_s=3600)
    sandbox_time(86_400)
    assert reservations_expire() == 1
    assert balance(account) == 0
    assert Wallet.objects.get(account=account).balance_units == 3
    assert consume(account).refusal == Refusal.INSUFFICIENT_CREDITS
    assert grants_expire(now=clock.database_now()) == 1
    assert ledger(account)[-1] == ("expiry", -3, 0, 0)
    assert settle(account, held).refusal == Refusal.RESERVATION_CLOSED


@pytest.fixture
def sandbox_time(db):
    def advance(seconds):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO common_sandbox_clock (id, shift) VALUES (1, make_interval(secs => %s))"
                " ON CONFLICT (id) DO UPDATE SET shift = excluded.shift",
                (seconds,),
            )

    return advance


@pytest.mark.req("QU-7")
@pytest.mark.parametrize("call", [consume, reserve])
def test_a_repeated_key_finds_the_first_split_and_spends_once(account_paying, call):
    account = account_paying(3, free=1)
    first = call(account, 5, key="same", overage_units=1)
    again = call(account, 5, key="same", overage_units=1)
    assert (again.replayed, again.split, again.record_id) == (True, first.split, first.record_id)
    assert balance(account) == 0
    refused, repeated = consume(account, 1, key="no"), consume(account, 1, key="no")
    assert repeated.replayed
    assert (repeated.credits_spendable, repeated.credits_needed) == (0, 1)
    assert refused.refusal == repeated.refusal == Refusal.INSUFFICIENT_CREDITS


@pytest.mark.req("QU-9")
def test_the_limits_that_take_no_credits_bar_all_the_same(account_with):
    account = account_with(
        LimitSpec(METRIC, "day", 0, "credits", credits_per_unit=1), LimitSpec(METRIC, "hour", 2)
    )
    granted(account, 9)
    before = rows_of(account)
    assert consume(account, 3).refusal == Refusal.QUOTA_EXCEEDED
    assert usage_check(account_id=account.id, metric=METRIC, units=3).refusal == Refusal.QUOTA_EXCEEDED
    assert rows_of(account)[:6] == before[:6]
    assert consume(account, 2).split == Split(0, 2, 0)


# The quick statements know nothing of credits: what they may not decide, the database keeps from them.


def test_within_the_allowance_no_credit_is_spent(account_paying):
    account = account_paying(3, free=100)
    for _ in range(3):
        assert consume(account, 2).split == Split(2, 0, 0)
    held = reserve(account, 2)
    assert settle(account, held).split == Split(2, 0, 0)
    assert balance(account) == 3


def test_a_statement_that_knows_no_credits_cannot_settle_what_holds_them(account_paying):
    account = account_paying(3)
    held = reserve(account, 2)
    with pytest.raises(DatabaseError, match="reservation_credits_settled"), transaction.atomic():
        Reservation.objects.filter(pk=held.reservation_id).update(
            status="settled", settled_units=2, closed_at=clock.database_now()
        )
    give(account, LimitSpec(METRIC, "day", 10))
    usage_consume(account_id=account.id, metric=METRIC)
    assert Bucket.objects.get(account=account, metric__code=METRIC).mode == "block"
    settled = settle(account, held)
    assert settled.split == Split(0, 2, 0), "the quick path stands back"
    assert UsageRecord.objects.get(pk=settled.record_id).credit_units == 2


# Undoing a record ---------------------------------------------------------------------------------------------------


def reverse(account, record_id):
    return usage_reverse(
        account_id=account.id, record_id=record_id, reason="not delivered", now=clock.database_now()
    )


@pytest.mark.req("CR-7")
@pytest.mark.parametrize("reserved", [False, True])
def test_a_record_is_undone_wholly_and_once(account_paying, reserved):
    account = account_paying(2, 3, free=1)
    other = consume(account)
    if reserved:
        decision = settle(account, reserve(account, 8, overage_units=9), 7)
    else:
        decision = consume(account, 7, overage_units=2)
    assert decision.split == Split(0, 5, 2)
    first, again = reverse(account, decision.record_id), reverse(account, decision.record_id)
    assert first == again
    assert (first.units, first.credit_units, first.overage_units) == (-7, -5, -2)
    assert balance(account) == 5
    day = UsageDay.objects.get(account_id=account.id)
    assert (day.units, day.overage_units, day.operations) == (1, 0, 1)
    assert Bucket.objects.get(account=account, metric__code=METRIC).used_units == 1
    assert reverse(account, other.record_id).units == -1
    entries = [row for row in ledger(account) if row[0] == "reversal"]
    assert sum(row[1] for row in entries) == 5
    assert sum(row[2] for row in entries) == -2
    assert balance(account) == 5


@pytest.mark.req("CR-7", "EN-11")
def test_only_ones_own_use_can_be_undone(account_paying):
    account, other = account_paying(5), account_paying(5)
    mine = consume(account, 2)
    before = rows_of(account)
    for record_id in (mine.record_id, 404_404):
        with pytest.raises(NotFound):
            reverse(other, record_id)
    assert rows_of(account) == before
    undone = reverse(account, mine.record_id)
    with pytest.raises(ValidationError):
        reverse(account, undone.pk)


OLD_USE = """
INSERT INTO quotas_ledgerentry (account_id, kind, request_id, units, overage_units, balance_units, grant_id, reason,
  occurred_at)
SELECT %(account)s, 'use', 'old-' || n, -1, 0, 30000 - n, %(grant)s, '', %(now)s - make_interval(mins => n)
FROM generate_series(1, 30000) AS n
"""


@pytest.mark.req("CR-10")
def test_what_a_period_used_is_read_by_its_time_and_not_from_the_whole_ledger(account_paying):
    """Every view of the credits asks for it; a ledger of years has mostly what other periods used."""
    account, now = account_paying(), clock.database_now()
    own = granted(account, 5)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(OLD_USE, {"account": account.pk, "grant": own.pk, "now": now})
        cursor.execute("ANALYZE quotas_ledgerentry")
        with CaptureQueriesContext(connection) as asked:
            start = now - timedelta(hours=10, seconds=1)
            assert credits_used(account_id=account.pk, start=start, end=now) == 600
        cursor.execute(f"EXPLAIN {asked[0]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "ledger_by_time" in plan, plan
        transaction.set_rollback(True)  # it was written past the books


def given_by_hand(account, *, units=5, ends=None):
    return wallet_adjust(
        account_id=account.id,
        units=units,
        request_id="one",
        reason="sorry",
        actor="test",
        expires_at=ends,
        now=clock.database_now(),
    )


@pytest.mark.req("OP-1")
def test_credits_given_twice_are_given_and_told_once(account_paying):
    account, ends = account_paying(), clock.database_now() + timedelta(days=9)
    first, again = given_by_hand(account, ends=ends), given_by_hand(account, ends=ends)
    assert [entry.pk for entry in first] == [entry.pk for entry in again]
    assert AuditEntry.objects.filter(action="wallet.adjusted", account_id=account.pk).count() == 1
    for other in ({"units": 6, "ends": ends}, {"ends": None}, {"units": -5}):
        with pytest.raises(IdempotencyKeyReused):
            given_by_hand(account, **other)
    assert balance(account) == 5


@pytest.mark.req("OP-1")
def test_credits_that_would_have_expired_are_refused(account_paying):
    account = account_paying()
    before = rows_of(account)
    with pytest.raises(ValidationError) as refused:
        given_by_hand(account, ends=clock.database_now() - timedelta(seconds=1))
    assert refused.value.details["fields"][0]["field"] == "expires_at"
    assert rows_of(account) == before


def test_a_right_that_ends_between_two_readings_is_no_price_of_one(account_paying, monkeypatch):
    """The limits are read first, what a unit costs second."""
    account = account_paying(10, price=3)
    real = selectors.credit_price

    def late(**asked):
        give(account, LimitSpec(METRIC, "day", 0))
        return real(**asked | {"at": clock.database_now()})

    monkeypatch.setattr(selectors, "credit_price", late)
    asked = usage_check(account_id=account.id, metric=METRIC, units=1)
    assert (asked.allowed, asked.refusal, asked.credits_needed) == (False, Refusal.QUOTA_EXCEEDED, None)
