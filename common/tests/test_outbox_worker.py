"""From the commit to the effect through a real broker and Celery's own worker."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import current_app
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from django.db import connections, transaction

from common import broker, outbox, tasks
from common.models import OutboxMessage

pytestmark = pytest.mark.req("CR-7", "NO-3")

effects: list[int] = []
happened = threading.Event()


@outbox.outbox_task("common.tests.through_the_worker")
def through_the_worker(*, n: int) -> None:
    effects.append(n)
    happened.set()


@pytest.fixture
def worker(committed_db: None) -> Iterator[None]:
    effects.clear()
    happened.clear()
    broker._breaker.reset()
    broker._producers.cache_clear()
    app: Any = current_app._get_current_object()  # type: ignore[attr-defined]
    app.conf.broker_url = settings.CELERY_BROKER_URL
    with start_worker(
        app,
        perform_ping_check=False,
        pool="solo",
        queues=[settings.CELERY_TASK_DEFAULT_QUEUE],
        shutdown_timeout=60,
    ):
        yield
    broker._producers.cache_clear()
    connections.close_all()


def test_a_promise_is_kept_promptly(worker: None) -> None:
    with transaction.atomic():
        outbox.promise("common.tests.through_the_worker", {"n": 7}, now=datetime.now(UTC))
    assert happened.wait(20)
    assert effects == [7]


def test_what_the_broker_missed_is_found_by_beat(worker: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as away:
        away.setattr(broker, "send", lambda *_: False)
        with transaction.atomic():
            outbox.promise("common.tests.through_the_worker", {"n": 8}, now=datetime.now(UTC))
    assert OutboxMessage.objects.get().sent_at is None
    tasks.outbox_sweep()
    assert happened.wait(20)
    assert effects == [8]
