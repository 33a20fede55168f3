"""The HTTP server, as a process or inside a test."""

import json
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from waitress import wasyncore
from waitress.server import create_server
from werkzeug.wrappers import Request, Response

from sandbox.stripe import controls, resources
from sandbox.stripe.api import Api
from sandbox.stripe.clock import Clock, MemoryShift, PostgresShift
from sandbox.stripe.core import Core
from sandbox.stripe.pages import Pages
from sandbox.stripe.store import Store

THREADS = 24
DEFAULT_KEY = "sk_test_palier0000000000000000000000"
DEFAULT_PUBLISHABLE_KEY = "pk_test_palier0000000000000000000000"

__all__ = ["DEFAULT_KEY", "StripeStandIn", "resources"]


class Application:
    """Routes between the API, the sandbox controls and the pages."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._api = Api(core)
        self._pages = Pages(core)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        answered: Iterable[bytes] = self._respond(request)(environ, start_response)
        return answered

    def _respond(self, request: Request) -> Response:
        if request.path.startswith("/v1/"):
            return self._api(request)
        if request.path.startswith("/_sandbox/"):
            status, body = controls.answer(self._core, request)
            return Response(json.dumps(body), status, content_type="application/json")
        return self._pages(request)


class StripeStandIn:
    """A running stand-in: `with StripeStandIn() as stripe: StripeClient(stripe.secret_key, base_addresses={"api":
    stripe.url})`. Binds a free port of 127.0.0.1 unless told otherwise."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        secret_key: str = DEFAULT_KEY,
        publishable_key: str = DEFAULT_PUBLISHABLE_KEY,
        state: Path | None = None,
        clock_dsn: str | None = None,
        seed: str | None = None,
    ) -> None:
        shift = PostgresShift(clock_dsn) if clock_dsn else MemoryShift()
        self.secret_key = secret_key
        self.publishable_key = publishable_key
        self.core = Core(
            secret_key=secret_key,
            publishable_key=publishable_key,
            clock=Clock(shift),
            store=Store(state),
            seed=seed,
        )
        self._sockets: dict[int, Any] = {}
        self._server = create_server(
            Application(self.core),
            host=host,
            port=port,
            threads=THREADS,
            clear_untrusted_proxy_headers=True,
            map=self._sockets,
        )
        self.url = f"http://{host}:{self._server.effective_port}"
        self.core.base_url = self.url
        self._thread = threading.Thread(target=self._server.run, name="stripe-http", daemon=True)

    def start(self) -> None:
        self.core.start()
        self._thread.start()

    def stop(self) -> None:
        self.core.stop()
        # The threads that answer go first: one that has just answered still writes to the server's pipe, and by then the
        # pipe's number could be another file's, of a stand-in that starts.
        self._server.task_dispatcher.shutdown()
        self._server.trigger.pull_trigger(lambda: wasyncore.close_all(self._sockets))
        self._thread.join(5)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
