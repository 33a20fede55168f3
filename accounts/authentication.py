"""Who calls the B2C API: the holder of an access token."""

from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.tokens import Token

from accounts import tokens
from accounts.models import User
from accounts.selectors import user_of_token
from common.errors import InvalidCredentials, TokenExpired

API_KEY_PREFIX = "plr_"


class JwtAuthentication(BaseAuthentication):
    """`Authorization: Bearer <JWT>`; `request.auth` is the token. An organisation's API key is refused here."""

    errors = (InvalidCredentials, TokenExpired)  # besides not_authenticated; for the API's description

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        token = tokens.read_access(_bearer(header))
        return user_of_token(token), token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return "Bearer"


def _bearer(header: str) -> str:
    scheme, _space, credentials = header.strip().partition(" ")
    credentials = credentials.strip()
    if scheme.lower() != "bearer" or not credentials or " " in credentials:
        raise InvalidCredentials(_("Send the token as 'Authorization: Bearer <token>'."))
    if credentials.startswith(API_KEY_PREFIX):
        raise InvalidCredentials(_("API keys are for /v1/b2b/. Sign in for a token instead."))
    return credentials
