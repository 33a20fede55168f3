"""API tokens: a short access token and a refresh token that is good for one use.

The refresh tokens that follow each other from one sign-in are a family, whose id begins the id of each: when one comes
back that was used, somebody has a copy, and the whole family is withdrawn.

Tokens carry the role and a mark of the password, so that changing the password withdraws all of them. The list of
issued refresh tokens holds their ids only: whoever reads the table cannot sign in with it.
"""

from dataclasses import dataclass
from typing import Any, TypeVar, cast
from uuid import uuid4

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token
from rest_framework_simplejwt.utils import datetime_from_epoch

from accounts.models import User
from common.errors import InvalidCredentials, TokenExpired

ROLE_CLAIM, ROLE_USER = "role", "user"
PASSWORD_CLAIM = "pwm"  # noqa: S105 - a claim's name
FAMILY_END = "."

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
    """A refresh token. Whether it was withdrawn is asked when it is used, so that a copy's use is noticed."""

    @property
    def family(self) -> str:
        """What all refresh tokens of one sign-in share."""
        return str(self[api_settings.JTI_CLAIM]).partition(FAMILY_END)[0]

    def check_blacklist(self) -> None:
        """Nothing yet: `withdraw` tells."""

    def withdraw(self) -> bool:
        """Make it useless. False when it already was."""
        _entry, first = cast("tuple[Any, bool]", self.blacklist())
        return first

    def withdraw_family(self) -> None:
        """Make every refresh token of this sign-in useless, this one too."""
        self.withdraw()
        family_withdraw(self.family)


def family_withdraw(family: str, *, user: User | None = None) -> bool:
    """Make every refresh token of one sign-in, of that user, useless. False when there was none to withdraw."""
    issued = OutstandingToken.objects.filter(jti__startswith=family + FAMILY_END, blacklistedtoken=None)
    if user is not None:
        issued = issued.filter(user=user)
    withdrawn = BlacklistedToken.objects.bulk_create(
        [BlacklistedToken(token=token) for token in issued], ignore_conflicts=True
    )
    return bool(withdrawn)


def issue(user: User, *, family: str | None = None) -> TokenPair:
    """A new pair for `user`: the next one of a family, or the first of a new one."""
    refresh: Any = UserRefreshToken()
    own = refresh[api_settings.JTI_CLAIM]
    refresh[api_settings.JTI_CLAIM] = f"{family or uuid4().hex}{FAMILY_END}{own}"
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
    """The refresh token, verified; it may have been withdrawn. TokenExpired or InvalidCredentials."""
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
    mark = str(token.get(PASSWORD_CLAIM, ""))
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if not any(constant_time_compare(mark, _password_mark(user, key)) for key in keys):
        raise TokenExpired
    return user


def _password_mark(user: User, key: str | None = None) -> str:
    """Of the password's hash; under the present secret when no other is named."""
    mark = salted_hmac("accounts.tokens.password", user.password, secret=key, algorithm="sha256")
    return mark.hexdigest()[:24]
