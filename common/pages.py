"""Errors as pages: the same tree of errors as the API's, with the next step in words."""

import structlog
from django.http import HttpRequest, HttpResponse
from django.template.loader import select_template
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from common import errors
from common.api.envelope import answers_json, error_response
from common.request_id import current_request_id

logger = structlog.get_logger(__name__)

# Shown when even the error page cannot be rendered, as when the database its header asks is gone.
LAST_RESORT = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{message}</title><h1>{message}</h1><p>{code} · {request_id}</p>"
)


def render_error(request: HttpRequest, error: errors.DomainError) -> HttpResponse:
    """`errors/<code>.html`, else `errors/<status>.html`, else `errors/error.html`. JSON where that is spoken.

    The template gets `error`, `code`, `status`, `message`, `details` and `request_id`.
    """
    if answers_json(request):
        return error_response(error)
    template = select_template(
        [f"errors/{error.code}.html", f"errors/{error.status}.html", "errors/error.html"]
    )
    context = {
        "error": error,
        "code": error.code,
        "status": error.status,
        "message": error.message,
        "details": error.details,
        "request_id": current_request_id(),
    }
    return HttpResponse(template.render(context, request), status=error.status, headers=error.headers())


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return render_error(request, errors.MalformedRequest())


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001
    return render_error(
        request, errors.PermissionDenied(_("This form is too old. Go back, reload, send again."))
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return render_error(request, errors.PermissionDenied())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return render_error(request, errors.NotFound())


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """Allauth's limits, which are per minute and do not say when they end."""
    return render_error(request, errors.RateLimited(details={"retry_after_s": 60}))


def server_error(request: HttpRequest) -> HttpResponse:
    error = errors.InternalError()
    try:
        return render_error(request, error)
    except Exception:
        logger.exception("error_page_failed")
        page = format_html(
            LAST_RESORT, message=error.message, code=error.code, request_id=current_request_id()
        )
        return HttpResponse(page, status=error.status)
