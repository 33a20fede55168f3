"""SP-4's sides: the product's web server with two endpoints, and one HTTP client for both."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.children import Child
from sandbox.services import free_port

PROCESSES = 2
THREADS = 32
CONNECTIONS = 64
WARM_UP_S = 2.0
READY_TIMEOUT_S = 60.0


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
def open_server(*, environment: Mapping[str, str], log: Path) -> Iterator[int]:
    """Granian, `PROCESSES` × `THREADS`, as the product runs; yields its port."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(PROCESSES), "--blocking-threads", str(THREADS), "--log-level", "warning"),
        "config.wsgi:application",
    ]
    with log.open("a") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env=dict(environment))
    try:
        _wait_until_ready(server, port, log)
        yield port
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except urllib.error.URLError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the web server is not ready:\n{log.read_text()[-4000:]}") from error
        time.sleep(0.1)
