"""SP-4's two endpoints: the same work behind the same authentication, and one of them metered."""

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import IsUser
from bench.accounts import METRIC
from common.api import ApiView
from quotas.decorators import metered


class PlainView(ApiView):
    """Rate limits would cost both sides the same, and refuse what the load sends: there are none."""

    permission_classes = [IsUser]
    rate_limits = ()

    def get(self, request: Request) -> Response:  # noqa: ARG002
        return Response({"ok": True})


class MeteredView(PlainView):
    @metered(METRIC)
    def get(self, request: Request) -> Response:
        return super().get(request)
