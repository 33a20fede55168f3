"""The base of every API view: one order of checks, one form of error.

Order: method, caller, permission, rate limits, parameters, body, then the handler. So a stranger learns nothing from a
validation error, and a refused request costs nothing.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer
from rest_framework.views import APIView

from common import idempotency, ratelimit
from common.api.envelope import error_response
from common.api.errors import to_domain_error
from common.api.naming import check_no_fields, check_parameters
from common.api.parsing import StrictJsonParser
from common.api.rendering import EnvelopeRenderer, OneFormNegotiation
from common.callers import caller_of
from common.errors import (
    DomainError,
    MalformedRequest,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
)

Handler = Callable[..., Any]
BODYLESS = frozenset({"GET", "HEAD", "DELETE"})
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class ApiView(APIView):
    """Return `Response(data)` or `listed(items, cursor)`; raise DomainErrors.

    rate_limits: names of settings.RATE_LIMITS that apply here.
    errors: what its methods end in besides what every view may, for the API's description.
    idempotent: whether an Idempotency-Key is honoured on methods that change something; not where the answer holds
    secrets that must not be kept.
    idempotency_wait_s: how long a duplicate waits for the first request to end before it hears 409.
    """

    parser_classes = [StrictJsonParser]
    renderer_classes = [EnvelopeRenderer]
    content_negotiation_class = OneFormNegotiation
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]

    rate_limits: ClassVar[tuple[str, ...]] = ("global", "user")
    errors: ClassVar[tuple[type[DomainError], ...]] = ()
    idempotent: ClassVar[bool] = True
    idempotency_wait_s: ClassVar[float] = 0

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if any("\x00" in value for value in kwargs.values() if isinstance(value, str)):
            raise NotFound  # no id of ours holds one, and the database would not even look
        super().initial(request, *args, **kwargs)
        check_parameters(self, request.method or "", request.query_params)
        self._read_body(request)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.args, self.kwargs = args, kwargs
        self.request = wrapped = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        try:
            handler = self._handler(request.method or "")
            self.initial(wrapped, *args, **kwargs)
            response = self._run(handler, wrapped)
        except Exception as exc:  # noqa: BLE001 - handle_exception raises again what is a bug
            response = self.handle_exception(exc)
        self.response = self.finalize_response(wrapped, response, *args, **kwargs)
        return self.response

    @property
    def default_response_headers(self) -> dict[str, str]:
        # Every answer is one caller's and of one moment; no cache may keep it.
        return super().default_response_headers | {"Cache-Control": "no-store"}

    def _run(self, handler: Handler, request: Request) -> Any:
        """Call the handler, once only for all requests that carry the same Idempotency-Key."""
        honoured = self.idempotent and request.method in CHANGING and request.user is not None
        key = request.META.get("HTTP_IDEMPOTENCY_KEY") if honoured else None
        request.idempotency_key = key  # type: ignore[attr-defined]
        request.call_id = None  # type: ignore[attr-defined]
        if key is None:
            return handler(request, *self.args, **self.kwargs)
        call = idempotency.Call.of(
            scope=caller_of(request),
            key=key,
            method=request.method or "",
            path=request.path,
            query=request.META.get("QUERY_STRING", ""),
            body=request._request.body,
        )
        request.call_id = call.id  # type: ignore[attr-defined]
        return idempotency.run_once(
            call, lambda: self._answer(handler, request), wait_s=self.idempotency_wait_s
        )

    def _answer(self, handler: Handler, request: Request) -> HttpResponse:
        """The handler's answer or error, rendered, as it will be kept."""
        try:
            response = handler(request, *self.args, **self.kwargs)
        except Exception as exc:  # noqa: BLE001 - handle_exception raises again what is a bug
            response = self.handle_exception(exc)
        finished = self.finalize_response(request, response, *self.args, **self.kwargs)
        return finished.render() if isinstance(finished, Response) else finished

    def _handler(self, method: str) -> Handler:
        handler = getattr(self, method.lower(), None) if method.lower() in self.http_method_names else None
        if handler is None:
            raise MethodNotAllowed
        return handler

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        error = to_domain_error(exc)
        if error is None:
            raise exc
        return error_response(error)

    def check_throttles(self, request: Request) -> None:
        usages = ratelimit.check(request, self.rate_limits)
        self.headers.update(ratelimit.headers(usages))

    def permission_denied(
        self,
        request: Request,
        message: str | None = None,
        code: str | None = None,  # noqa: ARG002
    ) -> NoReturn:
        if request.authenticators and not request.successful_authenticator:
            raise NotAuthenticated
        raise PermissionDenied(message)

    def _read_body(self, request: Request) -> None:
        """Read and parse now, whether or not the handler looks: 413, 415 and 400 come before any effect."""
        if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
            raise MalformedRequest(_("Send the body with a Content-Length."))
        request._request.body  # noqa: B018
        body = request.data
        if request.method in BODYLESS:
            check_no_fields(body)

    def body(
        self, serializer_class: type[BaseSerializer[Any]], *, partial: bool = False, **context: Any
    ) -> Any:
        """The request's body, validated; with `partial` no field is required. 422 when it is not right."""
        return self._validated(serializer_class, self.request.data, partial, context)

    def query(self, serializer_class: type[BaseSerializer[Any]], **context: Any) -> Any:
        """The parameters that this serializer knows, validated; paginate reads `cursor` and `limit`. 422 when not right."""
        asked = self.request.query_params
        known = serializer_class().fields if issubclass(serializer_class, Serializer) else {}
        data = {name: asked[name] for name in asked if name in known}
        return self._validated(serializer_class, data, False, context)

    def _validated(
        self, serializer_class: type[BaseSerializer[Any]], data: Any, partial: bool, context: dict[str, Any]
    ) -> Any:
        context = {"request": self.request, "view": self} | context
        serializer = serializer_class(data=data, partial=partial, context=context)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data
