"""A real process, killed with SIGKILL at a chosen step of what it does. A step is a write that becomes visible: a commit
of the database, or a call that changes something at Stripe; one lies before it and one after it.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from billing.gateways import client
from quotas.engine.meter import meter

LONGEST_S = 60
STRIPE_ID = re.compile(r"\b[a-z]{2,5}_\w+")
WRITES = ("INSERT", "UPDATE", "DELETE")


class Steps:
    """Counts the steps of this process, and kills it at the chosen one."""

    def __init__(self, kill_at: int | None, said: int) -> None:
        self._kill_at, self._said, self._count = kill_at, said, 0

    def around(self, name: str, act: Callable[[], Any]) -> Any:
        self._pass(f"before {name}")
        done = act()
        self._pass(f"after {name}")
        return done

    def _pass(self, name: str) -> None:
        os.write(self._said, f"{name}\n".encode())
        if self._count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self._count += 1

    def watch(self) -> None:
        """From now on, in this process only."""
        commit, request = BaseDatabaseWrapper._commit, client.PatientHttpClient.request

        def watched_commit(self_: Any) -> None:
            self.around("a commit", lambda: commit(self_))

        def watched_request(self_: Any, method: str, url: str, *more: Any, **named: Any) -> Any:
            if method.upper() == "GET":
                return request(self_, method, url, *more, **named)
            name = f"{method.upper()} {STRIPE_ID.sub('…', url.partition('/v1/')[2])}"
            return self.around(name, lambda: request(self_, method, url, *more, **named))

        def watched_write(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
            if connection.in_atomic_block or not str(sql).lstrip().upper().startswith(WRITES):
                return execute(sql, params, many, context)
            name = " ".join(str(sql).split()[:3])
            return self.around(name, lambda: execute(sql, params, many, context))

        BaseDatabaseWrapper._commit = watched_commit  # type: ignore[method-assign]
        client.PatientHttpClient.request = watched_request  # type: ignore[method-assign]
        connection.execute_wrappers.append(watched_write)


def run_killed(work: Callable[[], Any], *, kill_at: int | None) -> list[str]:
    """Does `work` in a process of its own, which is killed at that step (None: never). The steps that it came to.

    AssertionError when it ended otherwise: by an error of its own, or by hanging.
    """
    meter.close()
    connections.close_all()  # a connection cannot be shared with another process
    listening, said = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(listening)
        _child(work, kill_at, said)
    os.close(said)
    with os.fdopen(listening) as told:
        steps = told.read().splitlines()
    status = os.waitpid(pid, 0)[1]
    ended = -signal.SIGKILL if kill_at is not None else 0
    assert os.waitstatus_to_exitcode(status) == ended, f"it ended with {status} after {steps[-3:]}"
    return steps


def _child(work: Callable[[], Any], kill_at: int | None, said: int) -> None:
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LONGEST_S)
        client._client.cache_clear()
        Steps(kill_at, said).watch()
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - said; then this process ends, whatever it was
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(code)
