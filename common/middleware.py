"""What every request passes: its id, its measure, its log line, and the form its errors take."""

import re
from collections.abc import Callable
from time import perf_counter

from django.http import HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.utils.cache import patch_vary_headers
from django_structlog.middlewares import RequestMiddleware

from common import metrics, pages
from common.api.envelope import answers_json, error_response, is_api_path, is_envelope
from common.api.errors import error_of_status, to_domain_error
from common.errors import MethodNotAllowed
from common.request_id import HEADER, bound_request_id, request_id_from

GetResponse = Callable[[HttpRequest], HttpResponseBase]
FIRST_ERROR_STATUS = 400
SAFE = ("GET", "HEAD")
SECRET_IN_PATH = re.compile(r"(/(?:key|confirm-email|webhook|invitation)/)[^/]+")


class RequestIdMiddleware:
    """Gives the request its id, as `request.request_id` and as the current one, and returns it to the caller."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = request_id_from(request.META.get("HTTP_X_REQUEST_ID"))
        request.request_id = request_id  # type: ignore[attr-defined]
        request.META["HTTP_X_REQUEST_ID"] = request_id
        with bound_request_id(request_id):
            response = self.get_response(request)
        # A replayed answer keeps the id it was first given: its body holds it.
        response.headers.setdefault(HEADER, request_id)
        return response


class MetricsMiddleware:
    """Counts and times answers by route name, never by path."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        route = (match.view_name or match.route) if match else "none"
        method = metrics.bounded_method(request.method)
        metrics.http_requests_total.labels(route, method, f"{response.status_code // 100}xx").inc()
        metrics.http_request_duration_seconds.labels(route, method).observe(perf_counter() - started)
        return response


class ProbesMiddleware:
    """Lets operators' probes name any host: they ask a process by its own address, which nobody lists as allowed.

    Their answers hold no address made from it. That they may come by plain HTTP is SECURE_REDIRECT_EXEMPT's to say.
    """

    PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info in self.PATHS:
            request.get_host = lambda: "probe"  # type: ignore[method-assign]
        return self.get_response(request)


class JsonErrorsMiddleware:
    """Where JSON is spoken every error is an envelope, whoever made it: the router, middleware, a bug, DEBUG."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code >= FIRST_ERROR_STATUS:
            response = self._error(request, response)
        for name, value in getattr(request, "rate_limit_headers", {}).items():
            response.headers.setdefault(name, value)
        return response

    def _error(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_page = not is_api_path(request.path_info)
        has_own_form = is_page and response.headers.get("Content-Type", "").startswith("application/json")
        if answers_json(request) and not is_envelope(response) and not has_own_form:
            replaced = error_response(error_of_status(response.status_code))
            if "Allow" in response.headers:
                replaced["Allow"] = response.headers["Allow"]
            response = replaced
        if is_page:
            patch_vary_headers(response, ["Accept"])
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Errors raised by a view. None lets a bug rise and be logged."""
        error = to_domain_error(exception) if is_api_path(request.path_info) else None
        return None if error is None else error_response(error)


class PageErrorsMiddleware:
    """A DomainError that a page's view raises is shown as a page, and so is that a method is not for an address.

    An address that takes only what a form sends is opened all the same: by the way back from the sign-in, by the
    language switch on the form's answer, by the address bar. That leads to the page the form stands on.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and not is_api_path(request.path_info):
            if response["Allow"] == "POST" and request.method in SAFE and not answers_json(request):
                return HttpResponseRedirect(pages.page_above(request.path_info))
            page = pages.render_error(request, MethodNotAllowed())
            page["Allow"] = response["Allow"]
            return page
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        error = None if is_api_path(request.path_info) else to_domain_error(exception)
        return None if error is None else pages.render_error(request, error)


class SlashMiddleware(CommonMiddleware):
    """Django's, which sends browsers on to the address with a slash at its end; a program is told that it is wrong."""

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return not is_api_path(request.path_info) and super().should_redirect_with_slash(request)


class RequestLogMiddleware(RequestMiddleware):
    """django-structlog's log lines, without query strings and without the secrets some paths carry."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        path = SECRET_IN_PATH.sub(r"\1…", request.path)
        return f"{request.method} {path}"
