"""A closed-loop HTTP load: `python -m bench.http_load ORDER`. Each connection sends its next request on its answer.

One process and one epoll loop, no threads, nothing parsed but the status and the length: it shares the machine with
what it measures, so it has to cost little, and the same to both sides. It ends at its deadline whatever happens.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

ANSWER_TIMEOUT_S = 30.0
RECEIVE_BYTES = 65_536
OK = b"HTTP/1.1 200 "


class LoadError(RuntimeError):
    """An answer other than 200, a connection lost, or no answer in time."""


@dataclass
class Connection:
    """One keep-alive connection; `received` is the part of an answer that came so far."""

    socket: socket.socket
    received: bytes = b""


def run(*, port: int, requests: list[bytes], seconds: float, start_at: float) -> dict[str, Any]:
    """One connection for each of `requests`, each sending its own again and again: answers and seconds."""
    selector = selectors.DefaultSelector()
    connections = [Connection(socket.create_connection(("127.0.0.1", port))) for _ in requests]
    try:
        for connection, request in zip(connections, requests, strict=True):
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection.socket, selectors.EVENT_READ, (connection, request))
        time.sleep(max(0.0, start_at - time.monotonic()))
        return _drive(selector, seconds)
    finally:
        for connection in connections:
            connection.socket.close()
        selector.close()


def _drive(selector: selectors.BaseSelector, seconds: float) -> dict[str, Any]:
    started_at = time.monotonic()
    stop_at = started_at + seconds
    for key in list(selector.get_map().values()):
        connection, request = key.data
        connection.socket.sendall(request)
    answered, open_requests = 0, len(selector.get_map())
    while open_requests:
        ready = selector.select(ANSWER_TIMEOUT_S)
        if not ready:
            raise LoadError(f"{open_requests} requests have no answer after {ANSWER_TIMEOUT_S:.0f} s")
        for key, _ in ready:
            connection, request = key.data
            if not _receive(connection):
                continue
            answered += 1
            if time.monotonic() < stop_at:
                connection.socket.sendall(request)
            else:
                open_requests -= 1
    return {"answered": answered, "seconds": time.monotonic() - started_at}


def _receive(connection: Connection) -> bool:
    """Whether a whole answer is there now; then it is taken off."""
    chunk = connection.socket.recv(RECEIVE_BYTES)
    if not chunk:
        raise LoadError("the server closed a connection")
    connection.received += chunk
    head_end = connection.received.find(b"\r\n\r\n")
    if head_end < 0:
        return False
    head = connection.received[:head_end]
    if not head.startswith(OK):
        raise LoadError(f"unexpected answer: {connection.received[:500]!r}")
    length = _content_length(head)
    if len(connection.received) < head_end + 4 + length:
        return False
    connection.received = b""  # requests are not pipelined, so nothing can follow
    return True


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise LoadError(f"an answer without Content-Length: {head!r}")


def main(order: dict[str, Any]) -> None:
    requests = [request.encode() for request in order["requests"]]
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = run(port=order["port"], requests=requests, **command)
        except (LoadError, OSError) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
