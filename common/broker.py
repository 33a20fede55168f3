"""Handing tasks to Celery's broker from a request: quickly, or not at all.

The outbox makes sure that nothing is lost, so a broker that does not answer costs at most a fraction of a second,
and then nothing for a while: attempts pause for PAUSE_S.
"""

import os
from functools import cache
from typing import Any

import structlog
from celery import current_app
from kombu.exceptions import KombuError
from kombu.pools import producers
from redis.exceptions import RedisError

from common.breaker import Breaker
from common.metrics import broker_failures_total

logger = structlog.get_logger(__name__)

TIMEOUT_S = 0.5
PAUSE_S = 5.0
OPTIONS = {"max_retries": 0, "socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}


_breaker = Breaker(PAUSE_S)


@cache
def _producers(pid: int) -> Any:  # noqa: ARG001 - connections must not be shared with a forked process
    return producers[current_app.connection_for_write(transport_options=OPTIONS)]


def send(task: str, *args: Any) -> bool:
    """Send, or say that it could not be done now."""
    if _breaker.is_open:
        return False
    try:
        with _producers(os.getpid()).acquire(block=True, timeout=TIMEOUT_S) as producer:
            current_app.send_task(task, args=args, producer=producer, retry=False, ignore_result=True)
    except (KombuError, RedisError, OSError) as error:
        _breaker.trip()
        broker_failures_total.inc()
        logger.warning("broker_unreachable", task=task, error=type(error).__name__)
        return False
    return True
