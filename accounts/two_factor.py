"""Two-factor sign-in without pages: turned on with a code of the authenticator, off with the password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret, validate_totp_code
from django.core import signing
from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.errors import TwoFactorNotOn, TwoFactorOn
from accounts.models import User
from accounts.passwords import password_check
from common.errors import ValidationError

SETUP_LIFE = timedelta(minutes=15)
SALT = "accounts.two_factor.setup"


def codes_open_once() -> None:
    """A code that was used is refused for as long as it would pass (RFC 6238, 5.2).

    allauth remembers it for one period only, while with MFA_TOTP_TOLERANCE it passes in the ones before and after, too.
    """

    def mark_used(totp: TOTP, code: str) -> bool:
        passes_for_s = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)
        return cache.add(totp._get_used_cache_key(code), "y", timeout=passes_for_s)

    TOTP._mark_code_used = mark_used


@dataclass(frozen=True, slots=True)
class Setup:
    """What an authenticator app needs; `token` stands for it when it is confirmed. Nothing is on yet."""

    secret: str
    uri: str
    token: str


@dataclass(frozen=True, slots=True)
class TwoFactorState:
    """Whether a code is asked for at sign-in, and how many recovery codes are unused."""

    is_on: bool
    recovery_codes_left: int


def two_factor_state(user: User) -> TwoFactorState:
    codes = _authenticators(user).filter(type=Authenticator.Type.RECOVERY_CODES).first()
    return TwoFactorState(_is_on(user), len(RecoveryCodes(codes).get_unused_codes()) if codes else 0)


def two_factor_begin(*, user: User, password: str) -> Setup:
    """A new secret, kept nowhere yet. TwoFactorOn; ValidationError for a wrong password."""
    password_check(user, password)
    if _is_on(user):
        raise TwoFactorOn
    secret = generate_totp_secret()
    token = signing.dumps({"user": user.pk, "secret": secret}, salt=SALT)
    return Setup(secret, get_adapter().build_totp_url(user, secret), token)


@transaction.atomic
def two_factor_confirm(*, user: User, setup: str, code: str) -> list[str]:
    """Turn it on, once the app has shown that it knows the secret; the recovery codes.

    TwoFactorOn; ValidationError for a wrong code, or a setup that is too old or somebody else's.
    """
    locked = User.objects.select_for_update().get(pk=user.pk)
    if _is_on(locked):
        raise TwoFactorOn
    try:
        begun = signing.loads(setup, salt=SALT, max_age=SETUP_LIFE)
    except signing.BadSignature:
        begun = {}
    if begun.get("user") != locked.pk:
        raise ValidationError.of("setup", "expired", _("Begin again: this is not good any more."))
    if not validate_totp_code(begun["secret"], code):
        raise ValidationError.of("code", "wrong", _("This is not the code that the app shows now."))
    TOTP.activate(locked, begun["secret"])
    return RecoveryCodes.activate(locked).get_unused_codes()


@transaction.atomic
def recovery_codes_renew(*, user: User, password: str) -> list[str]:
    """New recovery codes; those before work no longer. TwoFactorNotOn; ValidationError for a wrong password."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    password_check(locked, password)
    if not _is_on(locked):
        raise TwoFactorNotOn
    _authenticators(locked).filter(type=Authenticator.Type.RECOVERY_CODES).delete()
    return RecoveryCodes.activate(locked).get_unused_codes()


@transaction.atomic
def two_factor_off(*, user: User, password: str) -> None:
    """The password alone is enough from now on. TwoFactorNotOn; ValidationError for a wrong password."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    password_check(locked, password)
    if not _is_on(locked):
        raise TwoFactorNotOn
    _authenticators(locked).delete()


def _is_on(user: User) -> bool:
    return _authenticators(user).filter(type=Authenticator.Type.TOTP).exists()


def _authenticators(user: User) -> QuerySet[Authenticator]:
    return Authenticator.objects.filter(user=user)
