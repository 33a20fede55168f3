"""The id that ties an answer, its log lines, its audit entries and the work it promised together."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog

HEADER = "X-Request-Id"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """The id of the request or task that runs now; empty outside of both."""
    return _current.get()


def request_id_from(inbound: str | None) -> str:
    """The caller's own id when it has the accepted form, else a new one."""
    if inbound and _ACCEPTED.fullmatch(inbound):
        return inbound
    return uuid.uuid4().hex


@contextmanager
def bound_request_id(request_id: str) -> Iterator[str]:
    """Make `request_id` the current one, in the logs too."""
    token = _current.set(request_id)
    try:
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            yield request_id
    finally:
        _current.reset(token)
