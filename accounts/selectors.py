"""Who is who: reading people and their accounts."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from accounts import tokens
from accounts.models import Account, Role, User
from common.errors import PermissionDenied


def account_of(request: Any) -> Account:
    """The account the caller acts for: their own, else the organisation they have managed longest.

    PermissionDenied for a person without any (staff, as a rule; mere members act for themselves only).
    """
    account: Account | None = getattr(request, "palier_account", None)
    if account is None:
        account = account_of_user(request.user)
        request.palier_account = account
    return account


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
    managed = user.memberships.filter(role__in=(Role.OWNER, Role.ADMIN)).select_related("account")
    membership = managed.order_by("created_at", "id").first()
    if membership is None:
        raise PermissionDenied(_("You have no account to do this for."))
    return membership.account


def user_of_token(token: Token) -> User:
    """The active user a verified token was issued to. InvalidCredentials or TokenExpired."""
    user_id = token[api_settings.USER_ID_CLAIM]
    user = User.objects.select_related("personal_account").filter(pk=user_id).first()
    return tokens.check_holder(token, user)
