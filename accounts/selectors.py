"""Who is who: reading people and their accounts."""

from typing import Any

from allauth.account.models import EmailAddress
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from accounts import tokens
from accounts.enums import Permission
from accounts.models import Account, User
from accounts.roles import roles_that_may
from common.errors import PermissionDenied

# In the session: the account that its person chose to act for.
CHOSEN_ACCOUNT = "account"


def account_of(request: Any) -> Account:
    """The account the caller acts for: the one chosen on the pages, else their own, else the organisation they have
    managed longest. Whose billing a person manages (accounts.roles), for that they act.

    PermissionDenied for a person without any (staff, as a rule).
    """
    account: Account | None = getattr(request, "palier_account", None)
    if account is None:
        account = _chosen_account(request) or account_of_user(request.user)
        request.palier_account = account
    return account


def _chosen_account(request: Any) -> Account | None:
    """The organisation this browser's person switched to, while they may act for it. A token acts for no choice."""
    if getattr(request, "auth", None) is not None:
        return None
    chosen = request.session.get(CHOSEN_ACCOUNT) if hasattr(request, "session") else None
    if chosen is None:
        return None
    managed = request.user.memberships.filter(account_id=chosen, role__in=roles_that_may(Permission.BILLING))
    membership = managed.select_related("account").first()
    return membership.account if membership else None


def has_account(request: Any) -> bool:
    """Whether there is an account that the signed-in person acts for; False for a visitor."""
    if not request.user.is_authenticated:
        return False
    try:
        account_of(request)
    except PermissionDenied:
        return False
    return True


def person_by_email(email: str) -> User | None:
    """Who has this address, the main one or another."""
    known = EmailAddress.objects.filter(email__iexact=email).select_related("user").first()
    return known.user if known else User.objects.filter(email__iexact=email).first()


def person_of(request: Any) -> User:
    """The signed-in person, where permissions have made sure that there is one."""
    user = request.user
    assert isinstance(user, User), "a view that asks for a person lets only people in"
    return user


def account_of_user(user: User) -> Account:
    """As account_of, outside a request."""
    own = getattr(user, "personal_account", None)
    if own is not None:
        return own
    managed = user.memberships.filter(role__in=roles_that_may(Permission.BILLING))
    membership = managed.select_related("account").order_by("created_at", "id").first()
    if membership is None:
        raise PermissionDenied(_("You have no account to do this for."))
    return membership.account


def user_of_token(token: Token) -> User:
    """The active user a verified token was issued to. InvalidCredentials or TokenExpired."""
    user_id = token[api_settings.USER_ID_CLAIM]
    user = User.objects.select_related("personal_account").filter(pk=user_id).first()
    return tokens.check_holder(token, user)
