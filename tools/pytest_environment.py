"""Loaded before the settings are: what each test process needs of its own.

Redis has no cheap copy of a database as PostgreSQL has, so each process gets another of its numbered ones. And no
test process may reach beyond this machine: a call that slipped through fails here, with its address.
"""

from __future__ import annotations

import ipaddress
import os
import sys
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
