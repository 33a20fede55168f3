"""What happens at the same time, and what happens when something breaks in the middle."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from django.db import connection, connections

from quotas import errors, services
from quotas.engine import careful, runner
from quotas.engine.combiner import Combiner
from quotas.engine.connection import connect
from quotas.engine.runner import BatchRunner
from quotas.models import Bucket, UsageRecord
from quotas.services import LimitSpec, usage_consume, usage_reserve, usage_settle
from quotas.tests.conftest import give

CALLERS = 32


def at_once(count, work):
    """`work(i)` in `count` threads that start together; results or exceptions in order."""
    barrier = threading.Barrier(count)

    def run(i):
        barrier.wait(60)
        try:
            return work(i)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


class Process:
    """A meter of its own, as another process has one."""

    def __init__(self, connector=connect):
        self.runner = BatchRunner(connector)
        self.combiner = Combiner(self.runner.run)

    def submit(self, operation):
        return self.combiner.submit(operation)


@pytest.fixture
def processes(monkeypatch):
    """Two meters that callers are spread over, as over two web processes."""
    both = [Process(), Process()]
    chosen = threading.local()

    class Spread:
        def submit(self, operation):
            return both[getattr(chosen, "index", 0)].submit(operation)

    monkeypatch.setattr(services, "meter", Spread())
    yield lambda i: setattr(chosen, "index", i % 2)
    for process in both:
        process.runner.close()


def used(account):
    bucket = Bucket.objects.get(account=account, window="day")
    return bucket.used_units, UsageRecord.objects.filter(account_id=account.id).count()


@pytest.mark.req("QU-2", "QU-6")
def test_many_callers_in_two_processes_get_exactly_the_limit(account_with, processes):
    account = account_with(day=100, month=1000)
    catalog_warm = usage_consume(account_id=account.id, metric="messages")
    assert catalog_warm.allowed

    def call(i):
        processes(i)
        return [usage_consume(account_id=account.id, metric="messages").allowed for _ in range(10)]

    allowed = sum(sum(each) for each in at_once(CALLERS, call))
    assert allowed == 99
    assert used(account) == (100, 100)


@pytest.mark.req("QU-7", "PC-6")
def test_one_key_from_many_callers_in_two_processes_counts_once(account_with, processes):
    account = account_with(day=100)

    def call(i):
        processes(i)
        return usage_consume(account_id=account.id, metric="messages", units=3, key="same")

    decisions = at_once(CALLERS, call)
    assert {d.record_id for d in decisions} == {UsageRecord.objects.get(account_id=account.id).id}
    assert {tuple(d.bounds) for d in decisions} == {tuple(decisions[0].bounds)}
    assert sum(not d.replayed for d in decisions) == 1
    assert used(account) == (3, 1)


@pytest.mark.req("QU-7")
def test_one_key_on_two_metrics_at_once_is_one_operation_and_one_error(account_with, processes):
    account = account_with(LimitSpec("exports", "day", 9), day=9)

    def call(i):
        processes(i)
        return usage_consume(account_id=account.id, metric=("messages", "exports")[i % 2], key="same")

    outcomes = at_once(8, call)
    assert sum(type(o).__name__ == "IdempotencyKeyReused" for o in outcomes) == 4
    assert UsageRecord.objects.filter(account_id=account.id).count() == 1


@pytest.mark.req("QU-1")
def test_many_settle_one_reservation_and_it_counts_once(account_with, processes):
    account = account_with(day=100)
    held = usage_reserve(account_id=account.id, metric="messages", units=5)

    def call(i):
        processes(i)
        return usage_settle(account_id=account.id, reservation_id=held.reservation_id, metric="messages")

    decisions = at_once(8, call)
    assert sum(d.allowed for d in decisions) == 1
    assert used(account) == (5, 1)


@pytest.mark.req("QU-3", "PC-4")
@pytest.mark.parametrize(
    "kind", [services.Kind.CONSUME, services.Kind.RESERVE], ids=["quick path", "careful path"]
)
def test_a_call_under_way_when_a_new_limit_comes_is_counted_in_it(account_with, kind):
    """The rival holds another account's bucket that the same batch needs first.

    So the batch has read the old limits of `account`, and comes to its bucket only after they were changed and the
    new limit's counter was made.
    """
    other, account = account_with(day=100), account_with(day=100)
    for each in (other, account):
        usage_consume(account_id=each.id, metric="messages")
    process = Process()
    batch = [operation(kind, other, ttl_s=60), operation(kind, account, ttl_s=60)]
    with connect() as rival, ThreadPoolExecutor(1) as pool:
        with rival.transaction():
            rival.execute("SELECT 1 FROM quotas_bucket WHERE account_id = %s FOR UPDATE", (other.id,))
            under_way = pool.submit(process.runner.run, batch)
            wait_until_blocked()
            give(account, LimitSpec("messages", "day", 100), LimitSpec("messages", "month", 100))
            assert usage_consume(account_id=account.id, metric="messages").allowed
        assert all(decision.allowed for decision in under_way.result(60))
    process.runner.close()
    taken = {
        bucket.window: bucket.used_units + bucket.reserved_units
        for bucket in Bucket.objects.filter(account=account)
    }
    assert taken == {"day": 3, "month": 3}


def operation(kind, account, metric="messages", **more):
    if kind == services.Kind.SETTLE:
        return services.Operation(
            kind, account.id, metric=metric, metric_id=services.metric_id(metric), key=uuid4(), **more
        )
    return services._operation(
        kind,
        account_id=account.id,
        metric=metric,
        **({"units": 1, "key": None, "credential_id": None, "subject": "", "request_id": ""} | more),
    )


BLOCKED = """
SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND datname = current_database()
"""


def wait_until_blocked(count=1):
    """Until `count` sessions of this database wait for a lock: of another, other tests run at the same time."""
    pause = threading.Event()
    for _ in range(2000):
        with connection.cursor() as cursor:
            cursor.execute(BLOCKED)
            if cursor.fetchone()[0] >= count:
                return
        pause.wait(0.005)
    raise AssertionError("nobody waits")


class Cut:
    """A connection that is lost at one chosen statement: before it is done, or after, its answer unheard."""

    def __init__(self, real, name, *, after):
        self._real, self._name, self._after = real, name, after

    def __getattr__(self, attribute):
        return getattr(self._real, attribute)

    def execute(self, query, *args, **kwargs):
        if self._name not in str(query):
            return self._real.execute(query, *args, **kwargs)
        if self._after:
            self._real.execute(query, *args, **kwargs)
        self._real.close()
        raise psycopg.OperationalError("connection lost")


@pytest.mark.req("QU-6")
@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("key", [None, "mine"])
def test_a_lost_connection_counts_once(account_with, monkeypatch, after, key):
    """The answer of the one statement that commits is lost: the key tells whether it was done."""
    account = account_with(day=100)
    usage_consume(account_id=account.id, metric="messages")
    cuts = iter([lambda c: Cut(c, "INSERT INTO quotas_usagerecord", after=after)])
    process = Process(lambda: next(cuts, lambda c: c)(connect()))
    monkeypatch.setattr(services, "meter", process)
    decision = usage_consume(account_id=account.id, metric="messages", units=2, key=key)
    process.runner.close()
    assert decision.allowed
    assert used(account) == (3, 2)


@pytest.mark.req("QU-6", "QU-1")
@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("lost", ["INSERT INTO quotas_reservation", "UPDATE quotas_reservation"])
def test_a_metered_call_whose_connection_is_lost_counts_once(account_with, monkeypatch, after, lost):
    """Reserving, or settling: the one statement is done or not when the connection goes."""
    account = account_with(day=100)
    usage_consume(account_id=account.id, metric="messages")
    cuts = iter([lambda c: Cut(c, lost, after=after)])
    process = Process(lambda: next(cuts, lambda c: c)(connect()))
    monkeypatch.setattr(services, "meter", process)
    held = usage_reserve(account_id=account.id, metric="messages", units=2)
    settled = usage_settle(account_id=account.id, reservation_id=held.reservation_id, metric="messages")
    process.runner.close()
    assert (held.allowed, settled.allowed, settled.units) == (True, True, 2)
    assert settled.deciding.used == 3
    assert used(account) == (3, 2)
    assert Bucket.objects.get(account=account).reserved_units == 0


@pytest.mark.req("QU-6")
@pytest.mark.parametrize("units", [None, 1], ids=["all", "some"])
def test_a_commit_whose_answer_is_lost_counts_once_on_the_careful_path(account_with, monkeypatch, units):
    account = account_with(day=100)
    losses = iter([True, False, True])
    real_decide = careful.decide_carefully

    def decide(connection, operations, allocate):
        outcomes = real_decide(connection, operations, allocate)
        if next(losses, False):
            connection.close()
            raise psycopg.OperationalError("connection lost after COMMIT")
        return outcomes

    monkeypatch.setattr(runner, "decide_carefully", decide)
    monkeypatch.setattr(runner.quick, "PATHS", {})
    held = usage_reserve(account_id=account.id, metric="messages", units=2)
    assert held.allowed
    assert Bucket.objects.get(account=account).reserved_units == 2
    settled = usage_settle(
        account_id=account.id, reservation_id=held.reservation_id, metric="messages", units=units
    )
    assert settled.allowed
    assert used(account) == (units or 2, 1)
    assert next(losses, None) is None, "both losses were had"


def test_when_the_database_is_away_the_caller_hears_so_and_nothing_is_counted(account_with, monkeypatch):
    account = account_with(day=100)
    before = used_or_none(account)

    def away():
        raise psycopg.OperationalError("no server")

    monkeypatch.setattr(runner, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(services, "meter", Process(away))
    with pytest.raises(errors.MeterUnavailable) as caught:
        usage_consume(account_id=account.id, metric="messages")
    assert caught.value.status == 503
    assert used_or_none(account) == before


def used_or_none(account):
    return list(Bucket.objects.filter(account=account).values_list("used_units", flat=True))


@pytest.mark.req("QU-4")
@pytest.mark.broken_books
def test_one_wrong_counter_fails_its_own_caller_only(account_with, monkeypatch):
    """A bucket damaged by hand: its caller is told, its neighbours in the batch are served."""
    sound, damaged = account_with(capacity=5), account_with(capacity=5)
    for account in (sound, damaged):
        usage_consume(account_id=account.id, metric="personas")
    Bucket.objects.filter(account=damaged).update(used_units=0)
    good, bad = (operation(services.Kind.GIVE_BACK, account, "personas") for account in (sound, damaged))
    process = Process()
    outcomes = process.runner.run([bad, good])
    process.runner.close()
    assert isinstance(outcomes[0], errors.InvalidQuotaState)
    assert outcomes[1].allowed
    assert Bucket.objects.get(account=sound).used_units == 0
