"""SP-4's sides: the product's web server with two endpoints, and one HTTP client for both."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.children import Child
from bench.stage import Stage
from sandbox.programs import Programs
from sandbox.services import free_port

PLAIN_PATH, METERED_PATH = "/v1/bench/plain", "/v1/bench/metered"
CONNECTIONS = 64
WARM_UP_S = 2.0


class HttpSide:
    """`GET path`, `CONNECTIONS` callers each waiting for its answer. `answered` counts all of them, warm-up included."""

    def __init__(
        self,
        name: str,
        *,
        path: str,
        port: int,
        token: str,
        stack: ExitStack,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self.name = name
        self.answered = 0
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            "Accept: application/json\r\n\r\n"
        )
        order = {"port": port, "requests": [request] * CONNECTIONS}
        self._client = Child("bench.http_load", order, environment=environment, log=log)
        stack.callback(self._client.close)

    def warm_up(self) -> None:
        self.measure(WARM_UP_S)

    def measure(self, seconds: float) -> float:
        self._client.tell({"seconds": seconds, "start_at": time.monotonic()})
        answer = self._client.answer()
        self.answered += answer["answered"]
        return float(answer["answered"] / answer["seconds"])


@contextmanager
def open_server(stage: Stage) -> Iterator[int]:
    """The product's web server as the product starts it, with SP-4's endpoints; yields its port."""
    port = free_port()
    server = Programs(stage.environment, stage.directory).web(port)
    server.start()
    try:
        yield port
    finally:
        server.stop()
