"""Loaded before the settings are: what each test process needs of its own.

Redis has no cheap copy of a database as PostgreSQL has, so each process gets another of its numbered ones. And no
test process may reach beyond this machine: a call that slipped through fails here, with its address. And no test
begins so late in an hour that it would end in the next one.
"""

from __future__ import annotations

import ipaddress
import os
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")  # "gw0", "gw1", …; empty in the process that leads them


def _own_redis() -> None:
    if WORKER:
        number = int(WORKER.removeprefix("gw")) + 1
        os.environ["REDIS_URL"] = urlunsplit(urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{number}"))


def _allowed_hosts() -> set[str]:
    services = (urlsplit(os.environ.get(name, "")).hostname for name in ("DATABASE_URL", "REDIS_URL"))
    return {"localhost", *filter(None, services)}


def _close_network() -> None:
    allowed = _allowed_hosts()

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            host = arguments[0]
        elif event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        else:
            return
        if not (host is None or host in allowed or _is_loopback(host)):
            raise PermissionError(f"Tests may not reach {host}: only this machine.")

    sys.addaudithook(refuse)


def _is_loopback(host: str | bytes) -> bool:
    text = host.decode() if isinstance(host, bytes) else host
    try:
        return text == "" or ipaddress.ip_address(text.split("%")[0]).is_loopback
    except ValueError:
        return False


HOUR_S, DAY_S = 3_600, 86_400


def pause_s(at: float, *, slow: bool) -> float:
    """Seconds to wait at that instant (Unix time), so that the windows which a test counts in do not end during it.

    What is about that moment says so by an instant of its own; to all others it would happen once in weeks, unasked.
    Some look a minute ahead in a window of a day.
    """
    for window_s, needed_s in ((DAY_S, 120 if slow else 75), (HOUR_S, 30 if slow else 10)):
        left_s = window_s - at % window_s
        if left_s < needed_s:
            return left_s
    return 0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture: a transaction that was begun would go on telling the time at which it began."""
    slow = any(item.get_closest_marker(name) for name in ("slow", "browser"))
    time.sleep(pause_s(time.time(), slow=slow))


os.environ.setdefault("STATIC_MANIFEST", "0")  # nobody has run collectstatic
_own_redis()
_close_network()


@pytest.fixture(autouse=True)
def _language_of_the_settings() -> Iterator[None]:
    """A request leaves its language and its time zone on the thread, where the next test would read them.

    The server overwrites both at the next request's start, but a test that calls a service directly has no request.
    Undone before and after, so that a test's own `translation.override` around a request leaks nothing either.
    """
    _forget_language()
    yield
    _forget_language()


def _forget_language() -> None:
    from django.utils import timezone, translation

    translation.deactivate()
    timezone.deactivate()
