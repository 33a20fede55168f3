"""Signing in to the API."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.serializers import RefreshRequest, RevokedData, TokenPairData, TokenRequest
from common.api import ApiView
from common.errors import InvalidCredentials, PermissionDenied, TokenExpired


class _PublicAuthView(ApiView):
    """For callers who have no access token yet. Answers hold secrets, so they are never kept for replay."""

    authentication_classes = ()
    permission_classes = ()
    idempotent = False


class TokenView(_PublicAuthView):
    """Sign in with e-mail address and password."""

    rate_limits = ("global", "auth_ip", "auth")
    errors = (InvalidCredentials, PermissionDenied)

    @extend_schema(operation_id="auth_token", request=TokenRequest, responses=TokenPairData)
    def post(self, request: Request) -> Response:
        data = self.body(TokenRequest)
        pair = services.token_issue(
            email=data["email"], password=data["password"], code=data.get("code"), request=request._request
        )
        return Response(pair.as_json())


class TokenRefreshView(_PublicAuthView):
    """A new pair for a refresh token, which is then used up."""

    rate_limits = ("global", "auth_ip")
    errors = (InvalidCredentials, TokenExpired)

    @extend_schema(operation_id="auth_token_refresh", request=RefreshRequest, responses=TokenPairData)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        pair = services.token_refresh(refresh=self.body(RefreshRequest)["refresh"])
        return Response(pair.as_json())


class TokenRevokeView(_PublicAuthView):
    """Withdraw a refresh token. One that is already withdrawn or expired is fine."""

    rate_limits = ("global", "auth_ip")
    errors = (InvalidCredentials,)

    @extend_schema(operation_id="auth_token_revoke", request=RefreshRequest, responses=RevokedData)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        services.token_revoke(refresh=self.body(RefreshRequest)["refresh"])
        return Response({"revoked": True})
