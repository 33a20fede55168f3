"""Whether what was asked of Stripe can have had an effect. It certainly had none where nothing but reads and previews got
there, or where each write was refused before anything was done.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus

import requests
import stripe
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

PREVIEW = "/create_preview"
REFUSALS = range(400, 500)


@dataclass
class Effects:
    """`possible` False: what was asked since the watch began has certainly changed nothing at Stripe."""

    possible: bool = False


_watch: ContextVar[Effects | None] = ContextVar("effects", default=None)


@contextmanager
def effects_watched() -> Iterator[Effects]:
    """Watches the calls of this block, their repetitions too. Read it after the block, or in its `except`."""
    watch = Effects()
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


def effect_noted(
    method: str, url: str, *, status: int | None = None, error: stripe.APIConnectionError | None = None
) -> None:
    """One attempt: how it was answered, or why it was not."""
    watch = _watch.get()
    if watch is None or method.upper() == "GET" or url.partition("?")[0].endswith(PREVIEW):
        return
    if status is not None:
        # A conflict under one key may be with an earlier try of the same call.
        is_refused = status in REFUSALS and status != HTTPStatus.CONFLICT
        watch.possible = watch.possible or not is_refused
    elif error is not None:
        watch.possible = watch.possible or not _never_sent(error)


def _never_sent(error: stripe.APIConnectionError) -> bool:
    """No connection came about, so nothing was asked."""
    cause = error.__cause__
    if isinstance(cause, requests.exceptions.ConnectTimeout):
        return True
    if not isinstance(cause, requests.exceptions.ConnectionError) or not cause.args:
        return False
    failed = cause.args[0]
    return isinstance(failed, MaxRetryError) and isinstance(
        failed.reason, NewConnectionError | ConnectTimeoutError
    )
