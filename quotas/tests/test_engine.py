"""Decisions on a real database: limits, windows that stack, keys, reservations, things that exist."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from psycopg import _queries

from common.errors import IdempotencyKeyReused, NotFound, ValidationError
from quotas import errors, services
from quotas.engine import sql
from quotas.models import Bucket, OperationKey, Reservation, UsageDay, UsageRecord
from quotas.selectors import quota_status
from quotas.services import (
    LimitSpec,
    usage_consume,
    usage_give_back,
    usage_release,
    usage_reserve,
    usage_settle,
)
from quotas.tests.conftest import give
from quotas.values import MAX_UNITS, Refusal


def figures(account):
    """All that a decision may change, to see that nothing did."""
    return (
        sorted(Bucket.objects.filter(account=account).values_list("window", "used_units", "reserved_units")),
        UsageRecord.objects.filter(account_id=account.id).count(),
        list(UsageDay.objects.filter(account_id=account.id).values_list("units", "operations")),
        Reservation.objects.filter(account_id=account.id, status="open").count(),
    )


def consume(account, units=1, **more):
    return usage_consume(account_id=account.id, metric="messages", units=units, **more)


@pytest.mark.req("QU-1", "QU-2", "QU-5")
def test_units_are_counted_up_to_the_limit_and_not_past_it(account_with):
    account = account_with(day=3)
    assert [consume(account).allowed for _ in range(3)] == [True, True, True]
    before = figures(account)
    refused = consume(account)
    assert not refused.allowed
    assert refused.refusal == Refusal.QUOTA_EXCEEDED
    assert figures(account) == before
    assert before[2] == [(3, 3)]


@pytest.mark.req("QU-9")
def test_a_refusal_explains_itself(account_with):
    account = account_with(day=3, hour=10)
    consume(account, 2)
    refused = consume(account, 2)
    with pytest.raises(errors.QuotaExceeded) as caught:
        services.raise_for_refusal(refused)
    details = caught.value.details
    assert (details["limit"], details["used"], details["remaining"], details["requested"]) == (3, 2, 1, 2)
    assert {b["window"]: b["allows"] for b in details["bounds"]} == {"day": False, "hour": True}
    assert details["reset_at"].endswith("T00:00:00Z")
    assert [remedy["action"] for remedy in details["remedies"]][:1] == ["wait"]
    headers = caught.value.headers()
    assert int(headers["Retry-After"]) == details["retry_after_s"] <= 86_400
    assert (headers["X-Quota-Limit"], headers["X-Quota-Remaining"]) == ("3", "1")
    assert headers["X-Quota-Reset"] == details["reset_at"]


@pytest.mark.req("QU-3")
def test_stacked_windows_must_all_allow_and_all_count(account_with):
    account = account_with(hour=2, day=3, month=100)
    assert consume(account, 2).allowed
    refused = consume(account)
    assert refused.deciding.window == "hour"
    assert dict(Bucket.objects.values_list("window", "used_units")) == {"hour": 2, "day": 2, "month": 2}


@pytest.mark.req("QU-3")
def test_of_several_refusing_windows_the_longest_decides(account_with):
    account = account_with(hour=1, day=1)
    consume(account)
    assert consume(account).deciding.window == "day"


@pytest.mark.req("QU-4")
def test_an_account_without_any_right_has_no_subscription(account_with):
    account = account_with()
    decision = consume(account)
    assert decision.refusal == Refusal.NO_ACTIVE_SUBSCRIPTION
    with pytest.raises(errors.NoActiveSubscription):
        services.raise_for_refusal(decision)
    assert figures(account) == ([], 0, [], 0)


@pytest.mark.req("QU-8")
def test_a_metric_the_plan_does_not_have_is_told_apart(account_with):
    account = account_with(day=5)
    decision = usage_consume(account_id=account.id, metric="exports")
    assert decision.refusal == Refusal.FEATURE_NOT_IN_PLAN


def test_an_unknown_metric(account_with):
    account = account_with(day=5)
    with pytest.raises(errors.UnknownMetric):
        usage_consume(account_id=account.id, metric="nothing")
    assert figures(account) == ([], 0, [], 0)


def test_unlimited_counts_and_never_refuses(account_with):
    account = account_with(day=None)
    assert consume(account, MAX_UNITS).allowed
    bound = consume(account).deciding
    assert (bound.limit, bound.remaining, bound.used, bound.state) == (None, None, MAX_UNITS + 1, "ok")


@pytest.mark.parametrize("units", [0, -1, MAX_UNITS + 1, 2**63, 1.5, "1", True, None])
def test_units_must_be_a_sensible_whole_number(account_with, units):
    account = account_with(day=5)
    with pytest.raises(ValidationError):
        consume(account, units)
    assert figures(account) == ([], 0, [], 0)


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\nb", "a\0b"])
def test_a_key_must_be_printable_ascii(account_with, key):
    account = account_with(day=5)
    with pytest.raises(ValidationError):
        consume(account, key=key)
    assert figures(account) == ([], 0, [], 0)


@pytest.mark.req("QU-7", "PC-6")
class TestKeys:
    def test_a_repeated_key_returns_the_first_decision_and_counts_nothing(self, account_with):
        account = account_with(day=5)
        first = consume(account, 2, key="a")
        consume(account, 1)
        again = consume(account, 2, key="a")
        assert again.replayed
        assert not first.replayed
        assert (again.record_id, again.bounds, again.decided_at) == (
            first.record_id,
            first.bounds,
            first.decided_at,
        )
        assert figures(account)[:2] == ([("day", 3, 0)], 2)

    def test_a_refusal_is_repeated_too_even_when_room_has_come(self, account_with):
        account = account_with(day=1)
        assert not consume(account, 2, key="a").allowed
        give(account, LimitSpec("messages", "day", 10))
        assert not consume(account, 2, key="a").allowed
        assert consume(account, 2, key="b").allowed

    def test_the_same_key_with_another_request_is_an_error(self, account_with):
        account = account_with(day=5)
        consume(account, 2, key="a")
        before = figures(account)
        with pytest.raises(IdempotencyKeyReused):
            consume(account, 3, key="a")
        assert figures(account) == before

    def test_keys_of_two_accounts_have_nothing_to_do_with_each_other(self, account_with):
        one, other = account_with(day=5), account_with(day=5)
        first = usage_reserve(account_id=one.id, metric="messages", key="a")
        second = usage_reserve(account_id=other.id, metric="messages", key="a")
        assert first.reservation_id != second.reservation_id
        assert not second.replayed


@pytest.mark.req("QU-1", "QU-7")
class TestReservations:
    def test_reserved_units_are_not_free_and_not_used(self, account_with):
        account = account_with(day=3)
        held = usage_reserve(account_id=account.id, metric="messages", units=2)
        assert held.deciding.reserved == 2
        assert figures(account) == ([("day", 0, 2)], 0, [], 1)
        assert not consume(account, 2).allowed

    def test_settled_units_are_used(self, account_with):
        account = account_with(day=3)
        held = usage_reserve(account_id=account.id, metric="messages", units=2)
        settled = usage_settle(account_id=account.id, reservation_id=held.reservation_id)
        assert (settled.allowed, settled.units, settled.metric) == (True, 2, "messages")
        assert figures(account) == ([("day", 2, 0)], 1, [(2, 1)], 0)

    def test_what_is_not_settled_goes_back(self, account_with):
        account = account_with(day=3)
        held = usage_reserve(account_id=account.id, metric="messages", units=3)
        usage_settle(account_id=account.id, reservation_id=held.reservation_id, units=1)
        assert figures(account) == ([("day", 1, 0)], 1, [(1, 1)], 0)

    def test_nothing_settled_is_nothing_recorded(self, account_with):
        account = account_with(day=3)
        held = usage_reserve(account_id=account.id, metric="messages", units=3)
        usage_settle(account_id=account.id, reservation_id=held.reservation_id, units=0)
        assert figures(account) == ([("day", 0, 0)], 0, [], 0)

    def test_released_units_are_free_again(self, account_with):
        account = account_with(day=3)
        held = usage_reserve(account_id=account.id, metric="messages", units=3)
        usage_release(account_id=account.id, reservation_id=held.reservation_id)
        assert figures(account) == ([("day", 0, 0)], 0, [], 0)
        assert consume(account, 3).allowed

    @pytest.mark.parametrize("first", [usage_settle, usage_release])
    @pytest.mark.parametrize("second", [usage_settle, usage_release])
    def test_a_closed_reservation_stays_closed(self, account_with, first, second):
        account = account_with(day=3)
        held = usage_reserve(account_id=account.id, metric="messages", units=2)
        first(account_id=account.id, reservation_id=held.reservation_id)
        before = figures(account)
        decision = second(account_id=account.id, reservation_id=held.reservation_id)
        with pytest.raises(errors.ReservationClosed):
            services.raise_for_refusal(decision)
        assert figures(account) == before

    def test_the_same_settlement_repeated_under_its_key_is_the_same_answer(self, account_with):
        account = account_with(day=3)
        held = usage_reserve(account_id=account.id, metric="messages", units=2)
        first = usage_settle(account_id=account.id, reservation_id=held.reservation_id, key="s")
        again = usage_settle(account_id=account.id, reservation_id=held.reservation_id, key="s")
        assert again.replayed
        assert again.record_id == first.record_id
        assert figures(account) == ([("day", 2, 0)], 1, [(2, 1)], 0)

    def test_more_than_was_reserved_is_not_settled(self, account_with):
        account = account_with(day=9)
        held = usage_reserve(account_id=account.id, metric="messages", units=2)
        before = figures(account)
        with pytest.raises(ValidationError):
            usage_settle(account_id=account.id, reservation_id=held.reservation_id, units=3)
        assert figures(account) == before

    @pytest.mark.req("EN-11")
    @pytest.mark.parametrize("close", [usage_settle, usage_release])
    def test_another_accounts_reservation_is_unknown(self, account_with, close):
        owner, stranger = account_with(day=3), account_with(day=3)
        held = usage_reserve(account_id=owner.id, metric="messages", units=2)
        before = figures(owner)
        for reservation_id in (held.reservation_id, uuid4()):
            with pytest.raises(NotFound):
                close(account_id=stranger.id, reservation_id=reservation_id)
        assert figures(owner) == before

    def test_an_overdue_reservation_frees_its_units_for_the_next_caller(self, account_with):
        account = account_with(day=2)
        held = usage_reserve(account_id=account.id, metric="messages", units=2)
        make_overdue(held)
        assert quota_status(account_id=account.id)[0].reserved == 0
        assert consume(account, 2).allowed
        assert Reservation.objects.get(pk=held.reservation_id).status == "expired"

    @pytest.mark.parametrize("close", [usage_settle, usage_release])
    def test_an_overdue_reservation_is_closed_whether_swept_or_not(self, account_with, close):
        account = account_with(day=2)
        held = usage_reserve(account_id=account.id, metric="messages", units=2)
        make_overdue(held)
        decision = close(account_id=account.id, reservation_id=held.reservation_id)
        assert decision.refusal == Refusal.RESERVATION_CLOSED
        assert figures(account) == ([("day", 0, 0)], 0, [], 0)

    def test_the_sweeper_expires_what_is_overdue_and_nothing_else(self, account_with):
        account = account_with(day=9)
        overdue = usage_reserve(account_id=account.id, metric="messages", units=2)
        usage_reserve(account_id=account.id, metric="messages", units=3)
        make_overdue(overdue)
        assert services.reservations_expire() == 1
        assert services.reservations_expire() == 0
        assert figures(account) == ([("day", 0, 3)], 0, [], 1)

    @pytest.mark.parametrize("ttl_s", [0, -1, 3601])
    def test_a_reservation_lasts_between_a_second_and_an_hour(self, account_with, ttl_s):
        account = account_with(day=9)
        with pytest.raises(ValidationError):
            usage_reserve(account_id=account.id, metric="messages", ttl_s=ttl_s)
        assert figures(account) == ([], 0, [], 0)


def make_overdue(decision):
    from datetime import timedelta

    row = Reservation.objects.get(pk=decision.reservation_id)
    Reservation.objects.filter(pk=row.pk).update(expires_at=row.decided_at - timedelta(seconds=1))


@pytest.mark.req("QU-3")
class TestThingsThatExist:
    def test_what_is_given_back_can_be_taken_again(self, account_with):
        account = account_with(capacity=2)
        take = lambda: usage_consume(account_id=account.id, metric="personas").allowed  # noqa: E731
        assert [take(), take(), take()] == [True, True, False]
        usage_give_back(account_id=account.id, metric="personas")
        assert [take(), take()] == [True, False]

    def test_it_can_be_given_back_after_the_right_has_ended(self, account_with):
        account = account_with(capacity=2)
        usage_consume(account_id=account.id, metric="personas")
        give(account)
        assert usage_give_back(account_id=account.id, metric="personas").allowed
        assert figures(account)[0] == [("capacity", 0, 0)]

    def test_more_than_there_is_cannot_be_given_back(self, account_with):
        account = account_with(capacity=2)
        usage_consume(account_id=account.id, metric="personas")
        before = figures(account)
        with pytest.raises(errors.InvalidQuotaState):
            usage_give_back(account_id=account.id, metric="personas", units=2)
        assert figures(account) == before


@pytest.mark.req("PC-4")
class TestChangesOfLimits:
    def test_a_raised_limit_holds_from_the_next_call_and_keeps_the_use(self, account_with):
        account = account_with(day=2)
        consume(account, 2)
        give(account, LimitSpec("messages", "day", 1000))
        bound = consume(account).deciding
        assert (bound.used, bound.limit, bound.remaining) == (3, 1000, 997)

    def test_a_limit_lowered_below_the_use_refuses_and_remaining_is_zero(self, account_with):
        account = account_with(day=100)
        consume(account, 60)
        give(account, LimitSpec("messages", "day", 50))
        refused = consume(account).deciding
        assert (refused.used, refused.limit, refused.remaining, refused.state) == (60, 50, 0, "reached")

    def test_what_was_reserved_under_the_higher_limit_can_still_be_settled(self, account_with):
        account = account_with(day=100)
        held = usage_reserve(account_id=account.id, metric="messages", units=60)
        give(account, LimitSpec("messages", "day", 50))
        assert usage_settle(account_id=account.id, reservation_id=held.reservation_id).allowed
        assert figures(account)[0] == [("day", 60, 0)]

    def test_a_new_window_starts_with_what_was_used_in_it_before(self, account_with):
        account = account_with(day=100)
        consume(account, 7)
        give(account, LimitSpec("messages", "day", 100), LimitSpec("messages", "month", 10))
        assert {b.window: b.used for b in quota_status(account_id=account.id)} == {"day": 7, "month": 7}
        assert consume(account, 3).allowed
        assert consume(account).deciding.window == "month"

    def test_a_new_window_whose_limit_is_used_up_already_refuses(self, account_with):
        account = account_with(day=100)
        consume(account, 7)
        give(account, LimitSpec("messages", "hour", 5))
        bound = consume(account).deciding
        assert (bound.used, bound.limit, bound.remaining) == (7, 5, 0)

    @pytest.mark.req("QU-14")
    def test_the_stronger_source_counts(self, account_with):
        account = account_with(day=1)
        give(account, LimitSpec("messages", "day", 3), source="override", ref="ticket 1")
        assert consume(account, 3).deciding.source == "override"
        give(account, source="override")
        assert consume(account).deciding.source == "default"

    def test_limits_announced_for_later_do_not_count_yet(self, account_with):
        from datetime import timedelta

        from common import clock
        from quotas.services import Phase, entitlements_replace

        account = account_with(day=1)
        now = clock.database_now()
        switch = now + timedelta(days=3)
        entitlements_replace(
            account_id=account.id,
            source="default",
            source_ref="t",
            timeline=[
                Phase(now, switch, (LimitSpec("messages", "day", 9),)),
                Phase(switch, None, (LimitSpec("messages", "day", 4),)),
            ],
            now=now,
        )
        assert consume(account).deciding.limit == 9


@pytest.mark.req("QU-4")
def test_the_database_refuses_a_counter_over_its_limit(account_with):
    account = account_with(day=5)
    consume(account, 5)
    bucket = Bucket.objects.filter(account=account)
    for wrong in ({"used_units": 6}, {"reserved_units": 1}, {"used_units": -1}, {"reserved_units": -1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            bucket.update(**wrong)


def test_every_accepted_operation_has_a_key(account_with):
    account = account_with(day=5)
    consume(account)
    consume(account, key="mine")
    assert OperationKey.objects.filter(account_id=account.id).count() == 2


def test_locked_counters_are_told_as_they_stand_in_order_of_their_ids(account_with):
    account = account_with(day=5, month=50)
    consume(account, 2)
    ids = sorted(Bucket.objects.filter(account=account).values_list("id", flat=True))
    limits = [Bucket.objects.get(pk=one).limit_units for one in ids]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT used, reserved, limits FROM quotas_lock_buckets(%s)", [[*reversed(ids)]])
        assert cursor.fetchone() == ([2, 2], [0, 0], limits)
        cursor.execute("SELECT cardinality(used) FROM quotas_lock_buckets(%s)", [[*ids, 0]])
        assert cursor.fetchone() == (2,), (
            "of a counter that is not there nothing is told, so that it is missed"
        )


@pytest.mark.parametrize("statement", [sql.CONSUME_ALL, sql.RESERVE_ALL, sql.SETTLE_ALL])
def test_how_to_send_the_quick_statements_is_remembered(statement):
    """psycopg works out a longer statement anew at every call."""
    assert len(statement) <= _queries.MAX_CACHED_STATEMENT_LENGTH
