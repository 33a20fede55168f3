"""API tokens: a short access token and a refresh token that is good for one use.

Tokens carry the role and a mark of the password, so that changing the password withdraws all of them. The list of
issued refresh tokens holds their ids only: whoever reads the table cannot sign in with it.
"""

from dataclasses import dataclass
from typing import Any, TypeVar, cast

from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token
from rest_framework_simplejwt.utils import datetime_from_epoch

from accounts.models import User
from common.errors import InvalidCredentials, TokenExpired

ROLE_CLAIM, ROLE_USER = "role", "user"
PASSWORD_CLAIM = "pwm"  # noqa: S105 - a claim's name

AnyToken = TypeVar("AnyToken", bound=Token)


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client needs to call the API; `expires_in` is the access token's life in seconds."""

    access: str
    refresh: str
    expires_in: int

    def as_json(self) -> dict[str, str | int]:
        return {"access": self.access, "refresh": self.refresh, "expires_in": self.expires_in}


class UserRefreshToken(RefreshToken):
    """A refresh token whose withdrawal is told from its being forged."""

    def check_blacklist(self) -> None:
        try:
            super().check_blacklist()
        except TokenError as error:
            raise TokenExpired from error

    def withdraw(self) -> bool:
        """Make it useless. False when somebody else did so first."""
        _entry, first = cast("tuple[Any, bool]", self.blacklist())
        return first


def issue(user: User) -> TokenPair:
    """A new pair for `user`."""
    refresh: Any = UserRefreshToken()
    refresh[api_settings.USER_ID_CLAIM] = str(user.pk)
    refresh[ROLE_CLAIM] = ROLE_USER
    refresh[PASSWORD_CLAIM] = _password_mark(user)
    OutstandingToken.objects.create(
        user=user,
        jti=refresh[api_settings.JTI_CLAIM],
        token="",
        created_at=refresh.current_time,
        expires_at=datetime_from_epoch(refresh["exp"]),
    )
    lifetime = int(api_settings.ACCESS_TOKEN_LIFETIME.total_seconds())
    return TokenPair(access=str(refresh.access_token), refresh=str(refresh), expires_in=lifetime)


def read_access(raw: str) -> Token:
    """The access token, verified. TokenExpired or InvalidCredentials."""
    return _read(AccessToken, raw)


def read_refresh(raw: str) -> UserRefreshToken:
    """The refresh token, verified and not withdrawn. TokenExpired or InvalidCredentials."""
    return _read(UserRefreshToken, raw)


def _read(kind: type[AnyToken], raw: str) -> AnyToken:
    try:
        return kind(raw)  # type: ignore[arg-type]
    except ExpiredTokenError as error:
        raise TokenExpired from error
    except TokenError as error:
        raise InvalidCredentials(_("This token is not valid here.")) from error


def check_holder(token: Token, user: User | None) -> User:
    """The token's user, who must be active and have the password the token was issued under."""
    if user is None or not user.is_active:
        raise InvalidCredentials(_("This token is not valid here."))
    if not constant_time_compare(str(token.get(PASSWORD_CLAIM, "")), _password_mark(user)):
        raise TokenExpired
    return user


def _password_mark(user: User) -> str:
    return salted_hmac("accounts.tokens.password", user.password, algorithm="sha256").hexdigest()[:24]
