"""Views that fail in every way there is, at addresses of their own beside the real ones; and the form of an error."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from rest_framework.response import Response

from common import errors
from common.api import ApiSerializer, ApiView, StrictIntegerField

calls: list[str] = []


class Probe(ApiSerializer):
    units = StrictIntegerField(min_value=1)


class ProbeView(ApiView):
    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Any) -> Response:
        data = self.body(Probe)
        calls.append("effect")
        return Response({"units": data["units"]})


class OwnView(ApiView):
    def get(self, request: Any, name: str = "") -> Response:
        assert "\x00" not in name
        return Response({"email": request.user.email})


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a secret detail")


def refusing(request: HttpRequest) -> HttpResponse:
    raise errors.Conflict(details={"why": "because"})


urlpatterns = [
    path("v1/probe", ProbeView.as_view()),
    path("v1/own", OwnView.as_view()),
    path("v1/own/<str:name>", OwnView.as_view()),
    path("v1/broken", broken),
    path("v1/refusing", refusing),
    path("pages/broken", broken),
    path("pages/refusing", refusing),
    path("", include("config.urls")),
]

handler400 = "common.pages.bad_request"
handler403 = "common.pages.permission_denied"
handler404 = "common.pages.not_found"
handler500 = "common.pages.server_error"


def assert_error(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body = json.loads(response.content)
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"code", "message", "details", "request_id"}
    assert error["code"] == code
    assert error["message"]
    assert isinstance(error["details"], dict)
    assert error["request_id"] == response["X-Request-Id"]
    assert calls == []
    return error


def post(client: Client, body: bytes | str, content_type: str = "application/json", **extra: Any) -> Any:
    return client.post("/v1/probe", body, content_type=content_type, **extra)
