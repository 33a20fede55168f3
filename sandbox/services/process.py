"""Starting, watching and ending a service's process.

A process started here dies with us: the kernel sends it a signal when we end, even by SIGKILL. The kernel means the
*thread* that started it, so services are to be started from a thread that lives as long as they shall (the main one).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
PORT_PATIENCE_S = 3.0  # at a restart
# Below the range that the kernel hands to outgoing connections, so that none of them can take a port we chose.
FREE_PORTS = range(15_000, 32_000)
# Ports that we chose and that nobody may listen on yet: whoever asked for one does so seconds later.
_given: set[int] = set()

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ServiceError(RuntimeError):
    """A service that did not start or stop; the message says why and what to do."""


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: tuple[int, int] | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    umask: int = -1,
) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, its output appended to `log`.

    `user` is (uid, gid) to drop to; `death_signal` is what it gets when we die; a `umask` of -1 is ours. Ctrl-C in the terminal does not
    reach it: whoever started it decides the order in which things end.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            process_group=0,
            preexec_fn=die_with_parent(death_signal),  # noqa: PLW1509 - it only makes two system calls
            user=None if user is None else user[0],
            group=None if user is None else user[1],
            extra_groups=None if user is None else [],
            umask=umask,
        )


def follow_parent(death_signal: signal.Signals = signal.SIGTERM) -> None:
    """Let this very process get a signal when the one that started it ends (`make`, which somebody may kill)."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn`: the child gets this signal when we end, however."""
    parent = os.getpid()

    def hook() -> (
        None
    ):  # runs in the child, after its identity was dropped, which would have cleared the setting
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:  # it ended between fork and here
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def stop(process: subprocess.Popen[bytes], *signals: tuple[signal.Signals, float]) -> None:
    """Send each signal in turn until the process has ended, waiting the given seconds after each; last SIGKILL."""
    for sent, patience_s in signals:
        if process.poll() is not None:
            return
        process.send_signal(sent)
        wait_end(process, patience_s)
    if process.poll() is None:
        process.kill()
        process.wait()


def wait_end(process: subprocess.Popen[bytes], patience_s: float) -> bool:
    """Whether it ended within the time."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience_s)
    return process.poll() is not None


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the process and to all it started that stayed in its group (web workers outlive their master)."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_ready(
    name: str, process: subprocess.Popen[bytes], answers: Callable[[], bool], *, log: Path, timeout_s: float
) -> None:
    """Return once `answers()` is true. ServiceError, with the log's tail, when it ends first or takes too long."""
    deadline = time.monotonic() + timeout_s
    while not answers():
        if process.poll() is not None:
            raise ServiceError(f"{name} ended at once ({describe_exit(process.returncode)}).{log_tail(log)}")
        if time.monotonic() > deadline:
            stop(process, (signal.SIGINT, 5))
            raise ServiceError(f"{name} was not ready after {timeout_s:.0f} s.{log_tail(log)}")
        time.sleep(0.02)


def describe_exit(code: int) -> str:
    """An exit code in words: 'exit code 1', 'killed by SIGKILL'."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def log_tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, ready to stand after a message."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return ""
    return "".join(f"\n    {line}" for line in [f"End of {log}:", *text.splitlines()[-lines:]])


def port_is_free(port: int) -> bool:
    """Whether something could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A loopback port nobody listens on; to this process each is given once."""
    for port in random.sample(FREE_PORTS, 200):
        if port not in _given and port_is_free(port):
            _given.add(port)
            return port
    raise ServiceError(f"No free port among 200 tried between {FREE_PORTS.start} and {FREE_PORTS.stop}.")


def require_port(name: str, port: int, *, patience_s: float = 0) -> None:
    """ServiceError when somebody else still listens on `port` after `patience_s` (a killed process lets go late)."""
    deadline = time.monotonic() + patience_s
    while not port_is_free(port):
        if time.monotonic() < deadline:
            time.sleep(0.05)
            continue
        raise ServiceError(
            f"Port {port}, meant for {name}, is in use by another program: stop that one, or choose other ports."
        )
