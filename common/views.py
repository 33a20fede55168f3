"""For operators' machines: alive, ready, metrics. For integrators: the API's description."""

import hashlib

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_safe
from drf_spectacular.views import SpectacularSwaggerSplitView
from prometheus_client import CONTENT_TYPE_LATEST

from common import errors, health, metrics, openapi


@csrf_exempt  # so that what is not a question is told 405, not that a form is old
@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """200 while the process answers at all."""
    return JsonResponse({"status": "ok"})


@csrf_exempt
@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """200 when requests can be served, 503 with what fails."""
    status, checks = health.readiness()
    return JsonResponse({"status": status, "checks": checks}, status=503 if status == "failing" else 200)


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """Where browsers look without asking the page. The pages themselves name the picture."""
    return redirect(static("favicon.svg"), permanent=True)


@csrf_exempt
@require_safe
@never_cache
def metrics_text(request: HttpRequest) -> HttpResponse:
    """Prometheus' text form. With METRICS_TOKEN set, only for who sends it as a bearer token."""
    expected = settings.METRICS_TOKEN
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if expected and not constant_time_compare(sent, expected):
        raise errors.NotAuthenticated
    return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


def _document_etag(_request: HttpRequest) -> str:
    return f'"{hashlib.sha256(openapi.document()).hexdigest()[:32]}"'


@csrf_exempt
@require_safe
@condition(etag_func=_document_etag)
def openapi_json(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """The OpenAPI document."""
    return HttpResponse(openapi.document(), content_type="application/json")


class DocsView(SpectacularSwaggerSplitView):
    """The document to read and try; without inline scripts or styles, so that the page's CSP can forbid them."""

    url_name = "openapi"
    template_name = "api/docs.html"
    authentication_classes = ()
    permission_classes = ()
