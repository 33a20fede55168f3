"""Errors as pages: the same tree of errors as the API's, with the next step in words."""

import sys

import structlog
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.template.loader import select_template
from django.urls import is_valid_path
from django.utils.html import format_html
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from common import errors
from common.api.envelope import answers_json, error_response
from common.api.errors import to_domain_error
from common.request_id import current_request_id

logger = structlog.get_logger(__name__)

# Shown when even the error page cannot be rendered, as when the database its header asks is gone.
LAST_RESORT = (
    '<!doctype html><html lang="{language}"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
    '<title>{message}</title><h1>{message}</h1><p>{next_step} <a href="/">{home}</a></p>'
    "<p>{code} · {request_id}</p>"
)


def render_error(request: HttpRequest, error: errors.DomainError) -> HttpResponse:
    """`errors/<page or code>.html`, else `errors/<status>.html`, else `errors/error.html`. JSON where that is spoken.

    The template gets `error`, `code`, `status`, `message`, `details` and `request_id`.
    """
    if answers_json(request):
        return error_response(error)
    template = select_template(
        [f"errors/{error.page or error.code}.html", f"errors/{error.status}.html", "errors/error.html"]
    )
    context = {
        "error": error,
        "code": error.code,
        "status": error.status,
        "message": error.message,
        "details": error.details,
        "request_id": current_request_id(),
    }
    try:
        page = template.render(context, request)
    except Exception:
        logger.exception("error_page_failed")
        page = _last_resort(error)
    return HttpResponse(page, status=error.status, headers=error.headers())


def _last_resort(error: errors.DomainError) -> str:
    return format_html(
        LAST_RESORT,
        language=get_language() or "en",
        message=error.message,
        next_step=_("Please try again in a minute."),
        home=_("To the front page"),
        code=error.code,
        request_id=current_request_id(),
    )


def page_above(path: str) -> str:
    """The nearest address above this one that there is; at last the front page."""
    above = path
    while above not in ("", "/"):
        above = above.rstrip("/").rpartition("/")[0] + "/"
        if is_valid_path(above):
            return above
    return "/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    too_large = isinstance(exception, RequestDataTooBig)
    return render_error(request, errors.PayloadTooLarge() if too_large else errors.MalformedRequest())


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001
    return render_error(
        request, errors.PermissionDenied(_("This form is too old. Go back, reload, send again."))
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return render_error(request, errors.PermissionDenied())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return render_error(request, errors.NotFound())


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """Allauth's limits, which do not say when they end: so no number is said either."""
    return render_error(request, errors.RateLimited())


def server_error(request: HttpRequest) -> HttpResponse:
    """For what no view raised: a bug, or a database that middleware asked in vain."""
    raised = sys.exc_info()[1]
    foreseen = to_domain_error(raised) if raised is not None else None
    return render_error(request, foreseen or errors.InternalError())
