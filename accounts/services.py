"""People joining, signing in to the API, and leaving it again."""

from datetime import datetime

import structlog
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import authenticate
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import tokens
from accounts.locks import lock_token_family
from accounts.models import Account, AccountKind, Language, Membership, Role, User
from accounts.selectors import user_of_token
from accounts.signals import account_created
from common.errors import InvalidCredentials, PermissionDenied, TokenExpired, ValidationError

logger = structlog.get_logger(__name__)


def user_register(
    *, email: str, password: str, display_name: str = "", language: str = Language.ENGLISH, now: datetime
) -> User:
    """A new person with an account of their own, all or nothing. ValidationError when the address is taken."""
    with transaction.atomic():
        user = _user_create(email, password, display_name, language, now)
        account_create_personal(user=user, now=now)
    return user


def organisation_register(
    *,
    email: str,
    password: str,
    display_name: str = "",
    organisation: str,
    language: str = Language.ENGLISH,
    now: datetime,
) -> Account:
    """An organisation with its first owner, who has no account of their own: whatever they pay for is its.

    All or nothing. ValidationError when the address is taken.
    """
    with transaction.atomic():
        user = _user_create(email, password, display_name, language, now)
        return account_create_organisation(name=organisation, owner=user, now=now)


def _user_create(email: str, password: str, display_name: str, language: str, now: datetime) -> User:
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                email, password, display_name=display_name, language=language, date_joined=now
            )
            EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
    except IntegrityError as error:
        if "user_email_once" in str(error):
            raise ValidationError.of("email", "taken", _("This address is in use.")) from error
        raise
    return user


def account_create_personal(*, user: User, now: datetime) -> Account:
    """The account that belongs to one person. Fires `account_created` in the same transaction."""
    with transaction.atomic():
        account = Account.objects.create(
            kind=AccountKind.PERSONAL,
            name=user.name_or_email,
            personal_owner=user,
            billing_email=user.email,
            created_at=now,
        )
        account_created.send(sender=Account, account=account, now=now)
    return account


def account_create_organisation(*, name: str, owner: User, now: datetime) -> Account:
    """An organisation's account with its first member. Fires `account_created` in the same transaction."""
    with transaction.atomic():
        account = Account.objects.create(
            kind=AccountKind.ORGANISATION, name=name, billing_email=owner.email, created_at=now
        )
        Membership.objects.create(account=account, user=owner, role=Role.OWNER, created_at=now)
        account_created.send(sender=Account, account=account, now=now)
    return account


def token_issue(*, email: str, password: str, code: str | None, request: HttpRequest) -> tokens.TokenPair:
    """Sign in to the API. InvalidCredentials says the same for a wrong password and an unknown address.

    `code` is asked of those who turned two-factor sign-in on. PermissionDenied while an address that must be
    confirmed is not.
    """
    user = authenticate(request, email=email, password=password)
    if not isinstance(user, User):
        raise InvalidCredentials
    _check_second_factor(user, code)
    _check_address_confirmed(user)
    return tokens.issue(user)


def _check_second_factor(user: User, code: str | None) -> None:
    authenticators = list(Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.WEBAUTHN))
    if not authenticators:
        return
    if not code:
        raise InvalidCredentials(
            _("Send the code of your authenticator as 'code'."), details={"second_factor_required": True}
        )
    if not any(authenticator.wrap().validate_code(code) for authenticator in authenticators):
        raise InvalidCredentials(details={"second_factor_required": True})


def _check_address_confirmed(user: User) -> None:
    if settings.ACCOUNT_EMAIL_VERIFICATION != "mandatory":
        return
    if not EmailAddress.objects.filter(user=user, verified=True).exists():
        raise PermissionDenied(_("Confirm your e-mail address first: we sent you a link."))


def token_refresh(*, refresh: str) -> tokens.TokenPair:
    """A new pair for an unused refresh token, which is used up. TokenExpired when it was used or withdrawn.

    Using one again withdraws all that came of its sign-in: either this caller or the one before has a stolen copy.
    """
    old = tokens.read_refresh(refresh)
    pair = _rotated(old, user_of_token(old))
    if pair is None:
        logger.warning("refresh_token_used_again")
        raise TokenExpired
    return pair


@transaction.atomic
def _rotated(old: tokens.UserRefreshToken, user: User) -> tokens.TokenPair | None:
    """The next pair of the family; None, and no family any more, when `old` was withdrawn."""
    lock_token_family(old.family)
    if not old.withdraw():
        old.withdraw_family()
        return None
    return tokens.issue(user, family=old.family)


@transaction.atomic
def token_revoke(*, refresh: str) -> None:
    """Sign this client out. An expired or withdrawn token is no error. InvalidCredentials for a forged one."""
    try:
        token = tokens.read_refresh(refresh)
    except TokenExpired:
        return
    lock_token_family(token.family)
    token.withdraw_family()
