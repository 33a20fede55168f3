"""A promise is kept if and only if its transaction committed; once where it can be, at least once everywhere."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import connections, transaction

from common import broker, outbox
from common.models import OutboxMessage
from common.request_id import bound_request_id, current_request_id

pytestmark = [pytest.mark.req("CR-7", "NO-3")]

NOW = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
kept: list[tuple[int, str]] = []
failures: list[Exception] = []
pause: list[threading.Event] = []


def _keep(n: int) -> None:
    kept.append((n, current_request_id()))
    OutboxMessage.objects.filter(dedupe_key="effect").update(last_error=f"seen {n}")
    for event in pause:
        assert event.wait(20)
    if failures:
        raise failures.pop(0)


@outbox.outbox_task("common.tests.atomic")
def keep_atomic(*, n: int) -> None:
    _keep(n)


@outbox.outbox_task("common.tests.plain", atomic=False)
def keep_plain(*, n: int) -> None:
    _keep(n)


TASKS = ["common.tests.atomic", "common.tests.plain"]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    for each in (kept, failures, pause):
        each.clear()
    calls: list[tuple[str, int]] = []
    monkeypatch.setattr(broker, "send", lambda task, pk: calls.append((task, pk)) is None)
    return calls


def promised(task: str = TASKS[0], n: int = 1, **fields: Any) -> OutboxMessage:
    with transaction.atomic():
        outbox.promise(task, {"n": n}, now=NOW, **fields)
    return OutboxMessage.objects.latest("pk")


def test_sent_after_the_commit_with_the_request_id(committed_db: None, sent: list[Any]) -> None:
    with bound_request_id("request-1"), transaction.atomic():
        outbox.promise(TASKS[0], {"n": 1}, now=NOW)
        assert sent == []
    message = OutboxMessage.objects.get()
    assert sent == [(TASKS[0], message.pk)]
    assert outbox.run(message.pk, now=NOW) == "done"
    assert kept == [(1, "request-1")]


def test_rolled_back_promise_is_none(committed_db: None, sent: list[Any]) -> None:
    with transaction.atomic():
        outbox.promise(TASKS[0], {"n": 1}, now=NOW)
        transaction.set_rollback(True)
    assert (sent, OutboxMessage.objects.count()) == ([], 0)


def test_promise_needs_a_transaction(committed_db: None) -> None:
    with pytest.raises(AssertionError):
        outbox.promise(TASKS[0], {"n": 1}, now=NOW)


def test_a_send_that_breaks_is_logged_and_not_the_callers_failure(
    committed_db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(task: str, pk: int) -> bool:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(broker, "send", broken)
    message = promised()
    assert "send_promised" in caplog.text
    assert "unexpected" in caplog.text
    assert outbox.run(message.pk, now=NOW) == "done"


def test_dedupe_key_promises_once(committed_db: None, sent: list[Any]) -> None:
    promised(n=1, dedupe_key="mail:7")
    promised(n=2, dedupe_key="mail:7")
    assert outbox.run_due(now=NOW) == 1
    promised(n=3, dedupe_key="mail:7")
    assert outbox.run_due(now=NOW) == 0
    assert ([n for n, _ in kept], len(sent)) == ([1], 1)


def test_not_before_it_is_due(committed_db: None, sent: list[Any]) -> None:
    promised(due_at=NOW + timedelta(days=1))
    assert (sent, outbox.sweep(now=NOW), outbox.run_due(now=NOW), outbox.due_count(now=NOW)) == ([], 0, 0, 0)
    assert outbox.run_due(now=NOW + timedelta(days=1)) == 1


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.django_db
def test_kept_once(task: str) -> None:
    message = promised(task)
    assert [outbox.run(message.pk, now=NOW) for _ in range(3)] == ["done", "skipped", "skipped"]
    assert len(kept) == 1


@pytest.mark.parametrize(("task", "effect"), [(TASKS[0], ""), (TASKS[1], "seen 1")])
@pytest.mark.django_db
def test_failure_is_recorded_and_tried_later(task: str, effect: str) -> None:
    witness = promised(n=0, dedupe_key="effect", due_at=NOW + timedelta(days=9))
    message = promised(task)
    failures.append(ValueError("not today"))
    assert outbox.run(message.pk, now=NOW) == "failed"
    message.refresh_from_db()
    assert (message.attempts, message.last_error, message.done_at) == (1, "ValueError: not today", None)
    assert NOW < message.due_at <= NOW + outbox.FIRST_BACKOFF
    witness.refresh_from_db()
    assert witness.last_error == effect  # an atomic task's effect went with its failure
    assert outbox.run_due(now=NOW) == 0
    assert outbox.run_due(now=message.due_at) == 1


@pytest.mark.django_db
def test_parked_after_too_many_failures_and_back() -> None:
    message = promised()
    OutboxMessage.objects.update(attempts=outbox.MAX_ATTEMPTS - 1)
    failures.append(ValueError())
    assert outbox.run(message.pk, now=NOW) == "parked"
    assert outbox.run_due(now=NOW + timedelta(days=9)) == 0
    assert outbox.unpark(ids=[message.pk], now=NOW) == 1
    assert outbox.run_due(now=NOW) == 1


@pytest.mark.django_db
def test_what_kills_its_process_is_parked_too() -> None:
    message = promised()
    for _ in range(outbox.MAX_ATTEMPTS):
        assert outbox._claim(message.pk)
        OutboxMessage.objects.update(locked_until=datetime(2000, 1, 1, tzinfo=UTC))
    assert outbox.run(message.pk, now=NOW) == "skipped"
    assert outbox.park_exhausted(now=NOW) == 1


@pytest.mark.django_db
def test_unknown_task_fails_and_stays() -> None:
    assert outbox.run(promised("no.such.task").pk, now=NOW) == "failed"


@pytest.mark.django_db
def test_prune_keeps_keys() -> None:
    promised()
    promised(dedupe_key="for ever")
    outbox.run_due(now=NOW)
    assert outbox.prune(before=NOW + timedelta(seconds=1)) == 1
    assert OutboxMessage.objects.get().dedupe_key == "for ever"


def test_sweep_sends_what_the_broker_missed_and_not_what_it_has(
    committed_db: None, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "send", lambda task, pk: False)
    missed = promised()
    monkeypatch.setattr(broker, "send", lambda task, pk: sent.append((task, pk)) is None)
    promised(n=2)
    sent.clear()
    assert outbox.sweep(now=NOW) == 1
    assert sent == [(TASKS[0], missed.pk)]
    assert outbox.sweep(now=NOW) == 0


@pytest.mark.parametrize("task", TASKS)
def test_sixteen_workers_keep_it_once(committed_db: None, task: str) -> None:
    message = promised(task)
    opened = threading.Event()
    pause.append(opened)
    barrier = threading.Barrier(16, action=opened.set)

    def work() -> str:
        try:
            barrier.wait(20)
            return outbox.run(message.pk, now=NOW)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        outcomes = [future.result(60) for future in [pool.submit(work) for _ in range(16)]]
    assert sorted(outcomes) == ["done"] + ["skipped"] * 15
    assert len(kept) == 1


def test_overtaken_atomic_run_has_no_effect(committed_db: None) -> None:
    """The lease ran out while a run was held up before its transaction; another one was quicker."""
    message = promised()
    claimed = outbox._claim(message.pk)
    assert claimed is not None
    OutboxMessage.objects.update(locked_until=datetime(2000, 1, 1, tzinfo=UTC))
    assert outbox.run(message.pk, now=NOW) == "done"
    assert outbox._run_claimed(claimed, NOW) == "skipped"
    assert len(kept) == 1


@pytest.fixture
def real_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.undo()
    cached = broker._producers
    cached.cache_clear()
    broker._breaker.reset()
    yield
    cached.cache_clear()
    broker._breaker.reset()


def test_broker_takes_it(sent: None, real_broker: None, redis_queue: Any) -> None:
    assert broker.send(TASKS[0], 7)
    assert redis_queue() == 1


@pytest.fixture
def redis_queue() -> Iterator[Any]:
    import redis
    from django.conf import settings

    client = redis.Redis.from_url(settings.CELERY_BROKER_URL)
    client.delete(settings.CELERY_TASK_DEFAULT_QUEUE)
    yield lambda: client.llen(settings.CELERY_TASK_DEFAULT_QUEUE)
    client.delete(settings.CELERY_TASK_DEFAULT_QUEUE)
    client.close()


@pytest.mark.parametrize("kind", ["refuses", "is silent"])
def test_broker_that_is_away_costs_one_short_wait(
    kind: str, sent: None, real_broker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if kind == "is silent":
            listener.listen()
        monkeypatch.setattr(
            current_app.conf, "broker_write_url", f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        )
        assert not broker.send(TASKS[0], 7)
        attempts: list[Any] = []
        monkeypatch.setattr(broker, "_producers", attempts.append)
        assert not broker.send(TASKS[0], 8)
        assert attempts == []  # the second did not even try
