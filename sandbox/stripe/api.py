"""One API call: authentication, idempotency, faults, parameters, the handler, the answer."""

import base64
import json
import socket
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map
from werkzeug.wrappers import Request, Response

from sandbox.stripe import browser, idempotency
from sandbox.stripe import params as parameters
from sandbox.stripe.core import Core
from sandbox.stripe.engine import clocks
from sandbox.stripe.errors import InvalidParams, StripeError, from_http
from sandbox.stripe.events import API_VERSION
from sandbox.stripe.faults import Fault
from sandbox.stripe.render import expand, render
from sandbox.stripe.requestlog import redacted
from sandbox.stripe.routing import Route, url_map
from sandbox.stripe.store import Tx, copied


class Answer:
    """A status and a JSON body, with what the request log wants to know."""

    def __init__(
        self, status: int, body: Any, *, replayed_from: str | None = None, stored: bool = True
    ) -> None:
        self.status = status
        self.body = body
        self.replayed_from = replayed_from
        self.stored = stored

    @classmethod
    def of(cls, error: StripeError) -> "Answer":
        return cls(error.status, {"error": error.body}, stored=error.stored)


@dataclass(frozen=True)
class Call:
    route: Route
    args: dict[str, Any]
    given: dict[str, Any]
    request_id: str
    key: str | None
    print_: str  # of the request, for its key
    fails_after: bool
    by_browser: bool  # with the publishable key


class Api:
    def __init__(self, core: Core) -> None:
        self.core = core
        self._map: Map = url_map()

    def __call__(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return browser.preflight()
        request_id = f"req_{self.core.ids.token(14)}"
        fault = self.core.faults.take(request.method, request.path)
        answer = self._faulty(request, fault, request_id)
        self._log(request, answer, fault, request_id)
        if fault is not None and fault.effect == "drop_after":
            return Dropped(request)
        response = self._response(request, answer, request_id)
        return spoilt(response, fault.effect) if fault is not None else response

    def _faulty(self, request: Request, fault: Fault | None, request_id: str) -> Answer:
        effect = fault.effect if fault else None
        if effect == "rate_limit":
            return Answer.of(
                InvalidParams("Too many requests. Please try again later.", status=429, code="rate_limit")
            )
        if effect == "error_before":
            return Answer.of(InvalidParams("An unknown error occurred.", status=500, kind="api_error"))
        try:
            return self._answer(request, fault, request_id)
        except StripeError as error:
            return Answer.of(error)
        except Exception:  # noqa: BLE001 - a defect of the stand-in: nothing of the request stands, and it is told
            print(traceback.format_exc(), flush=True)
            message = "The stand-in failed on this request; its log says where."
            return Answer.of(InvalidParams(message, status=500, kind="api_error"))

    # Running -----------------------------------------------------------------------------------------------------

    def _answer(self, request: Request, fault: Fault | None, request_id: str) -> Answer:
        by_browser = self._authenticate(request) == self.core.publishable_key
        if by_browser:
            browser.refuse_unless_allowed(request.method, request.path)
        route, args = self._route(request)
        given = parameters.decode_form(self._pairs(request))
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        print_ = idempotency.fingerprint(request.method, request.path, given) if key else ""
        call = Call(
            route,
            args,
            given,
            request_id,
            key,
            print_,
            fails_after=bool(fault and fault.effect == "error_after"),
            by_browser=by_browser,
        )
        if key is not None:
            self.core.in_progress.enter(key)
        try:
            if fault is not None and fault.delay_s:
                time.sleep(fault.delay_s)
            with self.core.lock:
                return self._replayed(call) or self._run(call)
        finally:
            if key is not None:
                self.core.in_progress.leave(key)

    def _replayed(self, call: Call) -> Answer | None:
        if call.key is None:
            return None
        kept = idempotency.kept_answer(self.core.begin(), call.key, call.print_)
        return Answer(kept["status"], kept["body"], replayed_from=kept["request"]) if kept else None

    def _run(self, call: Call) -> Answer:
        """One unit of work: what the call changes, and its answer kept for its key, stand or fall together."""
        core = self.core
        core.run_due()
        tx = core.begin(request_id=call.request_id, key=call.key)
        try:
            answer = Answer(200, self._call(tx, call))
            keep = not tx.discard
        except StripeError as error:
            answer, keep = Answer.of(error), error.keep
            self._render_errors(tx, answer.body["error"])
            if call.by_browser:
                answer.body["error"] = browser.reduced_error(answer.body["error"])
        if call.fails_after:
            answer = Answer(500, {"error": {"message": "An unknown error occurred.", "type": "api_error"}})
        if not keep:
            tx = core.begin(request_id=call.request_id, key=call.key)
        if call.key is not None and answer.stored:
            idempotency.keep_answer(
                tx,
                call.key,
                call.print_,
                status=answer.status,
                body=answer.body,
                request_id=call.request_id,
            )
        core.commit(tx)
        return answer

    def _call(self, tx: Tx, call: Call) -> Any:
        paths = call.given.get("expand", {})
        given = {name: value for name, value in call.given.items() if name != "expand"}
        if call.by_browser:
            given = browser.prove(tx, call.args.get("intent_id"), given)
        checked = parameters.Spoken(parameters.check(call.route.params, given))
        with clocks.time_of(tx, call.args, given):
            result = call.route.handler(tx, checked, **call.args)
            checked.refuse_unread()
            rendered = render(tx, result)
        if call.by_browser:
            return browser.reduced(rendered)
        return expand(tx, copied(rendered), self._paths(paths)) if paths else rendered

    def _paths(self, given: Any) -> list[str]:
        if not isinstance(given, dict):
            raise InvalidParams("Invalid array", param="expand")
        return [str(given[key]) for key in sorted(given, key=int)]

    def _render_errors(self, tx: Tx, error: dict[str, Any]) -> None:
        """Errors about payments carry the objects concerned."""
        for name in ("payment_intent", "setup_intent", "payment_method"):
            if isinstance(error.get(name), dict):
                error[name] = render(tx, error[name])

    # Reading the request -----------------------------------------------------------------------------------------

    def _authenticate(self, request: Request) -> str:
        """The key that is used."""
        header = request.headers.get("Authorization", "")
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "basic":
            value = base64.b64decode(value + "==", validate=False).decode("utf-8", "replace").split(":")[0]
        if not value:
            raise InvalidParams(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
            )
        if value not in (self.core.secret_key, self.core.publishable_key):
            raise InvalidParams(f"Invalid API Key provided: {value[:8]}****{value[-4:]}", status=401)
        version = request.headers.get("Stripe-Version", API_VERSION)
        if version != API_VERSION:
            raise InvalidParams(
                f"Invalid Stripe API version: {version}. This server speaks {API_VERSION} only."
            )
        return value

    def _route(self, request: Request) -> tuple[Route, dict[str, Any]]:
        try:
            route, args = self._map.bind("").match(request.path, request.method)
        except HTTPException as error:
            raise from_http(error, request.method, request.path) from None
        return route, dict(args)

    def _pairs(self, request: Request) -> Iterable[tuple[str, str]]:
        yield from request.args.items(multi=True)
        yield from request.form.items(multi=True)

    # Answering ---------------------------------------------------------------------------------------------------

    def _response(self, request: Request, answer: Answer, request_id: str) -> Response:
        body = json.dumps(answer.body, indent=2)
        response = Response(body, answer.status, content_type="application/json")
        response.headers.update(browser.CORS)
        response.headers["Request-Id"] = request_id
        response.headers["Stripe-Version"] = API_VERSION
        if key := request.headers.get("Idempotency-Key"):
            response.headers["Idempotency-Key"] = key
        if answer.replayed_from:
            response.headers["Idempotent-Replayed"] = "true"
            response.headers["Original-Request"] = answer.replayed_from
        return response

    def _log(self, request: Request, answer: Answer, fault: Fault | None, request_id: str) -> None:
        try:
            given = parameters.decode_form(self._pairs(request))
        except InvalidParams:
            given = {}
        self.core.requests.add(
            {
                "id": request_id,
                "at": self.core.clock.now(),
                "method": request.method,
                "path": request.path,
                "idempotency_key": request.headers.get("Idempotency-Key"),
                "params": redacted(given),
                "status": answer.status,
                "body": answer.body,
                "replayed": answer.replayed_from is not None,
                "fault": fault.effect if fault else None,
            }
        )


def spoilt(response: Response, effect: str) -> Response:
    """The answer as something between us and the client may leave it."""
    if effect == "garbage_after":
        return Response("<html><body>Bad gateway</body></html>", 200, content_type="text/html")
    if effect == "cut_off_after":
        whole = response.get_data()
        response.set_data(whole[: len(whole) // 2])
        response.headers["Content-Length"] = str(
            len(whole)
        )  # the server closes the connection that came short
    return response


class Dropped(Response):
    """Closes the connection instead of answering."""

    def __init__(self, request: Request) -> None:
        super().__init__(b"")
        self._disconnected = request.environ.get("waitress.client_disconnected")

    def __call__(self, environ: Any, start_response: Any) -> Any:
        channel = self._disconnected.__self__ if self._disconnected else None
        if channel is not None:
            channel.socket.shutdown(socket.SHUT_RDWR)
        return super().__call__(environ, start_response)
