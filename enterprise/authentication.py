"""Who calls the B2B API: the holder of an organisation's key."""

from __future__ import annotations

from dataclasses import dataclass

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.authentication import API_KEY_PREFIX
from common import ratelimit
from enterprise.enums import KeyFailure
from enterprise.errors import InvalidApiKey
from enterprise.models import Credential
from enterprise.services.credentials import credential_authenticate, key_refused

FAILURES = ("api_key_failures",)


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Stands as `request.user` where no person calls."""

    prefix: str
    is_authenticated: bool = True
    is_anonymous: bool = False
    is_active: bool = True
    is_staff: bool = False

    def __str__(self) -> str:
        return self.prefix


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer plr_…` or `X-Api-Key: plr_…`. `request.auth` is the credential.

    The request's account is the credential's, so `account_of(request)` and `@metered` work as for people. A person's
    token is refused here.
    """

    errors = (InvalidApiKey,)  # besides not_authenticated; for the API's description

    def authenticate(self, request: Request) -> tuple[KeyHolder, Credential] | None:
        key = _key_of(request)
        if key is None:
            return None
        try:
            credential = credential_authenticate(key=key)
        except InvalidApiKey:
            ratelimit.check(request, FAILURES)
            raise
        request.palier_account = credential.account  # type: ignore[attr-defined]
        request.credential_id = credential.pk  # type: ignore[attr-defined]
        return KeyHolder(credential.prefix), credential

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return "Bearer"


def _key_of(request: Request) -> str | None:
    """The key that was sent, None when there is none. InvalidApiKey for anything that is none."""
    header, own_header = request.META.get("HTTP_AUTHORIZATION"), request.META.get("HTTP_X_API_KEY")
    sent = {_bearer(header)} if header is not None else set()
    if own_header is not None:
        sent.add(own_header.strip())
    if not sent:
        return None
    if len(sent) > 1:
        raise key_refused(KeyFailure.TWO_KEYS, None)
    return sent.pop()


def _bearer(header: str) -> str:
    scheme, _space, credentials = header.strip().partition(" ")
    credentials = credentials.strip()
    if scheme.lower() != "bearer" or not credentials:
        raise key_refused(KeyFailure.MALFORMED, None)
    if not credentials.startswith(API_KEY_PREFIX):
        raise key_refused(KeyFailure.OTHER_KIND, None)
    return credentials
