"""Answers of views, wrapped. JSON whatever `Accept` says: the API has one form."""

from collections.abc import Mapping
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from common.api.envelope import success_body, to_json

NO_CONTENT = 204


class EnvelopeRenderer(BaseRenderer):
    """Wraps what a view returns as `data`; a response's `meta` attribute is added to the request id."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,  # noqa: ARG002
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        response = (renderer_context or {}).get("response")
        if response is not None and response.status_code == NO_CONTENT:
            return b""
        return to_json(success_body(data, getattr(response, "meta", {})))


class OneFormNegotiation(BaseContentNegotiation):
    """JSON in, JSON out: `Accept` never leads to a 406 that no client expects."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        sent = request.content_type.split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == sent), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:  # noqa: ARG002
        return renderers[0], renderers[0].media_type
